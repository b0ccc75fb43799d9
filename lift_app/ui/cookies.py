"""Cookies: of all that a browser sends, the app reads its pass and nothing else.

Cookies know no ports, so those of every other program of a host come here, too. They are dropped
before anything looks into them: the standard library needs minutes for some that fit in a request.
"""

from __future__ import annotations

import re

from starlette.types import Scope

COOKIE = "lift_pass"
SECURE_COOKIE = f"__Host-{COOKIE}"
"""Over https: no other host of the same domain can set a cookie of this name, and so lead a visitor
to a shelf that somebody else has the pass of."""
LONGEST = 200
"""Characters of a value that is looked at."""

_OWN = re.compile(
    rf"(?:^|;)[ \t]*({SECURE_COOKIE}|{COOKIE})=([0-9a-f.]{{1,{LONGEST}}})[ \t]*(?=;|$)"
)


def shown(scope: Scope, *, secure: bool) -> str | None:
    """The pass that a request shows, the last one if it shows two; None if it shows none."""
    name = SECURE_COOKIE if secure else COOKIE
    values = [value for found, value in _own(scope) if found == name]
    return values[-1] if values else None


def without_others(scope: Scope) -> Scope:
    """The same request with the passes as its only cookies."""
    kept = [pair for pair in scope["headers"] if pair[0] != b"cookie"]
    if len(kept) == len(scope["headers"]):
        return scope
    if own := "; ".join(f"{name}={value}" for name, value in _own(scope)):
        kept.append((b"cookie", own.encode("latin-1")))
    return {**scope, "headers": kept}


def _own(scope: Scope) -> list[tuple[str, str]]:
    sent = "; ".join(v.decode("latin-1") for name, v in scope["headers"] if name == b"cookie")
    return _OWN.findall(sent)
