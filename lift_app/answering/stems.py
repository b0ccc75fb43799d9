"""Stems: forms of an English word that should meet, irregular ones included.

Pure text. Other languages pass through with their accents removed; scripts without letters case
are left as they are.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_IRREGULAR = """arise arose arisen|awake awoke awoken|bear bore borne|beat beaten|begin began
begun|bend bent|bind bound|bite bit bitten|bleed bled|blow blew blown|break broke broken|bring
brought|build built|burn burnt|buy bought|catch caught|choose chose chosen choice|cling clung|creep
crept|deal dealt|die died dead death dying|dig dug|draw drew drawn|dream dreamt|drink drank
drunk|drive drove driven|dwell dwelt|eat ate eaten|fall fell fallen|feed fed|feel felt feeling|fight
fought|find found|flee fled flight|fly flew flown|forbid forbade forbidden|forget forgot
forgotten|forgive forgave forgiven|freeze froze frozen|grow grew grown|hang hung|hear heard|hide hid
hidden|hold held|keep kept|kneel knelt|know knew known|lay laid|lead led|lean leant|leap leapt|learn
learnt|leave left|lend lent|lie lay lain|light lit|lose lost loss|marry married marriage
wedding|mean meant|meet met meeting|mow mown|pay paid payment|ride rode ridden|ring rang rung|rise
rose risen|run ran|saw sawn|see saw seen|seek sought|sell sold sale|send sent|sew sewn|shake shook
shaken|shine shone|shoot shot|show shown|shrink shrank shrunk|sing sang sung song|sink sank
sunk|sit sat|sleep slept asleep|slide slid|smell smelt|sow sown|speak spoke spoken speech|spell
spelt|spend spent|spill spilt|spin spun|spring sprang sprung|stand stood|steal stole stolen
theft|stick stuck|sting stung|strike struck|strive strove|swear swore sworn|sweep swept|swell
swollen|swim swam swum|swing swung|teach taught|tear tore torn|think thought|throw threw
thrown|tread trod|understand understood|wake woke woken|wear wore worn|weave wove woven|weep
wept|weigh weight|win won|wind wound|write wrote written|man men|woman women|child
children|foot feet|tooth teeth|goose geese|mouse mice|wife wives|knife knives|life lives live
alive|leaf leaves|old age aged|long length|high height|deep depth|wide width|strong
strength|mother mum mamma|father dad papa"""


@lru_cache(maxsize=50_000)
def stem(word: str) -> str:
    """A crude stem of a lower-case word: irregular forms first, then endings.

    Two forms of a word should meet ("drowned", "drowning"); a stem need not be a word.
    """
    word = word.replace("’", "'")
    if not word.isascii():
        parts = unicodedata.normalize("NFKD", word)
        word = unicodedata.normalize("NFC", "".join(c for c in parts if not _accent(c)))
    if word.endswith("'s"):
        word = word[:-2]
    word = word.replace("'", "")
    return _FORMS.get(word) or _cut(word)


def _accent(character: str) -> bool:
    return "\u0300" <= character <= "\u036f"


def _cut(word: str) -> str:
    if len(word) < 4 or not word.isascii() or not word.isalpha():
        return word
    if word.endswith(("sses", "shes", "ches", "xes", "zes")):
        word = word[:-2]
    elif word.endswith("ies"):
        word = word[:-3] + "y"
    elif word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    for ending in ("ingly", "edly", "ing", "ed", "ly"):
        root = word[: -len(ending)]
        if word.endswith(ending) and len(root) >= 3 and re.search("[aeiouy]", root):
            word = root
            if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "lsz":
                word = word[:-1]
            break
    for ending in ("ation", "ition", "ment", "ness", "tion", "sion", "ion", "ful", "or", "er"):
        if word.endswith(ending) and len(word) - len(ending) >= 4:
            word = word[: -len(ending)]
            break
    if word.endswith("y") and len(word) > 3:
        word = word[:-1] + "i"
    return word[:-1] if word.endswith("e") and len(word) > 3 else word


_GROUPS = tuple(tuple(group.split()) for group in _IRREGULAR.replace("\n", " ").split("|"))
_FORMS: dict[str, str] = {}
_SIBLINGS: dict[str, tuple[str, ...]] = {}
for _group in _GROUPS:
    for _form in _group:
        _FORMS.setdefault(_form, _cut(_group[0]))
        _SIBLINGS.setdefault(_cut(_group[0]), _group)


def forms(word: str) -> tuple[str, ...]:
    """The word and the irregular forms it may have in a text ("write" -> "wrote", "written")."""
    siblings = _SIBLINGS.get(stem(word.lower()), ())
    return (word, *(form for form in siblings if form != word.lower()))
