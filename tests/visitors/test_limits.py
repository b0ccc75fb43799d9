"""What a visitor may do: limits that are told at once, and passes that cannot be made up."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta, tzinfo
from pathlib import Path

import pytest

from lift_app.errors import Busy, CallerError, LiftError
from lift_app.reader import Reader
from lift_app.settings import Settings
from lift_app.ui import words
from lift_app.ui.app import serve
from lift_app.ui.preferences import preferences_html
from lift_app.visitors import House, Passes, Rates, Visitor
from lift_app.visitors import house as house_module
from lift_app.visitors.house import within_limits

pytestmark = pytest.mark.isolation


@pytest.fixture
def house(tiny_settings: Settings) -> Iterator[House]:
    settings = replace(tiny_settings, visitor_books=2, visitor_mb=1, visitor_questions=3)
    with Reader(within_limits(settings)) as reader:
        yield House(reader)


@pytest.fixture
def visitor(house: House) -> Visitor:
    return house.visitor("visitor-a")


def book(folder: Path, number: int, size: int = 400) -> Path:
    path = folder / f"{number}.txt"
    path.write_text(f"The {number}th lantern of Quell. ".ljust(31) * (size // 31 + 1))
    return path


def refused(work: object, words: str) -> None:
    started = time.monotonic()
    with pytest.raises(LiftError, match=words) as caught:
        work()  # type: ignore[operator]
    assert time.monotonic() - started < 3
    assert caught.value.code in ("limit", "busy") and 20 < len(str(caught.value)) < 300


def test_a_visitor_sees_the_room_of_their_own_books_and_no_place_on_the_machine(
    house: House, visitor: Visitor, tmp_path: Path
) -> None:
    own = visitor.add(book(tmp_path, 1))["id"]
    house.visitor("visitor-b").add(book(tmp_path, 2))
    found = visitor.storage()
    assert [one["id"] for one in found["books"]] == [own]
    assert (found["home"], found["models"]) == ("", 0)
    assert found["total"] == found["books"][0]["file"] > 0
    html = preferences_html(None, {}, found)
    assert str(house.reader.settings.home) not in html
    assert words.STORED_IN not in html


def test_books_and_bytes_are_limited(house: House, visitor: Visitor, tmp_path: Path) -> None:
    visitor.add(book(tmp_path, 1))
    refused(lambda: visitor.add(book(tmp_path, 2, 1_100_000)), "may use 1 MB")
    second = visitor.add(book(tmp_path, 3))["id"]
    refused(lambda: visitor.add(book(tmp_path, 4)), "2 books, and a visitor may keep 2")
    visitor.rm(second)
    assert visitor.add(book(tmp_path, 4))["new"]
    assert house.visitor("visitor-b").add(book(tmp_path, 4))["new"]  # another one's shelf is free


def test_a_file_too_large_for_any_visitor_is_not_opened(house: House) -> None:
    assert house.reader.settings.max_file_mb == 1
    assert house.reader.settings.read_seconds == house_module.READ_SECONDS


def test_a_text_that_would_hold_everybody_up_is_refused(
    visitor: Visitor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lift_app.visitors.visitor.MOST_CHARACTERS", 300)
    refused(lambda: visitor.add(book(tmp_path, 1)), "a visitor's book may have 300")
    assert visitor.books() == [] and not list(visitor.settings.books.glob("*"))


def test_questions_are_limited_in_length_number_and_at_once(
    house: House, visitor: Visitor, tmp_path: Path
) -> None:
    one = visitor.add(book(tmp_path, 1))["id"]
    refused(lambda: visitor.ask(one, "why? " * 1000), "5,000 characters; 2,000 are read")
    with house.asking("visitor-a"), house.asking("visitor-a"):
        refused(lambda: visitor.ask(one, "Who?"), "still being answered")
    refused(lambda: visitor.ask(one, "Who?"), r"3 questions in one minute.*in \d+ seconds")
    with house.asking("visitor-b"):
        pass


def test_all_visitors_together_are_limited(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(house_module, "MOST_ASKING", 1)
    monkeypatch.setattr(house_module, "MOST_ADDING", 1)
    with house.asking("a"), pytest.raises(Busy, match="questions of others"), house.asking("b"):
        pytest.fail("was let in")
    with house.adding("a"), pytest.raises(Busy, match="files of others"), house.adding("b"):
        pytest.fail("was let in")
    with house.asking("b"), house.adding("b"):
        pass


def test_lifts_are_limited_in_time_and_number(
    house: House, visitor: Visitor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = visitor.add(book(tmp_path, 1))["id"]
    second = visitor.add(book(tmp_path, 2))["id"]
    monkeypatch.setattr(visitor._access, "own", lambda **_: None)  # nobody takes the lifts up
    visitor.settings = replace(visitor.settings, visitor_minutes=0)
    refused(lambda: visitor.start_tune(first), "a visitor may use 0")
    visitor.settings = house.reader.settings
    job = visitor.start_tune(first, recipe="quick")["job"]
    assert visitor.start_tune(first, recipe="quick")["job"] == job
    refused(lambda: visitor.start_tune(second), "one at a time")
    refused(lambda: visitor.start_tune(first, recipe="deep"), "one at a time")
    monkeypatch.setattr("lift_app.visitors.visitor.MOST_LIFTS", 1)
    other = house.visitor("visitor-b")
    theirs = other.add(book(tmp_path, 1))["id"]
    refused(lambda: other.start_tune(theirs), "1 books are waiting")
    visitor.cancel(job)
    assert other.start_tune(theirs)["state"] == "queued"


def test_a_recipe_counts_in_the_longest_lift(
    visitor: Visitor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visitor._access, "own", lambda **_: None)
    monkeypatch.setattr("lift_app.lifting.estimate.CPU_FLOPS_PER_CORE", {"fp32": 1e4})
    one = visitor.add(book(tmp_path, 1))["id"]
    minutes = visitor.show(one)["report"]["minutes_by_recipe"]
    between = round((minutes["standard"] + minutes["deep"]) / 2)
    visitor.settings = replace(visitor.settings, visitor_minutes=between)
    refused(lambda: visitor.start_tune(one, recipe="deep"), "Choose a quicker recipe")
    assert visitor.start_tune(one, recipe="standard")["state"] == "queued"


def test_lifts_that_are_asked_for_at_once_are_limited_as_well(
    visitor: Visitor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visitor._access, "own", lambda **_: None)
    books = [visitor.add(book(tmp_path, number))["id"] for number in (1, 2)]
    both, check = threading.Barrier(2), Visitor._check_queue

    def slow_check(self: Visitor, book_id: str, recipe: str) -> None:
        check(self, book_id, recipe)
        with suppress(threading.BrokenBarrierError):  # the other one has to wait
            both.wait(0.2)

    def ask(one: str) -> str:
        try:
            return str(visitor.start_tune(one)["state"])
        except CallerError as error:
            return error.code

    monkeypatch.setattr(Visitor, "_check_queue", slow_check)
    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(ask, books)) == ["limit", "queued"]
    assert len(visitor.jobs()) == 1


def test_the_house_can_be_full(house: House, visitor: Visitor, tmp_path: Path) -> None:
    visitor.settings = replace(visitor.settings, visitors_gb=0)
    refused(lambda: visitor.add(book(tmp_path, 1)), "This app is full")
    assert visitor.books() == []


def test_a_visitor_chooses_no_model_and_no_file_of_the_machine(
    visitor: Visitor, tmp_path: Path
) -> None:
    one = visitor.add(book(tmp_path, 1))["id"]
    for model in ("/etc", str(tmp_path), "somebody/large-model", "smollm2-135m-instruct"):
        refused(lambda model=model: visitor.start_tune(one, model=model), "Leave the model out")
    refused(lambda: visitor.ask(one, "Who?", model="/etc"), "Leave the model out")
    refused(lambda: visitor.ask(one, "Who?", start="mine"), "Leave the model out")
    refused(lambda: list(visitor.fetch_model("/etc")), "Leave the model out")
    refused(lambda: list(visitor.train_start(tmp_path, name="x")), "Only who runs this app")


def test_a_shelf_without_use_is_cleared(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(house_module, "GRACE_SECONDS", 0.0)
    old, new = house.visitor("visitor-old"), house.visitor("visitor-new")
    for each in (old, new, house.reader):
        each.add(book(tmp_path, 1))
    gone = old.add(book(tmp_path, 2))["id"]
    with house.reader.library.db.write() as database:
        database.execute(
            "UPDATE books SET added = '2020-01-01T00:00:00.000Z' WHERE owner <> ?", ["visitor-new"]
        )
    assert house.sweep() == ["visitor-old"]
    assert old.books() == [] and len(new.books()) == len(house.reader.books()) == 1
    assert not (house.reader.settings.books / gone).exists()
    assert house.sweep() == []


def test_a_clock_that_is_wrong_for_a_while_costs_nobody_a_shelf(
    house: House, visitor: Visitor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor.add(book(tmp_path, 1))
    clock, hours = datetime, [0.0]

    class Ahead(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:
            return clock.now(tz) + timedelta(days=3650)

    monkeypatch.setattr(time, "monotonic", lambda: hours[0] * 3600)
    with monkeypatch.context() as wrong:
        wrong.setattr(house_module, "datetime", Ahead)
        for hours[0] in (0.0, 1.0, 5.9):
            assert house.sweep() == []
    assert house.sweep() == []  # it is right again, and what was thought of the shelf is forgotten
    monkeypatch.setattr(house_module, "datetime", Ahead)
    for hours[0] in (7.0, 12.9):
        assert house.sweep() == []
    hours[0] = 13.0
    assert len(visitor.books()) == 1 and house.sweep() == ["visitor-a"]


def test_a_served_app_clears_shelves_without_being_asked(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.visitor("visitor-old").add(book(tmp_path, 1))
    with house.reader.library.db.write() as database:
        database.execute("UPDATE books SET added = '2020-01-01T00:00:00.000Z'")
    swept, sweep = threading.Event(), House.sweep
    calls: list[int] = []

    def watched(self: House) -> list[str]:
        calls.append(1)
        if len(calls) == 1:
            raise OSError("the disk is away")
        cleared = sweep(self)
        if cleared:
            swept.set()
        return cleared

    monkeypatch.setattr(House, "sweep", watched)
    monkeypatch.setattr(house_module, "SWEEP_SECONDS", 0.01)
    monkeypatch.setattr(house_module, "GRACE_SECONDS", 0.0)

    def close_after_it(_: str) -> None:
        assert swept.wait(60), "nobody swept, or a fault ended it"
        raise KeyboardInterrupt

    serve(
        house.reader, replace(house.reader.settings, shared=True, port=0), on_ready=close_after_it
    )
    assert house.visitor("visitor-old").books() == []
    assert "sweep" not in {thread.name for thread in threading.enumerate()}
    assert not list(Path(tempfile.gettempdir()).glob(f"lift-uploads-{os.getpid()}-*"))


def test_closing_a_visitor_closes_nothing(house: House, visitor: Visitor, tmp_path: Path) -> None:
    with visitor:
        visitor.add(book(tmp_path, 1))
    assert len(visitor.books()) == 1 and house.reader.books() == []


def test_only_this_library_issues_passes(tmp_path: Path) -> None:
    passes, others = Passes(tmp_path / "a"), Passes(tmp_path / "b")
    shown = passes.issue()
    owner = passes.owner(shown)
    assert owner is not None and Passes(tmp_path / "a").owner(shown) == owner
    assert shown.split(".")[0] not in owner  # who reads the library cannot make the cookie
    assert others.owner(shown) is None
    name, signature = shown.split(".")
    forged = [f"{name}.{'0' * 64}", f"{'0' * 32}.{signature}", name, "", "local", None, shown + "0"]
    forged += [shown.upper(), f"{shown}\n", "visitor-a", f"{name}.", "é" * 97]
    assert [passes.owner(one) for one in forged] == [None] * len(forged)
    assert (tmp_path / "a" / "visitors.key").stat().st_mode & 0o077 == 0


def test_rates_are_given_back_with_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    rates = Rates(2, 10.0)
    assert rates.wait("a") == rates.wait("a") == 0
    assert rates.wait("a") == pytest.approx(5.0)
    assert rates.wait("b") == 0
    clock[0] += 5
    assert rates.wait("a") == 0 and rates.wait("a") > 0
    monkeypatch.setattr("lift_app.visitors.rates.MOST_NAMES", 3)
    for number in range(50):
        rates.wait(str(number))
    assert len(rates._buckets) == 3


def test_the_limits_are_the_callers_mistake_and_the_crowd_is_not() -> None:
    assert issubclass(CallerError, LiftError) and not issubclass(Busy, CallerError)


def test_what_is_suggested_to_a_visitor_is_within_the_limits(settings: Settings) -> None:
    assert within_limits(replace(settings, visitor_minutes=30)).recipe_minutes == 30
    assert within_limits(replace(settings, recipe_minutes=5)).recipe_minutes == 5
