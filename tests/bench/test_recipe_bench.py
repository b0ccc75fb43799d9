"""Recipes side by side: memory, evidence and harm of each variant, with a tiny model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lift_app.bench import guard, harm, recipe
from lift_app.bench.documents import Asked, BenchDocument
from lift_app.errors import CallerError
from lift_app.reader import Reader
from lift_app.settings import Settings


def document(number: int) -> BenchDocument:
    name = ("Orla", "Tobias", "Mirem")[number]
    text = " ".join(f"On day {day} {name} kept {day + number} lanterns." for day in range(1, 14))
    asked = tuple(
        Asked(
            f"{number}/{day}", f"What did {name} keep on day {day}?", (f"{day} lanterns",), (text,)
        )
        for day in (2, 5)
    )
    return BenchDocument(f"d{number}", f"The Days of {name}", text, asked)


def test_a_variant_is_a_recipe_with_some_numbers_changed() -> None:
    parsed = recipe.Variant.parse("deep:epochs=3, rank=8")
    assert (parsed.recipe, parsed.values) == ("deep", {"epochs": "3", "rank": "8"})
    assert recipe.Variant.parse("quick").values == {}
    with pytest.raises(CallerError, match="FIELD=VALUE"):
        recipe.Variant.parse("quick:fast")


def test_variants_are_measured_side_by_side(tiny_settings: Settings, tmp_path: Path) -> None:
    settings = replace(tiny_settings, home=tmp_path / "bench", context_tokens=48)
    variants = [
        recipe.Variant.parse("quick:segment_length=64,stride=64,guard=false,retention_weight=0"),
        recipe.Variant.parse("quick:segment_length=64,stride=64,guard=false,learning_rate=0.05"),
    ]
    with Reader(settings) as reader:
        result = recipe.run(
            reader,
            [document(0), document(1)],
            {"days": [document(2)]},
            variants,
            suite="days",
            progress=lambda _: None,
        )
    assert [row["variant"] for row in result["variants"]] == [v.text for v in variants]
    for row in result["variants"]:
        assert [arm["arm"] for arm in row["arms"]] == list(recipe.ARMS)
        assert {one["kind"] for one in row["harm"]} == {"general", "reading"}
        assert all(one["low"] <= one["share"] <= one["high"] for one in row["harm"])
    mild, wild = (row["harm"][0]["share"] for row in result["variants"])
    assert abs(mild) < abs(wild)  # what a lift breaks, the bench sees
    first, second = result["variants"]
    assert first["against_first"] == []
    compared = {pair["arm"]: pair for pair in second["against_first"]}
    assert list(compared) == list(recipe.AGAINST_FIRST)
    nll = [{arm["arm"]: arm["nll"] for arm in row["arms"]} for row in (first, second)]
    for arm, pair in compared.items():
        assert pair["difference"] == pytest.approx(nll[1][arm] - nll[0][arm], abs=2e-4)
    assert variants[0].text in recipe.table(result)
    assert "| harm: general | harm: reading |" in recipe.table(result)
    assert f"| {variants[1].text} | {compared['LIFT+ICL']['difference']:+.3f}" in recipe.table(
        result
    )


def test_harm_is_a_share_of_what_the_base_says() -> None:
    prompts = [harm.Prompt("general", name, name, (), "x") for name in ("a", "b")]
    (found,) = harm.harms(prompts, [1.0, 3.0], [[1.05, 3.15], [1.05, 3.15]])
    assert found.share == pytest.approx(0.05)
    assert found.low == pytest.approx(0.05)
    assert found.high == pytest.approx(0.05)
    assert found.prompts == 2


def test_prompts_of_one_document_are_one_witness_and_books_are_drawn_too() -> None:
    two = [harm.Prompt("reading", f"{tale}/0", tale, (), "x") for tale in ("one", "one", "two")]
    (found,) = harm.harms(two, [1.0, 1.0, 2.0], [[0.5, 1.5, 2.0]])
    assert found.low == found.high == 0
    one = [harm.Prompt("reading", "one/0", "one", (), "x")]
    (found,) = harm.harms(one, [1.0], [[1.0], [1.2]])
    assert (found.low, found.share, found.high) == pytest.approx((0.0, 0.1, 0.2))


def test_prompts_of_the_benches_are_not_those_that_lifts_see() -> None:
    import json
    from importlib import resources

    def questions(package: str, name: str) -> set[str]:
        data = json.loads(resources.files(package).joinpath(name).read_text(encoding="utf-8"))
        rows = data if isinstance(data, list) else data["general"]
        reading = [] if isinstance(data, list) else [*data["reading"], *data.get("articles", ())]
        asked = [q for row in reading for q in row.get("questions", [row])]
        return {row["question"] for row in [*rows, *asked]}

    kept = {prompt.messages[0]["content"] for prompt in harm.general_prompts()}
    assert kept == questions("lift_app.bench", "general.json")
    assert kept.isdisjoint(questions("lift_app.lifting", "general.json"))
    assert kept.isdisjoint(questions("lift_app.lifting", "probe.json"))
    learned = questions("lift_app.lifting", "general.json")
    assert learned.isdisjoint(questions("lift_app.lifting", "probe.json"))


def test_reading_prompts_are_all_questions_to_one_passage_told_as_answers_are() -> None:
    lonely = replace(document(2), questions=())
    found = harm.reading_prompts([document(0), lonely, document(1)], 3)
    assert [prompt.answer for prompt in found] == ["2 lanterns.", "5 lanterns."] * 2
    assert [prompt.of for prompt in found] == ["d0/0", "d0/0", "d1/0", "d1/0"]
    assert all(prompt.kind == "reading" for prompt in found)


def test_prompts_that_begin_alike_are_read_at_once_with_the_same_result(
    tiny_settings: Settings, tmp_path: Path
) -> None:
    prompts = harm.reading_prompts([document(0), document(1)], 2)
    with Reader(replace(tiny_settings, home=tmp_path / "bench")) as reader:
        model = reader.settings.model
        at_once, alone = (
            reader.engine().submit(lambda host, of=of: harm.surprises(host, of), model=model)
            for of in (prompts, [replace(p, of=str(n)) for n, p in enumerate(prompts)])
        )
        assert at_once.result() == pytest.approx(alone.result(), rel=1e-4)


def test_evidence_that_is_not_known_is_what_a_search_finds(
    tiny_settings: Settings, tmp_path: Path
) -> None:
    known = document(0)
    text = "\n\n".join(f"{name} kept the lamp of tower {n}." for n, name in enumerate("ABCD" * 90))
    asked = (Asked("q1", "Who kept the lamp of tower 77?", ("B",)), Asked("q2", " ", ("C",)))
    unknown = BenchDocument("towers", "Towers", text, asked)
    with Reader(replace(tiny_settings, home=tmp_path / "bench")) as reader:
        assert harm.with_evidence(reader, known) == known
        [found] = harm.with_evidence(reader, unknown).questions
    assert found.id == "q1"  # what asks nothing is left out
    assert "B kept the lamp of tower 77." in found.gold[0]
    assert 0 < sum(len(passage.split()) for passage in found.gold) <= harm.LONGEST_EVIDENCE
    assert all(passage in text for passage in found.gold)


@pytest.mark.slow
def test_the_guards_bench_weighs_what_a_probe_shows(
    tiny_settings: Settings, tmp_path: Path
) -> None:
    settings = replace(tiny_settings, home=tmp_path / "bench", context_tokens=48)
    said: list[str] = []

    def measure() -> dict[str, Any]:
        with Reader(settings) as reader:
            return guard.run(
                reader,
                [document(0), document(1)],
                [document(2)],
                recipe="quick",
                values={"segment_length": 64, "stride": 64, "learning_rate": 0.05},
                suite="days",
                progress=said.append,
            )

    result = measure()
    strongest, nothing = result["strengths"][0], result["strengths"][-1]
    assert (strongest["strength"], nothing["strength"]) == (guard.STRENGTHS[0], 0)
    # Strength 0 is the base itself.
    assert nothing["probe"] == nothing["gain"]["difference"] == nothing["harm"]["share"] == 0
    assert strongest["probe"] != 0
    assert strongest["harm"]["share"] != 0
    strengths = [row["strength"] for row in result["allowed"]]
    assert strengths == sorted(strengths)  # more that is allowed is never less strength
    assert "| at most 0.5 % allowed |" in guard.table(result)
    assert measure() == result  # from what was kept
