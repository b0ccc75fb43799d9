"""Mixed work of several visitors: nothing lost, nothing mixed up, nothing grows, nothing leaves.

The real app with a tiny model in a process of its own, and visitors who do this and that. In the
long run it is killed again and again first; then one process serves for an hour without a break.
The visitors pause between what they do, so that the hour takes less than half of a core.
"""

from __future__ import annotations

import os
import random
import sqlite3
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest
from figures import SEED, SOAK, tell
from soaking import MARKERS, VERBS, App, Level, Life
from whole_reading import assert_sound

from lift_app.settings import Settings

pytestmark = [pytest.mark.faults, pytest.mark.isolation, pytest.mark.slow]

MINUTES = float(os.environ.get("LIFT_SOAK_MINUTES", "60")) if SOAK else 0.0
"""How long visitors go on in one process after each of them did everything once."""
KILLS = max(1, round(MINUTES / 6)) if SOAK else 0
VISITORS = 4 if SOAK else 2
PAUSE = 2.0 if SOAK else 0.0
"""Mean seconds between two things that a visitor does."""
MOST_GROWTH_MB = 150
MOST_NEW_FILES = 200
"""In the home: each visitor may have a few books more than at the time it is compared with."""


@dataclass
class Outcome:
    """What came of all the work.

    Attributes:
        lives: the visitors.
        levels: what the last process took, every few seconds.
        seconds: how long that process was asked this and that.
        app: the app, which has ended.
    """

    lives: list[Life]
    levels: list[Level]
    seconds: float
    app: App

    @property
    def settled(self) -> Level:
        """The level when everything was done once and is warm."""
        return self.levels[len(self.levels) // 3]


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Outcome:
    """The work itself."""
    app = App(tmp_path_factory.mktemp("soak"), tiny_model)
    stop, chance = threading.Event(), random.Random(SEED)
    lives = [Life(app, number, SEED, PAUSE) for number in range(VISITORS)]
    threads = [threading.Thread(target=life.live, args=(stop,)) for life in lives]
    levels: list[Level] = []
    for thread in threads:
        thread.start()
    try:
        for _ in range(KILLS):
            time.sleep(chance.uniform(5, 25))
            app.kill()
        began = time.monotonic()
        while time.monotonic() - began < 60 * MINUTES:
            time.sleep(5)
            levels.append(app.measure())
        seconds = time.monotonic() - began
    finally:
        stop.set()
        for thread in threads:
            thread.join(120)
    levels.append(app.measure())
    for life in lives:
        life.look()
        life.ask()
    app.server.stop()
    return Outcome(lives, levels, seconds, app)


@pytest.mark.timeout(MINUTES * 120 + KILLS * 60 + 600)
def test_nothing_is_lost_or_mixed_up(outcome: Outcome) -> None:
    done: Counter[str] = sum((life.done for life in outcome.lives), Counter())
    faults = [fault for life in outcome.lives for fault in life.faults]
    lost = [question for life in outcome.lives for question in missing(outcome.app.home, life)]
    said = sum(len(life.said) for life in outcome.lives)
    tell(
        minutes=round(outcome.seconds / 60, 1),
        visitors=VISITORS,
        kills=outcome.app.kills,
        served=sum(done[verb] for verb in VERBS),
        **done,
        questions_kept=said - len(lost),
        losses=len(lost) + len(faults),
    )
    assert faults == [] and lost == []
    assert all(done[verb] > 0 for verb in VERBS) and said
    assert not SOAK or all(life.learned for life in outcome.lives)
    assert_sound(Settings(home=outcome.app.home))


def missing(home: Path, life: Life) -> list[str]:
    """Questions that were answered in a visitor's conversation and are not in the library."""
    with sqlite3.connect(home / "library.db") as connection:
        rows = connection.execute(
            "SELECT content FROM messages JOIN chats ON chats.number = messages.chat"
            " WHERE book_id = ? AND role = 'user'",
            [life.kept],
        ).fetchall()
    connection.close()
    return list((Counter(life.said) - Counter(content for (content,) in rows)).elements())


def test_nothing_grows(outcome: Outcome) -> None:
    warm, last = outcome.settled, outcome.levels[-1]
    tell(
        memory_mb=[round(warm.memory), round(last.memory)],
        most_memory_mb=round(max(level.memory for level in outcome.levels)),
        open_files=[warm.files, last.files],
        threads=[warm.threads, last.threads],
        files_in_home=[warm.kept, last.kept],
        share_of_a_core=round((last.cpu - outcome.levels[0].cpu) / outcome.seconds, 2),
    )
    assert last.memory - warm.memory < MOST_GROWTH_MB
    assert last.files < warm.files + 60 and last.threads < warm.threads + 60
    assert last.kept < warm.kept + MOST_NEW_FILES


def test_nothing_leaves_the_machine(outcome: Outcome) -> None:
    said = outcome.app.log.read_text().splitlines()
    begun = [line for line in said if line.startswith("begun")]
    used = [line for line in said if not line.startswith("begun")]
    assert any("soak_server" in line for line in begun) and used
    assert any("lift_app.reading.child" in line for line in begun)  # it is watched, too
    own = ("'127.0.0.1'", "'localhost'", "'::1'", "'0.0.0.0'")
    tell(processes=len(begun), connections=len(used))
    assert [line for line in used if not any(name in line for name in own)] == []


def test_there_is_a_marker_for_each_visitor() -> None:
    assert len(set(MARKERS)) == len(MARKERS) >= VISITORS
