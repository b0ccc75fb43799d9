"""Words that a question and a book may use for the same thing. Data, and one function to read it.

A small list of common English words, not of any book: a question says "trip" or "job" where a book
says "voyage" or names the trade. Words of a line may stand for each other.
"""

from __future__ import annotations

from functools import lru_cache

from lift_app.answering.stems import stem

_LINES = """
accident crash wreck disaster collision
afraid fear frightened scared terrified fright terror dread
aim goal purpose intention plan
aircraft plane aeroplane airplane
alarm warn warning alert
amount sum number total
angry anger furious cross rage wrath vexed annoyed
animal beast creature
arrive arrival reach land come came
assist help aid assistance
attack assault strike raid
author writer wrote
baby infant newborn
battle fight combat war
beautiful lovely handsome pretty fair beauty
begin start commence origin opening first
big large huge great enormous vast
birth born
boat ship vessel ferry ketch
boss chief master head
boy lad son
bring carry fetch deliver brought
brave courageous bold courage
burn fire flame blaze
buy purchase bought
car automobile motor
cause reason because
cemetery graveyard churchyard grave buried bury
choose pick select chose chosen elect
cloth fabric material
clothes dress clothing wear wore garment
cold freezing chill
collect gather
come arrive return came
cook prepare bake boil
cost price pay paid fare worth charge fee spend buy bought sold
country land nation kingdom
crime offence murder theft robbery
criminal thief robber culprit murderer
cry weep wept tears sob
damage harm hurt injure spoil
dangerous danger peril perilous
daughter girl
dead die death drown killed perish lost dying lives
destroy ruin demolish wreck
discover find found discovery uncover
disease illness sick sickness ill ailment fever
disappear vanish gone
dispute quarrel argue argument fell row disagreement
doctor physician surgeon
drink drank wine beer tea
eat ate meal food dinner supper fed
employ hire
end finish stop final last finally conclude conclusion
enemy foe rival
error mistake wrong
escape flee fled away
establish found set create start
evening night dusk
examine inspect study look
explain say tell
fail failure
fall fell drop
famous celebrated renowned known
fast quick quickly rapid swift hurry speed
father dad papa
fee fare price
fix repair mend mended patch
forest wood woods
forbid prohibit ban abolish
friend companion comrade
funny amusing laugh
gift present give gave brought
glad happy pleased joy joyful delighted satisfied
hate detest dislike
hear listen heard
hide hid hidden conceal stow
hit strike struck beat knock
home house dwelling
hold keep kept
hospital infirmary
idea thought notion
income wage wages salary earn pay
inform tell told
inhabitants residents people population townspeople villagers
injured wounded hurt
jail prison gaol imprisoned
job work profession occupation trade
journey trip voyage travel sail sailed passage
jump leap sprang
kill murder slay slain
kind sort type
king ruler monarch
launch start
leader chief head
leave left depart departure quit sailed
letter note message mail post reply
live lived reside dwell dwelt inhabit home house
lonely alone solitude
look appearance appear
love loved beloved
marry wed married husband wife wedding bride groom
measure gauge
meet met encounter meeting
mistress lady
money coin coins cash gold pound pounds shilling shillings dollar dollars penny pence
mother mum mamma
murder kill
noise sound
odour smell scent smelled
offer propose
own owner belong possess
parents mother father
pet dog cat
pilot navigator
place put lay laid set
poor poverty
present give gift
promise vow swore
proof evidence prove
protect guard defend
pull drag drew haul hauled
pupil student scholar
quiet silent silence
receive get got obtain
recall remember remembered
refuse decline declined
remove take took
reply answer response respond
reside live
rest remaining remainder
return back came
reward prize
rich wealthy wealth
road street way lane
rope cord
rule law
sad sorrow grief unhappy
sail voyage
save rescue saved
say state
scared afraid
school college university
see notice saw watch watched spot
send sent
shop store
shout cry cried call
shut close closed
sign card notice
sink sank sunk
sleep bed asleep
small little tiny
smart clever wise
speak talk spoke
speech address
stay remain remained
steal stole stolen rob robbed theft thief
stick rod staff
stone rock
storm gale tempest
street lane road
struggle fight
surprised astonished amazed astonishment
take took
teach taught teacher tutor instructor schoolmistress schoolmaster
tell told
throw threw tip cast toss hurl
tired weary exhausted
town city village
try attempt attempted
ugly hideous
use used
victim dead
vote ballot poll
walk walked
want wish wanted wished desire
war battle
wash clean
weather wind rain storm
woman lady
work worked labour
worry worried anxious
write wrote written pen
young youth
tall high height feet foot inches inch
long length mile miles yards hours hour days weeks months years minutes
far distance mile miles leagues
deep depth fathom fathoms feet
heavy weight weighed pounds tons
often times every daily weekly yearly
"""


@lru_cache(maxsize=1)
def _related() -> dict[str, frozenset[str]]:
    related: dict[str, set[str]] = {}
    for line in _LINES.strip().splitlines():
        group = {stem(word) for word in line.split()}
        for word in group:
            related.setdefault(word, set()).update(group)
    return {word: frozenset(group - {word}) for word, group in related.items()}


def related(word_stem: str) -> frozenset[str]:
    """Stems of the words that may stand for a word; empty if none are known."""
    return _related().get(word_stem, frozenset())


@lru_cache(maxsize=1)
def _spellings() -> dict[str, tuple[str, ...]]:
    spellings: dict[str, dict[str, None]] = {}
    for line in _LINES.strip().splitlines():
        group = line.split()
        for word in group:
            spellings.setdefault(stem(word), {}).update(dict.fromkeys(group))
    return {word: tuple(group) for word, group in spellings.items()}


def related_words(word_stem: str) -> tuple[str, ...]:
    """The same as words, for a search that has its own idea of stems."""
    return _spellings().get(word_stem, ())
