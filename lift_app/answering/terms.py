"""The words of a question: which of them tell, and which are names.

Pure text; knows nothing about books, models or databases. English and the
question words of some other languages have stop words; scripts without spaces are cut into pairs
of characters.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from lift_app.answering.stems import stem

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_UNSPACED = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+"
)


def word_set(text: str) -> frozenset[str]:
    """The words of a text that lists them."""
    return frozenset(text.split())


STOP_WORDS = word_set(
    """a about above after again against all also although always am among an and another any
    anybody anyone anything are around as asked at away back be became because become been
    before being below between both but by came can could did do does doing done down during
    each either else ever every few for from further get gets getting give given gives go
    goes going gone got had has have having he her here hers herself him himself his how
    however i if in into is it its itself just kind let like made make makes many may me
    might mine more most much must my myself no nor not now of off often on once one only or
    other our ours out over own please quite rather really same say says shall she should so
    some somebody someone something sort still such take than that the their theirs them
    themselves then there these they thing things this those though through to told too
    toward towards went person persons under until up upon us use used uses using very was
    we were what when whenever where whether which while who whom whose why will with within
    without would yes yet you your yours tell explain describe book story text according
    happen happened happens call called name named mention mentioned author s t d ll re ve m
    wer wen wem wessen wohin woher wann warum wieso weshalb welche welcher welches wieviel
    qui quoi quel quelle quels quelles où quand pourquoi combien quién quien qué cuándo
    dónde cómo cuál cuánto cuántos chi cosa dove quando perché quale quanto quem onde qual
    wat waar wanneer waarom welke hoeveel"""
)
"""Words that say nothing about which sentence answers a question."""

FOLLOW_UP_WORDS = word_set(
    "he she it they him her them his hers its their theirs there then that this those these"
)
"""Words that point back to an earlier turn."""


def words(text: str) -> list[str]:
    """Words in order, with their capitals; pairs of characters where a script has no spaces."""
    found: list[str] = []
    for match in _WORD.finditer(text):
        word = match.group()
        if not _UNSPACED.search(word):
            found.append(word)
            continue
        for run in _UNSPACED.findall(word):
            found.extend(run[i : i + 2] for i in range(max(1, len(run) - 1)))
    return found


def is_pair(word: str) -> bool:
    """Whether a word is characters cut from a script without spaces."""
    return bool(_UNSPACED.match(word))


def stems(text: str) -> list[str]:
    """Stems of all words in order, stop words included."""
    return [stem(word.lower()) for word in words(text)]


@dataclass(frozen=True)
class Term:
    """A content word of a question."""

    word: str
    """As the question spells it."""
    stem: str
    name: bool
    """Capitalised inside the sentence: probably a name."""
    joined: bool = False
    """Follows the content word before it directly: "Karp" in "Sunniva Karp"."""


def content_terms(text: str) -> tuple[Term, ...]:
    """Words that tell, each stem once, in order."""
    return _terms(text, STOP_WORDS)


def all_terms(text: str) -> tuple[Term, ...]:
    """Every word, each stem once, in order: for a question of nothing but stop words."""
    return _terms(text, frozenset())


def _terms(text: str, dropped: frozenset[str]) -> tuple[Term, ...]:
    found: dict[str, Term] = {}
    last = -1
    for position, word in enumerate(words(text)):
        bare = word.lower().replace("’", "'").removesuffix("'s")
        if bare in dropped or (len(bare) == 1 and bare.isascii() and bare.isalpha()):
            continue
        name = position > 0 and word[:1].isupper()
        spelling = word.removesuffix("'s").removesuffix("’s")
        joined = last == position - 1 >= 0
        found.setdefault(stem(bare), Term(spelling, stem(bare), name, joined))
        last = position
    return tuple(found.values())
