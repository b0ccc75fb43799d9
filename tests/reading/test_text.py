"""Plain text: encodings, wrapping, Project Gutenberg, chapters."""

from __future__ import annotations

import pytest
from reading_documents import prose, sentence, wrap

from lift_app.errors import CallerError, UnreadableFile
from lift_app.reading.chapters import find_headings, roman_numeral, roman_value
from lift_app.reading.characters import clean, count_words
from lift_app.reading.draft import Draft, Limits, title_from_name
from lift_app.reading.encoding import decode
from lift_app.reading.lines import join_lines, split_paragraphs, usual_width
from lift_app.reading.text import read_text


def read(text: str | bytes, encoding: str | None = None) -> Draft:
    data = text.encode() if isinstance(text, str) else text
    return read_text(data, Limits(), encoding)


def whole(draft: Draft) -> str:
    return "\n\n".join(page.text for page in draft.pages)


RUSSIAN = "Тёмная ночь стояла над гаванью, и сторож считал фонари. Никто не спешил домой. " * 12
JAPANESE = "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。\n" * 12
GERMAN = "Die Glöckner hörten die Kühe über den Brücken, während es schneite. „Schön“, sagte er. "


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("naïve café", "utf-8"),
        ("naïve café", "utf-8-sig"),
        ("naïve café", "utf-16"),
        ("A plain line of letters, wide.\n" * 4, "utf-16-le"),
        ("A plain line of letters, wide.\n" * 4, "utf-16-be"),
        ("naïve café", "utf-32"),
        (GERMAN * 8, "cp1252"),
        (RUSSIAN, "cp1251"),
        (RUSSIAN, "koi8-r"),
        (JAPANESE, "shift_jis"),
        (JAPANESE, "euc_jp"),
    ],
)
def test_encodings_are_found(text: str, encoding: str) -> None:
    found, _, _ = decode(text.encode(encoding))
    assert found == text


def test_a_guess_is_told_with_its_name() -> None:
    _, name, warnings = decode((GERMAN * 8).encode("cp1252"))
    assert name in warnings[0]
    assert "guess" in warnings[0]


def test_the_caller_decides_the_encoding() -> None:
    data = (JAPANESE).encode("shift_jis")
    draft = read(data, "shift_jis")
    assert draft.encoding == "shift_jis"
    assert "吾輩は猫である" in whole(draft)


def test_an_unknown_encoding_is_the_callers_mistake() -> None:
    with pytest.raises(CallerError, match="no text encoding called 'klingon'"):
        read(b"abc", "klingon")


def test_wrong_encoding_of_the_caller_is_told() -> None:
    _, _, warnings = decode("naïve café".encode("cp1252"), "utf-8")
    assert "2 characters are not valid utf-8" in warnings[0]


def test_characters_are_cleaned() -> None:
    dirty = "a\x00b\u00adc\u200b \u00a0 d\r\ne\rf\x0bg\ufb01\u202ex e\u0301 \ud800"
    assert clean(dirty) == "abc d\ne\nf\ngfix é \ufffd"


def test_words_of_scripts_without_spaces_are_counted() -> None:
    assert count_words("two words") == 2
    assert count_words("海上生明月") == 3


def test_hard_wrapped_lines_become_paragraphs() -> None:
    first, second = prose(1), prose(2)
    draft = read(f"{wrap(first)}\n\n{wrap(second)}\n")
    assert whole(draft) == f"{first}\n\n{second}"


def test_a_wrapped_hyphen_and_dash_join_without_a_space() -> None:
    filler = wrap(prose(1), 60)
    lines = [*filler.split("\n"), "the end of a line that is nearly full stands before after-"]
    assert join_lines([*lines, "lecture debates"], 60).endswith("after-lecture debates")


def test_verse_keeps_its_lines() -> None:
    verse = "Four lanterns on the pier,\nThree lanterns on the sea,\nand none for me."
    draft = read(f"{wrap(prose(1))}\n\n{verse}\n\n{wrap(prose(2))}\n\n{wrap(prose(3))}")
    assert verse in whole(draft)


def test_one_line_a_paragraph() -> None:
    paragraphs = [prose(number) for number in range(5)]
    assert usual_width(paragraphs) == 0
    assert [group[0] for group in split_paragraphs("\n".join(paragraphs))] == paragraphs


def test_indented_paragraphs_without_blank_lines() -> None:
    paragraphs = [prose(number, 20) for number in range(4)]
    text = "\n".join("   " + wrap(paragraph) for paragraph in paragraphs)
    assert len(split_paragraphs(text)) == 4


GUTENBERG = f"""The Project Gutenberg eBook of The Copper Bell, by Ida Marsh

This eBook is for the use of anyone anywhere.

Title: The Copper Bell
       or, A Winter's Work

Author: Ida Marsh

Release Date: May 8, 1999 [eBook #1]

Language: English

*** START OF THE PROJECT GUTENBERG EBOOK THE COPPER BELL ***




Produced by Some Volunteers



THE COPPER BELL

by Ida Marsh


CONTENTS

CHAPTER I. The Pier
CHAPTER II. The Storm


CHAPTER I. The Pier

{wrap(prose(1, 30))}

It was _quite_ dark, and _very_ cold, and _nobody_ came.

[Illustration: The pier in winter]

CHAPTER II. The Storm

{wrap(prose(2, 30))}

*** END OF THE PROJECT GUTENBERG EBOOK THE COPPER BELL ***

This licence is long.
"""


def test_gutenberg_texts_lose_header_licence_and_marks() -> None:
    draft = read(GUTENBERG.replace("\n", "\r\n"))
    text = whole(draft)
    assert draft.title == "The Copper Bell: or, A Winter's Work"
    assert draft.author == "Ida Marsh"
    assert draft.language == "en"
    assert draft.metadata["release_date"] == "May 8, 1999"
    assert "Gutenberg" not in text and "licence" not in text and "Volunteers" not in text
    assert "It was quite dark, and very cold, and nobody came." in text
    assert "The pier in winter" in text and "[Illustration" not in text
    told = " ".join(draft.dropped)
    for word in ("header", "licence", "Some Volunteers", "italics", "illustration"):
        assert word in told
    assert [chapter.title for chapter in draft.chapters] == [
        "CHAPTER I: The Pier",
        "CHAPTER II: The Storm",
    ]


def test_title_and_author_of_the_last_line_of_a_gutenberg_text() -> None:
    draft = read(
        f"{wrap(prose(1))}\n\n{wrap(prose(2))}\n\nEnd of the Project Gutenberg EBook of Tin Bells, "
        "by I. Marsh\n\n*** end"
    )
    assert (draft.title, draft.author) == ("Tin Bells", "I. Marsh")
    assert "Gutenberg" not in whole(draft)


def test_other_texts_are_left_alone() -> None:
    text = "Gutenberg printed a bible.\n\nProduced by hand, it took years."
    assert whole(read(text)) == text
    assert read(text).dropped == []


def test_title_and_author_at_the_top() -> None:
    draft = read(f"THE TIN BELL\n\nby Ida Marsh\n\n{prose(1)}\n\n{prose(2)}")
    assert (draft.title, draft.author) == ("The Tin Bell", "Ida Marsh")


def titles(*paragraphs: str) -> list[str]:
    return [heading.title for heading in find_headings(paragraphs)]


def test_chapter_headings_of_many_kinds() -> None:
    body = prose(1)
    assert titles(
        "BOOK THE FIRST",
        "OF BELLS",
        body,
        "CHAPTER THE SECOND",
        "OF COPPER; AND WHAT CAME",
        body,
        "Chapter 3",
        body,
        "CHAPTER IV: THE PIER",
        body,
        "EPILOGUE",
        body,
    ) == [
        "BOOK THE FIRST: OF BELLS",
        "CHAPTER THE SECOND: OF COPPER; AND WHAT CAME",
        "Chapter 3",
        "CHAPTER IV: THE PIER",
        "EPILOGUE",
    ]


def test_chapters_in_other_languages() -> None:
    body = prose(1)
    assert titles("第一章 海", body, "第二章", body) == ["第一章: 海", "第二章"]
    assert titles("Kapitel 1", body, "Глава 2", body) == ["Kapitel 1", "Глава 2"]


def test_bare_numbers_are_chapters_only_in_order() -> None:
    body = prose(1)
    assert titles("I", body, "II", body, "III", body) == ["I", "II", "III"]
    assert titles("1984", body, "7", body, "I", body) == []
    assert titles("CHAPTER I", "I", body, "II", body, "III", body) == ["CHAPTER I"]


def test_sentences_are_no_headings() -> None:
    assert (
        titles(
            "Part of the reason was the bell.",
            "Book one seat for me, said Orla.",
            "chapter 4 was long.",
            sentence(1),
        )
        == []
    )


def test_a_table_of_contents_is_no_chapter() -> None:
    body = prose(1)
    lines = ["CHAPTER I. The Pier", "CHAPTER II. The Storm", "CHAPTER III. The Bell"]
    real = [part for line in lines for part in (line, body)]
    assert len(titles("\n".join(lines), *real)) == 3
    assert len(titles("Contents", *lines, *real)) == 3


@pytest.mark.parametrize("value", [1, 4, 9, 14, 40, 90, 400, 1999])
def test_roman_numerals(value: int) -> None:
    assert roman_value(roman_numeral(value)) == value


def test_words_that_look_like_roman_numerals() -> None:
    assert roman_value("iix") is None
    assert roman_value("mild") is None


def test_text_without_any_letters_is_empty() -> None:
    with pytest.raises(UnreadableFile) as error:
        read(" \n\n \t ").to_book("0", "a.txt", None, 0.0)
    assert error.value.code == "empty"


def test_too_much_text_is_refused() -> None:
    with pytest.raises(UnreadableFile, match="too much for one book") as error:
        read_text(b"word " * 100, Limits(text=99))
    assert error.value.code == "too_large"


def test_too_many_pages_are_refused() -> None:
    with pytest.raises(UnreadableFile, match="at most 2 are read") as error:
        read_text("\n\n".join(prose(n, 30) for n in range(4)).encode(), Limits(pages=2))
    assert error.value.code == "too_many_pages"


def test_text_of_unknown_characters_is_garbled() -> None:
    draft = read("\ue001\ue002\ue003 \ue004\ue005")
    with pytest.raises(UnreadableFile) as error:
        draft.to_book("0", "a.txt", None, 0.0)
    assert error.value.code == "garbled"


def test_titles_of_file_names() -> None:
    assert title_from_name("the-time_machine.md.txt") == "The time machine"
    assert title_from_name("2024.pdf") == "2024"
    assert title_from_name("...") != ""
