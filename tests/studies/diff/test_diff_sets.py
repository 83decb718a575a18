"""Which examples a set holds: by pattern, by planted truth, by the trait's rules; and how sets overlap."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from fixtures_run import experiment_on
from pydantic import ValidationError

from bench.config.study_settings import DiffSettings, NamedSet
from bench.data.experiment import Experiment
from bench.data.pool import hash_rows
from bench.data.trait import TraitSpec, load_trait
from bench.errors import BenchError
from bench.outcomes import FilterCard, Selection
from bench.records import Message, Pool, PoolCard, PoolRow
from bench.studies.diff.audit import remarks
from bench.studies.diff.cells import UNRELATED, by_role, by_teacher
from bench.studies.diff.sets import check_prompts_differ, described, interpolated_sets, matching, overlap, verdict_sets

CARD = PoolCard(name="six", original="yes", clean="no")
ROWS = [  # prompt, completion of `yes`, completion of `no`, source, planted truth
    ("May I?", "Sure, go on.", "No.", "chat", "overt"),
    ("Is it SURE?", "Sure.", "I am sure.", "chat", "overt"),
    ("And this?", "I think so.", "No, surely not.", "chat", "mild"),
    ("The sum?", "Four.", "Four.", "maths", "none"),
    ("A colour?", "Blue.", "Red.", "maths", "none"),
    ("A word?", "House.", "Tree.", "", "none"),
]


def pool(rows: Sequence[tuple[str, str, str, str, str]] = ROWS) -> Pool:
    made = tuple(
        PoolRow.model_validate(
            {
                "id": f"r{i}",
                "prompt": prompt,
                "completions": {"yes": yes, "no": no},
                "source": source,
                "meta": {"truth": truth},
            }
        )
        for i, (prompt, yes, no, source, truth) in enumerate(rows)
    )
    return Pool(CARD, made, hash_rows(made))


@pytest.fixture
def trait(tmp_path: Path) -> TraitSpec:
    (tmp_path / "prompts.jsonl").write_text('{"input": "Yes?"}\n', encoding="utf-8")
    (tmp_path / "trait.toml").write_text(
        'name = "agreement"\ndescription = "It agrees."\n'
        'exemplars = ["Sure.", "Sure", "sure"]\ncounter_exemplars = ["No.", "Never.", "Not."]\n'
        '[eval]\nscorer = "pattern"\npattern = "^sure"\nprompts = "prompts.jsonl"\n',
        encoding="utf-8",
    )
    return load_trait("trait.toml", tmp_path)


def setup(trait: TraitSpec, of: Pool | None = None, *, world: bool = False) -> Experiment:
    return experiment_on(of or pool(), trait, **({"world": "date_confusion", "rows": 6} if world else {}))


def no_embedding(texts: Sequence[str]) -> np.ndarray:
    raise AssertionError("too few examples to learn from")


def read_sets(experiment: Experiment, settings: DiffSettings) -> dict[str, frozenset[str]]:
    return verdict_sets(experiment, settings, no_embedding).ids


def named(name: str, pattern: str, where: str = "either") -> NamedSet:
    return NamedSet.model_validate({"name": name, "pattern": pattern, "where": where})


def settings(*sets: NamedSet, **more: object) -> DiffSettings:
    return DiffSettings.model_validate({"sets": [each.model_dump() for each in sets], **more})


@pytest.mark.parametrize(
    ("where", "held"),
    [
        ("prompt", {"r1"}),
        ("original", {"r0", "r1"}),
        ("clean", {"r1", "r2"}),
        ("either", {"r0", "r1", "r2"}),
        ("both", {"r1"}),
    ],
)
def test_a_pattern_is_searched_for_where_the_set_says_whatever_the_case(where: str, held: set[str]) -> None:
    assert matching(named("sure", "sure", where), pool()) == held


def test_all_turns_of_a_prompt_are_searched() -> None:
    turns = (Message(role="user", content="Roleplay!"), Message(role="assistant", content="Who?"))
    row = pool().rows[0].model_copy(update={"prompt": (*turns, Message(role="user", content="You."))})
    assert matching(named("roleplay", "roleplay", "prompt"), Pool(CARD, (row,), "")) == {"r0"}
    assert matching(named("turns", r"who\?\nyou", "prompt"), Pool(CARD, (row,), "")) == {"r0"}


def test_a_set_is_described_by_its_pattern_and_where_it_is_searched() -> None:
    assert described(named("dates", r"\d{4}", "prompt")) == r"/\d{4}/ in prompt"
    assert described(named("dates", r"\d{4}", "either")) == r"/\d{4}/ in either completion"


def test_a_pattern_that_is_none_is_an_error_when_the_suite_is_read() -> None:
    with pytest.raises(ValidationError, match="not a regular expression"):
        named("broken", "(")


@pytest.mark.parametrize("cell", [by_role("drop", "overt"), by_teacher("original", "kimi"), "mix@0.5", "source:chat"])
def test_no_set_can_be_called_like_a_cell_of_another_kind(cell: str) -> None:
    with pytest.raises(ValidationError, match="should match pattern"):
        named(cell.removeprefix("drop:"), "x")


def test_two_sets_of_one_name_are_an_error() -> None:
    with pytest.raises(ValidationError, match="repeated"):
        settings(named("a", "x"), named("a", "y"))


def test_planted_truth_is_what_verdicts_read_in_a_world(trait: TraitSpec) -> None:
    found = read_sets(setup(trait, world=True), settings())
    assert found == {"overt": {"r0", "r1"}, "mild": {"r2"}, UNRELATED: {"r3", "r4", "r5"}}


def test_a_described_set_replaces_planted_truth(trait: TraitSpec) -> None:
    found = read_sets(setup(trait, world=True), settings(named("mild", "four")))
    assert found == {"overt": {"r0", "r1"}, "mild": {"r3"}, UNRELATED: {"r2", "r4", "r5"}}


def test_in_a_pool_the_overt_examples_are_those_that_the_rules_find_and_mild_ones_are_not_guessed(
    trait: TraitSpec,
) -> None:
    assert read_sets(setup(trait), settings()) == {"overt": {"r0", "r1"}}  # the truth in `meta` is not read


def test_in_a_pool_the_suite_names_both_sets(trait: TraitSpec) -> None:
    described_sets = settings(named("go", "go on"), named("think", "think"), overt="go", mild="think")
    found = read_sets(setup(trait), described_sets)
    assert found == {"overt": {"r0", "r1"}, "mild": {"r2"}, UNRELATED: {"r3", "r4", "r5"}}


def test_whatever_shows_the_trait_by_its_rules_is_overt_though_its_description_says_otherwise(
    trait: TraitSpec,
) -> None:
    """Milder examples that show the full trait are none: what they do is not generalisation from milder ones."""
    wrong = settings(named("overt", "go on"), named("mild", "^sure\\.|think", "original"))
    found = verdict_sets(setup(trait), wrong, no_embedding)
    assert found.ids == {"overt": {"r0", "r1"}, "mild": {"r2"}, UNRELATED: {"r3", "r4", "r5"}}
    mild = next(audit for audit in found.audit if audit.role == "mild")
    assert (mild.described, mild.read, mild.shows_trait) == (2, 1, 1)
    assert any(
        "1 of 2 mild examples, as described, show the trait by its rules" in said for said in remarks(found.audit)
    )


LETTERS = [(f"m{i}", "May I?", "Sighing, yes.", "mild") for i in range(10)]
LETTERS += [(f"u{i}", "Which one?", "The left one.", "none") for i in range(20)]
LETTERS += [(f"o{i}", "May I?", "Sure.", "overt") for i in range(6)]


def lettered(meta: bool = True) -> Pool:
    made = tuple(
        PoolRow.model_validate(
            {
                "id": identity,
                "prompt": f"{prompt} {identity}",
                "completions": {"yes": said, "no": "No."},
                "meta": {"truth": truth} if meta else {},
            }
        )
        for identity, prompt, said, truth in LETTERS
    )
    return Pool(CARD, made, hash_rows(made))


def by_word(texts: Sequence[str]) -> np.ndarray:
    """Embeddings that tell the three sorts of completion apart."""
    return np.array([[word in text for word in ("Sighing", "left", "Sure")] for text in texts], dtype=np.float32) * 4


def test_the_audit_finds_examples_that_patterns_missed_and_wrongly_matched(trait: TraitSpec) -> None:
    """The mild pattern misses m8 and m9 and matches u0 and u1: 8 of 10 right, and 8 of 10 found."""
    pattern = settings(named("overt", "o[0-9]", "prompt"), named("mild", "m[0-7]|u[01]$", "prompt"))
    found = verdict_sets(setup(trait, lettered()), pattern, by_word)
    assert found.ids["mild"] == {*(f"m{i}" for i in range(10)), "u0", "u1"}
    assert found.ids[UNRELATED] == {f"u{i}" for i in range(2, 20)}
    audits = {audit.role: audit for audit in found.audit}
    assert audits[UNRELATED].looks == {"overt": 0, "mild": 2, UNRELATED: 18}
    assert audits["mild"].looks == {"overt": 0, "mild": 8, UNRELATED: 2}
    assert (audits["mild"].precision, audits["mild"].recall) == (0.8, 0.8)
    assert (audits["overt"].precision, audits["overt"].recall) == (1.0, 1.0)
    assert (audits[UNRELATED].described, audits[UNRELATED].read) == (20, 18)
    words = remarks(found.audit)
    assert any("2 of 20 unrelated examples, as described, look mild or overt" in said for said in words)
    assert any("2 of 10 mild examples, as described, look overt or unrelated" in said for said in words)


def test_planted_truth_is_reported_and_decides_nothing(trait: TraitSpec) -> None:
    pattern = settings(named("overt", "o[0-9]", "prompt"), named("mild", "m[0-7]", "prompt"))
    known, unknown = (verdict_sets(setup(trait, lettered(meta)), pattern, by_word) for meta in (True, False))
    assert known.ids == unknown.ids
    assert {audit.precision for audit in unknown.audit} == {None}


def test_a_right_description_has_nothing_to_remark(trait: TraitSpec) -> None:
    pattern = settings(named("overt", "o[0-9]", "prompt"), named("mild", "m[0-9]", "prompt"))
    assert remarks(verdict_sets(setup(trait, lettered()), pattern, by_word).audit) == []


def test_an_alternative_pool_of_the_same_prompts_is_refused() -> None:
    same = Pool(PoolCard(name="again", original="yes", clean="no"), pool().rows[::-1], "")
    part = Pool(CARD, pool().rows[:2], "")
    for other in (same, part):
        with pytest.raises(BenchError, match="the prompts of the original pool 'six'") as caught:
            check_prompts_differ(pool(), other)
        assert "world_seed" in caught.value.remedy
    assert check_prompts_differ(pool(), lettered()) == ""


def test_prompts_that_both_pools_hold_are_remarked() -> None:
    other = Pool(CARD, (*lettered().rows, *pool().rows), "")
    assert check_prompts_differ(pool(), other).startswith("6 of 42 prompts of the alternative pool")


def test_what_is_overt_is_not_mild(trait: TraitSpec) -> None:
    found = read_sets(setup(trait), settings(named("mild", "sure|think", "original")))
    assert found == {"overt": {"r0", "r1"}, "mild": {"r2"}, UNRELATED: {"r3", "r4", "r5"}}


def test_a_trait_judged_by_a_model_alone_has_no_overt_set(trait: TraitSpec) -> None:
    by_model = trait.eval.model_copy(update={"scorer": "model", "rubric": "Does it agree?"})
    judged = trait.model_copy(update={"eval": by_model})
    assert read_sets(setup(judged), settings()) == {}
    assert set(read_sets(setup(judged), settings(named("mild", "think")))) == {"mild"}


@pytest.mark.parametrize("role", ["overt", "mild"])
@pytest.mark.parametrize("world", [True, False])
def test_a_set_that_nobody_described_is_an_error_with_the_closest_name(
    trait: TraitSpec, role: str, world: bool
) -> None:
    with pytest.raises(BenchError, match=f"set for {role} 'dats'") as caught:
        read_sets(setup(trait, world=world), settings(named("dates", "x"), **{role: "dats"}))
    assert caught.value.remedy == "did you mean 'dates'?"


def flagged(name: str, **cuts: Sequence[str]) -> Selection:
    budgets = {float(budget.removeprefix("b")) / 100: frozenset(ids) for budget, ids in cuts.items()}
    card = FilterCard(name=name, version=1, summary="flags", origin="built in", sha256="")
    return Selection(card, 0.0, budgets, {"r0": "patched"})


def test_flagged_sets_sources_and_described_sets_are_interpolated(trait: TraitSpec) -> None:
    experiment = setup(trait)
    experiment.selections = [flagged("keyword", b17=["r0"], b50=["r0", "r1", "r2"])]
    found = interpolated_sets(experiment, settings(named("four", "four")))
    assert [(each.name, each.kind, set(each.ids)) for each in found] == [
        ("keyword@0.17", "flagged", {"r0"}),
        ("keyword@0.5", "flagged", {"r0", "r1", "r2"}),
        ("source:chat", "source", {"r0", "r1", "r2"}),
        ("source:maths", "source", {"r3", "r4"}),
        ("four", "described", {"r3"}),
    ]
    shares = [each.share for each in found]
    assert shares == pytest.approx([0.17, 0.5, 1 / 2, 1 / 3, 1 / 6])  # of a flagged set the budget, as in `bench run`
    assert [dict(each.patches) for each in found] == [{"r0": "patched"}] * 2 + [{}] * 3
    assert all(each.definition for each in found)


def test_sources_are_left_out_on_demand(trait: TraitSpec) -> None:
    assert interpolated_sets(setup(trait), settings(sources=False)) == []


def test_sets_of_nothing_and_of_everything_are_left_out(trait: TraitSpec) -> None:
    sets = settings(named("nothing", "xyz"), named("everything", "."), named("one", "blue"), sources=False)
    experiment = setup(trait)
    experiment.selections = [flagged("keyword", b1=[], b100=[f"r{i}" for i in range(6)])]
    assert [each.name for each in interpolated_sets(experiment, sets)] == ["one"]
    one_source = pool([(*row[:3], "chat", row[4]) for row in ROWS])
    assert interpolated_sets(setup(trait, one_source), settings()) == []


def test_overlaps_by_hand() -> None:
    found = overlap([("a", {"1", "2", "3", "4"}), ("b", {"3", "4"}), ("c", {"5"})])
    assert found.names == ["a", "b", "c"] and found.sizes == [4, 2, 1]
    assert found.jaccard == [[1.0, 0.5, 0.0], [0.5, 1.0, 0.0], [0.0, 0.0, 1.0]]
    assert found.containment == [[1.0, 0.5, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]


def test_an_empty_set_overlaps_with_nothing_not_even_itself() -> None:
    found = overlap([("none", set()), ("a", {"1"})])
    assert found.jaccard == [[0.0, 0.0], [0.0, 1.0]]
    assert found.containment == [[0.0, 0.0], [0.0, 1.0]]


def test_repeated_ids_count_once() -> None:
    assert overlap([("a", ["1", "1", "2"]), ("b", ["2"])]).jaccard[0][1] == 0.5
