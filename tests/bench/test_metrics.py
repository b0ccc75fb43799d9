"""Metrics against values worked out by hand, or by the definition of their authors."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import pytest

from lift_app.bench.documents import Asked
from lift_app.bench.metrics.bertscore import BertScore
from lift_app.bench.metrics.choice import letter_said, likeliest, with_letters
from lift_app.bench.metrics.cloze import cloze
from lift_app.bench.metrics.meteor import has_synonyms, meteor
from lift_app.bench.metrics.needle import needle_found
from lift_app.bench.metrics.ordering import DEVIATIONS, concordance, deviations, said_order
from lift_app.bench.metrics.retrieval import retrieval
from lift_app.bench.metrics.rouge import rouge_l
from lift_app.bench.metrics.scoring import Said, names_in_order, score
from lift_app.bench.metrics.token_f1 import best_f1, exact_match, normalise, token_f1


def test_f1_and_exact_match_as_longbench_normalises() -> None:
    assert normalise("The  Cat's hat, a (red) one!") == "cats hat red one"
    assert token_f1("the cat sat", "cat sat down") == pytest.approx(2 / 3 * 1.2)  # P 1, R 2/3
    assert token_f1("no no no", "no") == 0.5  # multisets: one of three is shared
    assert token_f1("the", "a") == 0  # nothing is left of either
    assert best_f1("Toronto", ["University of Toronto", "UT"]) == 0.5
    assert exact_match("The UT.", ["University of Toronto", "ut"]) == 1
    assert exact_match("UT, I think", ["UT"]) == 0


def test_rouge_l_is_the_f_of_the_longest_common_subsequence() -> None:
    # Lin (2004), section 3: the subsequence of S2 is "police the gunman", of S3 "the gunman".
    gold = "police killed the gunman"
    assert rouge_l("police kill the gunman", [gold]) == pytest.approx(0.75)
    assert rouge_l("the gunman kill police", [gold]) == pytest.approx(0.5)
    assert rouge_l("nothing", [gold, "nothing"]) == 1
    assert rouge_l("", [gold]) == 0


def test_meteor_counts_stems_and_broken_order() -> None:
    """alpha 0.9, beta 3, gamma 0.5: (1 - 0.5 (chunks / matches)^3) x 10PR / (R + 9P)."""
    assert meteor("cat sat mat", ["cat sat mat"]) == pytest.approx(1 - 0.5 / 27)
    assert meteor("mat sat cat", ["cat sat mat"]) == pytest.approx(0.5)  # three chunks of one
    assert meteor("cats", ["cat"]) == pytest.approx(0.5)  # by stem; one chunk, one match
    assert meteor("dog", ["cat"]) == 0
    assert meteor("", ["cat"]) == 0
    half = 10 * 1 * 0.5 / (0.5 + 9 * 1) * (1 - 0.5 / 8)  # P 1, R 1/2, one chunk of two
    assert meteor("big red", ["big red old dog"]) == pytest.approx(half)
    assert has_synonyms() in (True, False)


def test_concordance_is_the_share_of_ordered_pairs() -> None:
    assert concordance("201", "201") == 1
    assert concordance("210", "201") == pytest.approx(2 / 3)  # 2>1 and 2>0 hold, 1>0 does not
    assert concordance("102", "201") == 0
    assert concordance("20", "201") == 0  # of the wrong length
    every = [concordance(p, "01234") for p in permutations("01234")]
    assert sum(every) / len(every) == pytest.approx(0.5)  # chance


def test_orders_are_read_from_an_answer() -> None:
    romans = ("II", "I", "III")
    assert said_order("II, I, III", romans) == ["II", "I", "III"]
    answer = "II. The bridge: 1965.\nI. The mill: 1966.\nIII. The dam: 1976."
    assert said_order(answer, romans) == ["II", "I", "III"]
    assert said_order("first 2, then 0, then 1 (not 2)", ("2", "0", "1")) == ["2", "0", "1"]
    assert said_order("[3] [1] [2]", ("2", "0", "1")) == ["2", "0", "1"]  # counted from one
    assert said_order("4,1,2", ("2", "0", "1")) == ["4", "1", "2"]  # no order of these


def test_loogle_deviations_by_hand() -> None:
    gold = ["I", "II", "III", "IV"]
    assert set(deviations(gold, gold).values()) == {0}
    swapped = deviations(["II", "I", "III", "IV"], gold)
    assert swapped == {"lsd": 0.5, "lmd": 0.5, "sd": 1, "sdd": 1}
    ends = deviations(["IV", "II", "III", "I"], gold)
    assert ends == {"lsd": 4.5, "lmd": 1.5, "sd": 1, "sdd": 3}
    turned = deviations(["II", "III", "IV", "I"], gold)  # a cycle of four takes three swaps
    assert turned == {"lsd": (1 + 1 + 1 + 9) / 4, "lmd": 1.5, "sd": 3, "sdd": 3}
    assert deviations(["I"], gold) == deviations([], gold)  # no order: the worst there is
    assert deviations([], gold)["lsd"] == deviations(gold[::-1], gold)["lsd"] == 5


def test_the_released_reorder_script_cannot_tell_a_right_answer_from_a_reversed_one() -> None:
    """It overwrites each deviation with the largest one for that many events.

    So its figure depends on the number of events alone; ours is 0 for the right order only.
    """
    gold = ["III", "I", "II"]

    def released(said: list[str]) -> dict[str, float]:
        output = deviations(said, gold)
        if output:  # what reorder_eval.py does with a deviation that it could compute
            every = [deviations(list(p), gold) for p in permutations(gold)]
            output = {name: max(one[name] for one in every) for name in DEVIATIONS}
        return output

    assert released(gold) == released(gold[::-1])
    assert deviations(gold, gold) != deviations(gold[::-1], gold)
    for said in permutations(gold):
        assert (deviations(list(said), gold)["lmd"] == 0) == (list(said) == gold)


def test_retrieval_is_the_share_of_right_numbers() -> None:
    assert retrieval("Paragraph 15", ["Paragraph 15"]) == 1
    assert retrieval("Paragraph 15 or 3 or 15", ["Paragraph 15"]) == pytest.approx(2 / 3)
    assert retrieval("I do not know", ["Paragraph 15"]) == 0
    assert retrieval("Paragraph 1", ["Paragraph 15"]) == 0
    with pytest.raises(ValueError, match="names no number"):
        retrieval("15", ["Paragraph"])


def test_choices_by_letter_and_by_likelihood() -> None:
    assert with_letters("Who?", ["Anka", "Bero"]).startswith("Who?\nA. Anka\nB. Bero\n")
    for said, place in {
        "B": 1, "B. Bero": 1, "(C)": 2, "The answer is D.": 3, "option b": None, "A man came": None,
        "It was (B)": 1, "E": None, "Bero": None, "": None,
    }.items():  # fmt: skip
        assert letter_said(said, 4) == place, said
    assert likeliest([2.0, 1.5, 1.5]) == 1


def test_gaps_are_filled_exactly_or_in_part() -> None:
    masks, golds = ("<mask-0>", "<mask-1>"), ("Anka Novak", "Bero")
    assert cloze("<mask-0>: Anka Novak; <mask-1>: Bero", golds, masks) == (1, 1)
    assert cloze('{"<mask-0>": "Anka", "<mask-1>": "Dan"}', golds, masks) == (0, 0.5)
    assert cloze("Anka", golds, masks) == (0, 0)
    assert cloze("Bero.", ("Bero",), ("<mask-0>",)) == (1, 1)


def test_a_needle_needs_all_its_words() -> None:
    words = ("sandwich", "dolores park")
    assert needle_found("Eat a Sandwich in Dolores\nPark.", words) == 1
    assert needle_found("Eat a sandwich.", words) == 0


def test_bertscore_matches_each_word_with_its_nearest(tmp_path: Path) -> None:
    """With layer 0 of an encoder without positions, equal words have equal vectors."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    names = ["[UNK]", "[CLS]", "[SEP]", "[PAD]", "red", "cat", "dog"]
    tokenizer = Tokenizer(models.WordLevel({n: i for i, n in enumerate(names)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 2), ("[CLS]", 1))
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]").save_pretrained(tmp_path)
    config = BertConfig(
        vocab_size=len(names),
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=64,
    )
    model = BertModel(config)
    with torch.no_grad():
        model.embeddings.position_embeddings.weight.zero_()
        model.embeddings.token_type_embeddings.weight.zero_()
    model.save_pretrained(tmp_path)
    metric = BertScore(tmp_path, layer=0)
    assert metric("red cat", ["red cat"]) == pytest.approx(1, abs=1e-5)
    assert metric("cat red", ["red cat", "dog"]) == pytest.approx(1, abs=1e-5)  # order is free
    cat, dog = (metric._states(word)[0] for word in ("cat", "dog"))
    nearness = float(cat @ dog)
    assert metric("cat", ["dog"]) == pytest.approx(nearness, abs=1e-5)
    assert metric("", ["dog"]) == 0


def said(answer: str, *options: float) -> Said:
    return Said(answer, 1.5, 0.1, 0.2, 10, options)


def test_every_form_has_its_metrics() -> None:
    short = score(Asked("1", "q?", ("a cup",)), said("A cup."))
    assert (short["f1"], short["em"], short["nll"]) == (1, 1, 1.5)
    assert "em" not in score(Asked("2", "q?", ("a cup",), form="long"), said("cup"))
    order = Asked("3", "q?", ("1,0",), form="order", keys=("1", "0"))
    assert score(order, said("1,0"))["concordance"] == 1
    assert score(order, said("none"))["valid"] == 0
    choice = Asked("4", "q?", ("cup",), form="choice", options=("hat", "cup"))
    assert score(choice, said("A", 2.0, 1.0)) == {"accuracy": 1, "accuracy_letter": 0, "nll": 1.5}
    assert score(Asked("5", "q?", ("Paragraph 2",), form="retrieval"), said("2"))["retrieval"] == 1
    assert score(Asked("6", "q?", ("x",), form="needle", keys=("x",)), said("X"))["found"] == 1
    gaps = Asked("7", "q?", ("Bero",), form="cloze", keys=("<mask-0>",))
    assert score(gaps, said("Bero"))["exact"] == 1
    assert names_in_order([short])[0] == "f1"
    assert names_in_order([short])[-1] == "nll"
