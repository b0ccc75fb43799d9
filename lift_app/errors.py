"""The errors a reader may see.

The text of each error goes to the reader as it is: what happened, what was kept, what to do.
`code` is the stable name that `--json` prints; `exit_status` is the command's.
"""

from __future__ import annotations

from typing import Any


class LiftError(Exception):
    """Something failed although the caller did nothing wrong."""

    code = "failure"
    exit_status = 1

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code

    def as_json(self) -> dict[str, dict[str, str]]:
        """`{"error": {"code", "message"}}`, as every face prints it."""
        return {"error": {"code": self.code, "message": str(self)}}

    def packed(self) -> dict[str, dict[str, str | int]]:
        """What crosses to another process: `as_json`, and the command's exit status."""
        return {"error": {**self.as_json()["error"], "exit_status": self.exit_status}}

    @staticmethod
    def unpacked(data: dict[str, Any]) -> LiftError:
        """The error that was `packed` in another process."""
        found = data["error"]
        error = LiftError(str(found["message"]), code=str(found["code"]))
        error.exit_status = int(found.get("exit_status", 1))
        return error


class CallerError(LiftError):
    """The caller asked for something that cannot be: a wrong value, a missing file, a bad name."""

    code = "bad_request"
    exit_status = 2


class UnreadableFile(CallerError):
    """A file that cannot become a book: scanned, encrypted, empty, damaged, or no book at all."""

    code = "unreadable"


class NotFound(CallerError):
    """No book, job, adapter or model of that name."""

    code = "not_found"


class ModelUnavailable(LiftError):
    """The base model could not be fetched, verified or loaded."""

    code = "model_unavailable"


class Busy(LiftError):
    """Another process owns the model and cannot be reached."""

    code = "busy"


class ServerAway(LiftError):
    """The server that should answer cannot be reached; the model of this machine may."""

    code = "server_away"


class Stopped(LiftError):
    """The work was cancelled or paused before it could finish."""

    code = "stopped"
