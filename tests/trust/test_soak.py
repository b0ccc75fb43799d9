"""Mixed work of several visitors: nothing lost, nothing mixed up, nothing grows, nothing leaves.

The real app with a tiny model in a process of its own. Visitors add, learn, ask, look and delete,
each with a book that stays, whose words must be found to the end. In the long run the process is
killed at random moments, and goes on; every process reports which addresses it uses. `make soak`
runs it for an hour.
"""

from __future__ import annotations

import os
import random
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from whole_reading import assert_sound

sys.path.insert(0, str(Path(__file__).parent.parent / "ui"))
from serving import HERE, ROOT, Server
from visiting import Guest, Refused

from lift_app.settings import Settings
from lift_app.ui import words

pytestmark = [pytest.mark.faults, pytest.mark.isolation, pytest.mark.slow]

SOAK = bool(os.environ.get("LIFT_SOAK"))
SECONDS = 60 * float(os.environ.get("LIFT_SOAK_MINUTES", "60")) if SOAK else 0
"""How long visitors go on after each of them did everything once."""
KILLS = max(1, int(SECONDS / 150)) if SOAK else 0
VISITORS = 4 if SOAK else 2
MOST_GROWTH_MB = 150
MARKERS = ("ZANZIBRON", "QUORVATEL", "MELDRAVIN", "OSTREPHAX")


SPY = """
import sys
LOG = {log!r}
def spy(event, arguments):
    if event in ("socket.connect", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname"):
        where = arguments[0] if event.endswith(("info", "name")) else arguments[1]
        with open(LOG, "a") as log:
            log.write(f"{{event}} {{where!r}}\\n")
with open(LOG, "a") as log:
    log.write("begun " + " ".join(sys.orig_argv[1:6]) + "\\n")
sys.addaudithook(spy)
"""
"""Python imports this first, in the app and in every process that it starts."""


class App:
    """The server, started again after each kill on the same port and home."""

    def __init__(self, home: Path, model: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/"
        self.log = home / "log.txt"
        (home / "spy").mkdir()
        (home / "spy" / "sitecustomize.py").write_text(SPY.format(log=str(self.log)))
        self.environment = {
            "PYTHONPATH": f"{home / 'spy'}:{ROOT}:{HERE}",
            "HF_HUB_OFFLINE": "0",  # what is not asked for need not be forbidden
            "LIFT_HOME": str(home),
            "LIFT_MODEL": str(model),
            "LIFT_PORT": str(self.port),
            "LIFT_CONTEXT_TOKENS": "128",
            "LIFT_EVIDENCE_TOKENS": "96",
            "LIFT_ANSWER_TOKENS": "8",
            "LIFT_CHECKPOINT_SECONDS": "1",
            "LIFT_VISITOR_QUESTIONS": "1000000",
            "GRADIO_TEMP_DIR": str(home / "uploads"),
        }
        self.start()

    def start(self) -> None:
        script = str(Path(__file__).parent / "soak_server.py")
        self.server = Server([sys.executable, script], self.environment)
        self.server.wait()

    def kill(self) -> None:
        self.server.process.kill()
        self.server.process.wait()

    def measure(self) -> tuple[float, int, int]:
        """Resident memory in MB, open files and threads of the process."""
        place = Path(f"/proc/{self.server.process.pid}")
        pages = int((place / "statm").read_text().split()[1])
        files, threads = (len(list((place / name).iterdir())) for name in ("fd", "task"))
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20, files, threads


class Life:
    """One visitor, doing this and that until the end.

    Attributes:
        done: what was done, by verb, and what was `refused` or `interrupted` by a kill.
        faults: what must not be.
    """

    def __init__(self, app: App, marker: str, seed: int) -> None:
        self.app, self.marker = app, marker
        self.chance = random.Random(seed)
        self.done: Counter[str] = Counter()
        self.faults: list[str] = []
        self.guest = Guest(app.url)
        self.kept = self.guest.send("kept.txt", self.book("kept"))["id"]
        self.spare: list[str] = []
        self.number = 0

    def book(self, name: str) -> bytes:
        rooms = (f"The {self.marker} of room {n} was {name} in 19{n}." for n in range(10, 30))
        return " ".join(rooms).encode()

    def live(self, stop: threading.Event) -> None:
        for act in (self.look, self.add, self.learn, self.ask, self.remove, self.ask):
            self.attempt(act)
        acts = [self.ask] * 6 + [self.look] * 3 + [self.add] * 2 + [self.learn, self.remove]
        while not stop.is_set():
            self.attempt(self.chance.choice(acts))

    def attempt(self, act: Callable[[], None]) -> None:
        try:
            act()
            self.done[act.__name__] += 1
        except Refused as error:
            told = "Something went wrong" not in str(error)
            self.done["refused" if told else "broken"] += 1
            if not told:
                self.faults.append(str(error))
        except (httpx.HTTPError, KeyError):  # killed in the middle of it
            self.done["interrupted"] += 1
            time.sleep(0.3)

    def ask(self) -> None:
        answer = self.guest.verb("ask", self.kept, "What was in room 12?", None, True, None)
        text = str(answer)
        if not answer["evidence"] or any(m in text for m in MARKERS if m != self.marker):
            self.faults.append(f"{self.marker}: {text}")

    def look(self) -> None:
        books = self.guest.verb("books")
        if self.kept not in [book["id"] for book in books]:
            self.faults.append(f"{self.marker}: the kept book is gone")
        if not self.guest.web.get("/").text:
            self.faults.append("an empty page")

    def add(self) -> None:
        self.number += 1
        if len(self.spare) < 4:
            name = f"{self.number}"
            self.spare.append(self.guest.send(f"{name}.txt", self.book(name))["id"])

    def learn(self) -> None:
        book = self.chance.choice([self.kept, *self.spare])
        self.guest.verb("tune", book, "quick", None)

    def remove(self) -> None:
        """As a reader does it: open the book in a window, then the button."""
        if not self.spare:
            return
        window = f"w{self.chance.random()}"
        self.guest.event("load", [None], window)
        self.guest.run("act", [None], window, event_data={"act": "book", "book": self.spare[0]})
        self.guest.event(f"{words.REMOVE_YES}.click", [None], window)
        if self.spare[0] in [book["id"] for book in self.guest.verb("books")]:
            raise Refused("it is still there")
        self.spare.pop(0)


@dataclass
class Outcome:
    """What came of all the work.

    Attributes:
        done: what the visitors did, by verb.
        faults: what was lost, mixed up or broken.
        levels: memory in MB, open files and threads of the app, every few seconds.
        kills: how often it was killed.
        said: what its processes told of themselves and of the addresses that they used.
        home: its library.
    """

    done: Counter[str]
    faults: list[str]
    levels: list[tuple[float, int, int]]
    kills: int
    said: list[str]
    home: Path


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Outcome:
    """The work itself."""
    home = tmp_path_factory.mktemp("soak")
    app = App(home, tiny_model)
    stop = threading.Event()
    lives = [Life(app, marker, seed) for seed, marker in enumerate(MARKERS[:VISITORS])]
    threads = [threading.Thread(target=life.live, args=(stop,)) for life in lives]
    began = time.monotonic()
    kill_times = sorted(random.uniform(0.1, 0.6) * SECONDS for _ in range(KILLS))
    levels: list[tuple[float, int, int]] = []
    kills = 0
    for thread in threads:
        thread.start()
    try:
        while (passed := time.monotonic() - began) < SECONDS:
            time.sleep(5)
            if kills < len(kill_times) and passed > kill_times[kills]:
                app.kill()
                app.start()
                kills += 1
                levels.clear()  # the last process lives longest: its levels count
            levels.append(app.measure())
    finally:
        stop.set()
        for thread in threads:
            thread.join(120)
        levels.append(app.measure())
    for life in lives:
        life.look()
        life.ask()
    app.server.stop()
    done: Counter[str] = sum((life.done for life in lives), Counter())
    faults = [fault for life in lives for fault in life.faults]
    said = app.log.read_text().splitlines()
    return Outcome(done, faults, levels, kills, said, home)


@pytest.mark.timeout(SECONDS * 2 + 600)
def test_nothing_is_lost_or_mixed_up(outcome: Outcome) -> None:
    warm, last = outcome.levels[len(outcome.levels) // 3], outcome.levels[-1]
    print(
        f"{SECONDS:.0f} s, {VISITORS} visitors, {outcome.kills} kills, {dict(outcome.done)}; "
        f"memory {warm[0]:.0f} -> {last[0]:.0f} MB, open files {warm[1]} -> {last[1]}, "
        f"threads {warm[2]} -> {last[2]}; losses and mix-ups: {len(outcome.faults)}"
    )
    assert outcome.faults == []
    assert all(outcome.done[verb] > 0 for verb in ("ask", "look", "add", "learn", "remove"))
    assert_sound(Settings(home=outcome.home))


def test_nothing_grows(outcome: Outcome) -> None:
    warm, last = outcome.levels[len(outcome.levels) // 3], outcome.levels[-1]
    assert last[0] - warm[0] < MOST_GROWTH_MB
    assert last[1] < warm[1] + 60 and last[2] < warm[2] + 60


def test_nothing_leaves_the_machine(outcome: Outcome) -> None:
    begun = [line for line in outcome.said if line.startswith("begun")]
    used = [line for line in outcome.said if not line.startswith("begun")]
    assert any("soak_server" in line for line in begun) and used
    assert any("lift_app.reading.child" in line for line in begun)  # it is watched, too
    own = ("'127.0.0.1'", "'localhost'", "'::1'", "'0.0.0.0'")
    assert [line for line in used if not any(name in line for name in own)] == []
