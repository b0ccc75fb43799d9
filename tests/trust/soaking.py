"""What a soak is made of: the real app in a process that can be killed, and visitors of it.

A visitor adds, learns, asks, talks, looks and deletes in a random order, and keeps one book to the
end, with what was learned of it and one conversation: what the app once confirmed must be there.
"""

from __future__ import annotations

import os
import random
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

sys.path.insert(0, str(Path(__file__).parent.parent / "ui"))
from serving import HERE, ROOT, Server
from visiting import Guest, Refused

from lift_app.ui import words

MARKERS = ("ZANZIBRON", "QUORVATEL", "MELDRAVIN", "OSTREPHAX")
START_SECONDS = 600
"""The app may start beside other work, and a soak is in no hurry."""
VERBS = ("ask", "talk", "look", "add", "learn", "remove")

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


@dataclass(frozen=True)
class Level:
    """What the app takes at one moment, with the processes that it started."""

    memory: float
    """Resident, in MB."""
    files: int
    """Open in the app's own process."""
    threads: int
    kept: int
    """Files in its home."""
    cpu: float
    """Seconds of a core since it was started."""


class App:
    """The server, started again after each kill on the same port and home.

    Attributes:
        log: what its processes tell of themselves and of the addresses that they use.
        kills: how often it was killed.
    """

    def __init__(self, home: Path, model: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/"
        self.home, self.log = home, home / "log.txt"
        self.kills = 0
        (home / "spy").mkdir()
        (home / "tmp").mkdir()
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
            "TMPDIR": str(home / "tmp"),
        }
        self.start()

    def start(self) -> None:
        script = str(Path(__file__).parent / "soak_server.py")
        self.server = Server([sys.executable, script], self.environment)
        self.server.wait(START_SECONDS)

    def kill(self) -> None:
        """As kill -9 does it; then start again."""
        self.server.process.kill()
        self.server.process.wait()
        self.kills += 1
        self.start()

    def measure(self) -> Level:
        own = Path(f"/proc/{self.server.process.pid}")
        taken = [_taken(process) for process in (own, *_children(own))]
        return Level(
            memory=sum(pages for pages, _ in taken) * os.sysconf("SC_PAGE_SIZE") / 2**20,
            files=len(list((own / "fd").iterdir())),
            threads=len(list((own / "task").iterdir())),
            kept=sum(len(names) for _, _, names in os.walk(self.home)),
            cpu=sum(ticks for _, ticks in taken) / os.sysconf("SC_CLK_TCK"),
        )


# Threads and children come and go while they are counted.


def _children(process: Path) -> Iterator[Path]:
    for task in (process / "task").iterdir():
        with suppress(OSError):
            for child in (task / "children").read_text().split():
                yield Path("/proc") / child
                yield from _children(Path("/proc") / child)


def _taken(process: Path) -> tuple[int, int]:
    """Pages of memory, and ticks of processor time; nothing of a process that has just ended."""
    with suppress(OSError):
        pages = int((process / "statm").read_text().split()[1])
        ticks = (process / "stat").read_text().rpartition(")")[2].split()[11:15]
        return pages, sum(map(int, ticks))
    return 0, 0


class Life:
    """One visitor, doing this and that until the end.

    Args:
        app: where the visitor goes.
        number: of the visitor; chooses its marker word.
        seed: of what is done, and when.
        pause: mean seconds between two things.

    Attributes:
        done: what was done, by verb, and what was `refused` or `interrupted` by a kill.
        faults: what must not be.
        said: questions whose answers were kept in the conversation.
        learned: the app has said that the kept book was learned.
    """

    def __init__(self, app: App, number: int, seed: int, pause: float) -> None:
        self.app, self.marker, self.pause = app, MARKERS[number], pause
        self.chance = random.Random(f"{seed}/{number}")
        self.done: Counter[str] = Counter()
        self.faults: list[str] = []
        self.said: list[str] = []
        self.learned = False
        self.guest = Guest(app.url)
        self.kept = self.guest.send("kept.txt", self.book("kept"))["id"]
        self.spare: list[str] = []
        self.number = 0

    def book(self, name: str) -> bytes:
        rooms = (f"The {self.marker} of room {n} was {name} in 19{n}." for n in range(10, 30))
        return " ".join(rooms).encode()

    def live(self, stop: threading.Event) -> None:
        for verb in (self.look, self.add, self.learn, self.ask, self.talk, self.remove, self.ask):
            self.attempt(verb)
        acts = [self.ask] * 5 + [self.look] * 3 + [self.add, self.remove, self.talk] * 2
        acts.append(self.learn)
        while not stop.wait(self.chance.uniform(0, 2 * self.pause)):
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
        if not answer["evidence"] or self._of_others(text):
            self.faults.append(f"{self.marker}: {text}")

    def talk(self) -> None:
        """A question in the conversation about the kept book, as the page asks it."""
        window = self._window(self.kept)
        question = f"What was in room {10 + len(self.said) % 20}?"
        heard = self.guest.event("send.click", [None, question, "ICL", True, 0.5], window)
        if "process_completed" not in heard or question not in heard:
            raise KeyError("the stream ended early")
        if "trouble" in heard:
            raise Refused(heard)
        if self._of_others(heard):
            self.faults.append(f"{self.marker}: {heard[:500]}")
        self.said.append(question)

    def look(self) -> None:
        books = {book["id"]: book for book in self.guest.verb("books")}
        if self.kept not in books:
            self.faults.append(f"{self.marker}: the kept book is gone")
        elif self.learned and not books[self.kept]["learned"]:
            self.faults.append(f"{self.marker}: what was learned is gone")
        self.learned = books[self.kept]["learned"]
        if not self.guest.web.get("/").text:
            self.faults.append("an empty page")

    def add(self) -> None:
        self.number += 1
        if len(self.spare) < 4:
            name = f"{self.number}"
            self.spare.append(self.guest.send(f"{name}.txt", self.book(name))["id"])

    def learn(self) -> None:
        book = self.chance.choice([self.kept, *self.spare])
        self.guest.verb("tune", book if self.learned else self.kept, "quick", None)

    def remove(self) -> None:
        """As a reader does it: open the book in a window, then the button."""
        if not self.spare:
            return
        window = self._window(self.spare[0])
        self.guest.event(f"{words.REMOVE_YES}.click", [None], window)
        if self.spare[0] in [book["id"] for book in self.guest.verb("books")]:
            raise Refused("it is still there")
        self.spare.pop(0)

    def _window(self, book: str) -> str:
        """A new window in which a book is open."""
        window = f"w{self.chance.getrandbits(48):x}"
        self.guest.event("load", [None], window)
        self.guest.run("act", [None], window, event_data={"act": "book", "book": book})
        return window

    def _of_others(self, text: str) -> bool:
        return any(marker in text for marker in MARKERS if marker != self.marker)
