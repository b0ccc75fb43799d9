"""Terms, stems, kinds and sentences: the words that everything else is decided by."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lift_app.answering.kinds import answer_kind, has_kind
from lift_app.answering.sentences import LONGEST_SENTENCE, first_sentence_end, split_sentences
from lift_app.answering.stems import forms, stem
from lift_app.answering.terms import all_terms, content_terms, words
from lift_app.answering.thesaurus import related


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("wrote", "written"),
        ("drowned", "drowning"),
        ("parties", "party"),
        ("baker", "bakers"),
        ("mended", "mends"),
        ("children", "child"),
        ("café", "cafe"),
        ("Rook's".lower(), "rook"),
    ],
)
def test_forms_of_a_word_meet(one: str, other: str) -> None:
    assert stem(one) == stem(other)


@pytest.mark.parametrize(
    ("one", "other"), [("bread", "breed"), ("born", "bear"), ("tower", "town")]
)
def test_other_words_do_not_meet(one: str, other: str) -> None:
    assert stem(one) != stem(other)


def test_forms_bring_the_irregular_ones() -> None:
    assert {"wrote", "written"} <= set(forms("write"))
    assert forms("lantern") == ("lantern",)


def test_related_words_go_both_ways() -> None:
    assert stem("mend") in related(stem("repair"))
    assert stem("repair") in related(stem("mend"))
    assert not related("lantern")


def test_content_terms_drop_stop_words_and_know_names() -> None:
    terms = content_terms("What did Orla Venn's sister say about the bell?")
    assert [term.word for term in terms] == ["Orla", "Venn", "sister", "bell"]
    assert [term.name for term in terms] == [True, True, False, False]
    assert [term.joined for term in terms] == [False, True, True, False]


def test_a_question_of_stop_words_has_no_content() -> None:
    assert content_terms("And who was he?") == ()
    assert [term.word for term in all_terms("And who was he?")] == ["And", "who", "was", "he"]


def test_scripts_without_spaces_are_cut_in_pairs() -> None:
    assert words("林黛玉 x") == ["林黛", "黛玉", "x"]


@pytest.mark.parametrize(
    ("question", "kind", "good", "bad"),
    [
        ("How old was she?", "age", "She was forty-one by then.", "She kept seven lanterns."),
        ("How many lanterns were lit?", "number", "There were 12 lanterns.", "She lit lanterns."),
        ("When did the bell break?", "time", "In 1910 it broke.", "It broke in a storm."),
        ("What colour was the gate?", "colour", "The gate was yellow.", "The gate was wide."),
    ],
)
def test_kinds_are_seen(question: str, kind: str, good: str, bad: str) -> None:
    found = answer_kind(question)
    assert found is not None
    assert found.name == kind
    assert found.telling
    assert has_kind(good, found)
    assert not has_kind(bad, found)


def test_what_the_question_says_is_no_answer() -> None:
    kind = answer_kind("How many of the seven lanterns were green?")
    assert not has_kind("The seven lanterns were green.", kind, {stem("seven")})


def test_a_question_without_a_kind_accepts_everything() -> None:
    assert answer_kind("Where is the tower?") is None
    assert has_kind("anything", None)


def test_sentences_end_where_they_should() -> None:
    text = 'Mr. Rook came at\nnine. "Bread!" he said. It was J. Venn who ate…\n\nA Title\n\nEnd'
    assert [text[start:end] for start, end in split_sentences(text)] == [
        "Mr. Rook came at\nnine.",
        '"Bread!" he said.',
        "It was J. Venn who ate…",
        "A Title",
        "End",
    ]


def test_chinese_sentences() -> None:
    text = "他来了。她走了！"
    assert [text[start:end] for start, end in split_sentences(text)] == ["他来了。", "她走了！"]


@given(st.text(alphabet=st.sampled_from("ab .!?\n\"'”。…X"), max_size=200) | st.text(max_size=80))
def test_sentences_hold_every_character_once_and_in_order(text: str) -> None:
    spans = split_sentences(text)
    assert "".join("".join(text[a:b].split()) for a, b in spans) == "".join(text.split())
    assert all(a < b for a, b in spans)
    assert all(first[1] <= second[0] for first, second in pairwise(spans))
    assert all(text[a:b] == text[a:b].strip() for a, b in spans)


def test_a_text_without_full_stops_is_cut() -> None:
    text = "word " * 1000
    assert all(end - start <= LONGEST_SENTENCE for start, end in split_sentences(text))


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("Plum soup. The barrel", "Plum soup."),
        ("Mr. Rook baked it. Then", "Mr. Rook baked it."),
        ("Plum soup.", None),
        ("Plum soup\nand more", "Plum soup"),
        ("11.2 feet", None),
        ("", None),
    ],
)
def test_an_answer_ends_with_its_first_sentence(text: str, first: str | None) -> None:
    end = first_sentence_end(text)
    assert (None if end is None else text[:end]) == first
