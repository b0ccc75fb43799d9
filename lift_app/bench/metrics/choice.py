"""Multiple choice: by the likelihood of the options, and by the letter that is written.

The two can disagree much for a small model: it may find the right option likeliest and not know
what a letter is for. So both are reported.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

LETTERS = "ABCDEFGHIJ"


def with_letters(question: str, options: Sequence[str]) -> str:
    """A question with its options, to be answered by a letter."""
    listed = "\n".join(f"{letter}. {text}" for letter, text in zip(LETTERS, options, strict=False))
    return f"{question}\n{listed}\nAnswer with the letter of the right option."


def letter_said(answer: str, count: int) -> int | None:
    """The option that an answer names by its letter, 0-based; None if it names none.

    A letter counts where it opens the answer or stands alone (`(B)`, `B.`, `option B`); the
    article in "A man came" does not.
    """
    letters = LETTERS[:count]
    text = answer.strip()
    if (first := re.match(rf"[\[(\"']?([{letters}])(?:[\])\"'.:,]|$)", text)) is not None:
        return letters.index(first[1])
    named = re.search(rf"\b(?:option|answer|letter)(?: is)?:? [\[(]?([{letters}])\b", text, re.I)
    if named is not None and named[1] in letters:
        return letters.index(named[1])
    alone = re.findall(rf"\(([{letters}])\)|\b([{letters}])[.):](?=\s|$)", text)
    return letters.index("".join(alone[0])) if alone else None


def likeliest(nll: Sequence[float]) -> int:
    """The option with the least negative log-likelihood a token; the first of equals."""
    return min(range(len(nll)), key=nll.__getitem__)
