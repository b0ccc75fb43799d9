"""`lift tune --all`: what it prints, and with which exit status."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner, Result
from small_pool import SmallPool

from lift_app.cli.main import main
from lift_app.cluster.assignment import Assignment
from lift_app.errors import LiftError
from lift_app.reader import Reader


@pytest.fixture
def learned(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Lifts that learn nothing, of all books but the second; what they were asked for."""
    asked: list[dict[str, Any]] = []
    second = reader.library.books.list()[-2].id

    def tune(self: Reader, book: str, **lift: Any) -> Iterator[dict[str, Any]]:
        asked.append(lift)
        yield {"stage": "training", "step": 1, "steps": 2}
        if book == second and not lift["values"].get("rank"):
            raise LiftError("There is not enough memory for it.", code="out_of_memory")
        yield {"stage": "done", "adapter": f"key of {book}"}

    monkeypatch.setattr(Reader, "tune", tune)
    return asked


def _run(reader: Reader, *arguments: str) -> Result:
    environment = {"LIFT_HOME": str(reader.settings.home), "LIFT_MODEL": reader.settings.model}
    return CliRunner().invoke(main, ["tune", *arguments], env=environment)


def test_every_book_in_turn(reader: Reader, learned: list[dict[str, Any]]) -> None:
    done = _run(reader, "--all", "--set", "rank=4", "--recipe", "quick")
    assert done.exit_code == 0, done.output
    assert done.stdout == "learned: 6 of 6 books, 0 were on the shelf already\n"
    assert "5 of 6 books · Fenn and the keys" in done.stderr
    lift = {"values": {"rank": "4"}, "recipe": "quick", "model": None, "start": None}
    assert learned == [lift] * 6


def test_books_that_fail_are_named_at_the_end(reader: Reader, learned: list[Any]) -> None:
    plain, done = _run(reader, "--all"), _run(reader, "--all", "--json")
    assert plain.exit_code == done.exit_code == 1 and len(learned) == 12
    assert plain.stdout.startswith("learned: 5 of 6")
    assert "Bero and the keys: There is not enough memory for it." in plain.stderr
    *events, account, error = [json.loads(line) for line in done.stdout.splitlines()]
    assert sum(event["stage"] == "done" for event in events) == len(account["learned"]) == 5
    assert [failed["title"] for failed in account["failed"]] == ["Bero and the keys"]
    assert error["error"]["code"] == "some_failed"


def test_on_a_cluster_stdout_is_ours_alone(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    class LoudPool(SmallPool):
        """Prints as Ray does when a worker dies."""

        def __init__(self, address: str) -> None:
            super().__init__()

        def __enter__(self) -> LoudPool:
            return self

        def __exit__(self, *error: object) -> None:
            print("(raylet) Left.")

        def start(self, assignment: Assignment) -> None:
            print("(raylet) A worker died.")
            super().start(assignment)

    monkeypatch.setattr("lift_app.cluster.ray_pool.RayPool", LoudPool)
    done = _run(reader, "--all", "--ray", "10.0.0.1:1", "--json")
    assert done.exit_code == 0, done.output
    *events, account = [json.loads(line) for line in done.stdout.splitlines()]
    assert sum(event["stage"] == "done" for event in events) == len(account["learned"]) == 6


@pytest.mark.parametrize(
    "arguments",
    [[], ["anka", "--all"], ["anka", "--ray", "local"], ["--all", "--recipe", "none"]],
)
def test_mistakes_of_the_caller(reader: Reader, learned: list[Any], arguments: list[str]) -> None:
    done = _run(reader, *arguments)
    assert done.exit_code == 2 and learned == []
    assert done.stderr.startswith("lift: ")
