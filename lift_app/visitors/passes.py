"""Passes: how a visitor is known again, by a random name that this library has signed.

A pass says nothing about a person. Whoever has it has the shelf, so only its hash is kept in the
library, as the shelf's owner. Knows nothing of cookies.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from pathlib import Path

from lift_app.library import effects, folders

KEY = "visitors.key"
_FORM = re.compile(r"([0-9a-f]{32})\.([0-9a-f]{64})", re.ASCII)


class Passes:
    """The passes of one library, signed with a key that stays in its home."""

    def __init__(self, home: Path) -> None:
        self._key = _key(home / KEY)

    def issue(self) -> str:
        """A pass that nobody has yet."""
        name = secrets.token_hex(16)
        return f"{name}.{self._sign(name)}"

    def owner(self, shown: str | None) -> str | None:
        """The owner of the shelf that a pass opens; None if this library did not issue it."""
        form = _FORM.fullmatch(shown or "")
        if form is None or not hmac.compare_digest(form[2], self._sign(form[1])):
            return None
        return f"visitor-{hashlib.sha256(form[1].encode()).hexdigest()[:32]}"

    def _sign(self, name: str) -> str:
        return hmac.new(self._key, name.encode(), hashlib.sha256).hexdigest()


def _key(path: Path) -> bytes:
    """The signing key, made where there is none; only this user may read it."""
    with folders.explained("The key of the visitors' passes cannot be kept"):
        if not path.exists():
            effects.make_folder(path.parent)
            effects.replace_file(path, [secrets.token_bytes(32)], mode=0o600)
        return path.read_bytes()
