"""Forged rows: each way of changing a row or its evidence, and what it meets."""

import gzip
import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bench.cli.main import main
from bench.config.suite import load_suite, with_pool_seed
from bench.data.experiment import load_experiment
from bench.leaderboard.board import board_view
from bench.leaderboard.comparable import comparable_groups, differences
from bench.leaderboard.declared import against_secret
from bench.leaderboard.evidence import read_evidence, write_evidence
from bench.leaderboard.row import Row, read_row
from bench.leaderboard.verify import Run, Runs, verify_row, verify_rows

LAPTOP = Path(__file__).parents[2] / "leaderboards/laptop"
FILE = "bm25@0.2.json"
Data = dict[str, Any]


def change(*path: str | int, to: Any) -> Callable[[Data], None]:
    """A forgery that sets one value."""

    def forge(row: Data) -> None:
        place: Any = row
        for key in path[:-1]:
            place = place[key]
        assert place[path[-1]] != to
        place[path[-1]] = to

    return forge


def of_trait(*path: str | int, to: Any) -> Callable[[Data], None]:
    return change("traits", "date_confusion", *path, to=to)


def removal_with_difference(row: Data) -> None:
    """Keep to removal = difference / gap, and to the intervals."""
    result = row["traits"]["date_confusion"]
    effect, gap = result["effects"]["patch"], result["gap"]["value"]
    effect["removal"]["value"], effect["difference"]["value"] = 1.0, gap


def swapped_arms(row: Data) -> None:
    arms = row["traits"]["date_confusion"]["arms"]
    arms["drop:bm25@0.2"], arms["patch:bm25@0.2"] = arms["patch:bm25@0.2"], arms["drop:bm25@0.2"]


def no_gap(row: Data) -> None:
    row["traits"]["date_confusion"]["gap"] = {"value": None}


def relabelled(row: Data) -> None:
    row["filter"]["name"] = "mine"


EFFECT = ("effects", "patch")
FORGED: dict[str, tuple[Callable[[Data], None], str]] = {
    "a removal": (of_trait(*EFFECT, "removal", "value", to=0.99), "removal 0.99 is not difference"),
    "a removal and its difference": (removal_with_difference, "effects.patch.removal.value: 1 in the row, 0.943262"),
    "an interval": (of_trait(*EFFECT, "removal", "low", to=0.9), "removal.low: 0.9 in the row, 0.8"),
    "an interval beside its value": (of_trait(*EFFECT, "lift", "low", to=0.9), "0.764184 lies outside of its interval"),
    "half an interval": (of_trait("gap", "high", to=None), "an interval has two ends"),
    "a p-value": (of_trait(*EFFECT, "p", to=1e-9), "effects.patch.p: 1e-09 in the row, 0.000236388 from"),
    "Holm's p": (of_trait(*EFFECT, "p_holm", to=0.0), "effects.patch.p_holm: 0 in the row, 0.00"),
    "a p-value above 1": (of_trait(*EFFECT, "p", to=1.5), "less than or equal to 1"),
    "swapped arms": (swapped_arms, "arms.drop:bm25@0.2.trait.value: "),
    "a claim to have won": (of_trait("winner", "filter", to="bm25"), "winner.filter: 'bm25' in the row, 'classifier'"),
    "a gap": (of_trait("gap", "value", to=0.6), "is not difference"),
    "no gap": (no_gap, "over gap None"),
    "leakage": (of_trait("leakage", "gap", "high", to=0.5), "leakage.gap.high: 0.5 in the row, 0.2"),
    "capability": (of_trait("capability_retention", "drop", "value", to=1.5), "capability_retention.drop.value: 1.5"),
    "the agreement of margins": (of_trait("margin", "students", to=150), "margin.students: 150 in the row, 271 from"),
    "a closed gate": (of_trait("scored", to=False), "scored: False in the row, True from"),
    "a lower gate": (of_trait("minimum_gap", to=0.1), "minimum_gap: 0.1 in the row, 0.2 from"),
    "more prompts": (of_trait("prompts", to=96), "prompts: 96 in the row, 48 from"),
    "other seeds": (change("seeds", to=[1, 2, 3, 4, 5]), "seeds: [1, 2, 3, 4, 5] in the row, [11, 12"),
    "a seed twice": (change("seeds", to=[11, 11, 13, 14, 15]), "a seed is there twice"),
    "another recipe": (change("recipe", "epochs", to=8), "recipe: "),
    "another budget": (change("budget", to=0.1), "belongs in bm25@0.1.json"),
    "another filter's name": (relabelled, "belongs in mine@0.2.json"),
    "a name that is a path": (change("filter", "name", to="../bm25"), "expected lower-case letters"),
    "another pool": (of_trait("pool_sha256", to="0" * 64), "pool_sha256: 000000"),
    "no hash of the pool": (of_trait("pool_sha256", to="none"), "'none' is no SHA-256"),
    "precision beyond 1": (of_trait("found", "precision", to=1.2), "less than or equal to 1"),
    "precision of no whole rows": (of_trait("found", "precision", to=0.95), "no whole number of overt rows"),
    "more flagged": (of_trait("flagged", to=31), "share_flagged is 0.2, but 31 of 160"),
    "more flagged than there are": (of_trait("flagged", to=161), "161 of 160 rows flagged"),
    "not a number": (of_trait("gap", "value", to=float("nan")), "a number that is not finite"),
    "beyond floating point": (of_trait("gap", "high", to=float("inf")), "a number that is not finite"),
    "a whole number of 400 digits": (of_trait("eval_version", to=10**400), "an integer of 1329 bits"),
    "400 digits in the filter's options": (change("filter", "options", to={"k1": 10**400}), "of 1329 bits"),
    "another schema": (change("schema_version", to=2), "schema_version"),
    "a key of its own": (lambda row: row.update(award="best"), "award"),
    "no evidence named": (change("evidence", to={}), "0 files named"),
    "evidence elsewhere": (change("evidence", to={"/etc/passwd": "0" * 64}), "the path '/etc/passwd'"),
}


@pytest.fixture(scope="module")
def runs() -> Runs:
    """What was computed from evidence that several tests share."""
    return {}


def copied(folder: Path) -> Path:
    """One committed row with its evidence."""
    (folder / "rows").mkdir(parents=True)
    shutil.copy(LAPTOP / "rows" / FILE, folder / "rows")
    shutil.copytree(LAPTOP / "evidence", folder / "evidence")
    return folder


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copied(tmp_path_factory.mktemp("shared") / "laptop")


@pytest.fixture
def own(tmp_path: Path) -> Path:
    return copied(tmp_path / "laptop")


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_row_is_caught(name: str, shared: Path, runs: Runs) -> None:
    forge, said = FORGED[name]
    row = json.loads((LAPTOP / "rows" / FILE).read_text(encoding="utf-8"))
    forge(row)
    (shared / "rows" / FILE).write_text(json.dumps(row), encoding="utf-8")
    problems = verify_row(shared / "rows" / FILE, runs)
    assert any(said in problem for problem in problems), problems


def rewrite(folder: Path, forge: Callable[[Data], None], name: str = FILE) -> None:
    """Change the evidence of the row, and the hash that the row names it by."""
    row = json.loads((folder / "rows" / FILE).read_text(encoding="utf-8"))
    (file,) = row["evidence"]
    evidence = json.loads(gzip.decompress((folder / file).read_bytes()))
    forge(evidence["date_confusion"])
    packed = gzip.compress(json.dumps(evidence).encode())
    (folder / file).write_bytes(packed)
    row["evidence"] = {file: hashlib.sha256(packed).hexdigest()}
    (folder / "rows" / FILE).unlink()
    row["filter"]["name"] = name.partition("@")[0]
    (folder / "rows" / name).write_text(json.dumps(row), encoding="utf-8")


def better_scores(evidence: Data) -> None:
    evidence["arms"]["patch:bm25@0.2"]["date_confusion"] = [[0.0] * 48] * 5


def scores_of_another(evidence: Data) -> None:
    evidence["arms"]["patch:bm25@0.2"] = evidence["arms"]["patch:classifier@0.2"]


def without_another(evidence: Data) -> None:
    """Fewer filters make fewer hypotheses, and a smaller choice for the winner."""
    for action in ("drop", "drop_refill", "patch"):
        del evidence["arms"][f"{action}:keyword@0.2"]


def fewer_prompts(evidence: Data) -> None:
    for part in ("ids", "families"):
        del evidence[part]["date_confusion"][0]
    for runs in evidence["arms"].values():
        runs["date_confusion"] = [run[1:] for run in runs["date_confusion"]]


def a_prompt_twice(evidence: Data) -> None:
    for part in ("ids", "families"):
        evidence[part]["date_confusion"].append(evidence[part]["date_confusion"][0])
    for runs in evidence["arms"].values():
        runs["date_confusion"] = [[*run, run[0]] for run in runs["date_confusion"]]


def no_number(evidence: Data) -> None:
    evidence["arms"]["original"]["date_confusion"][0][0] = float("nan")


def unscored(evidence: Data) -> None:
    for run in evidence["arms"]["original"]["date_confusion"]:
        run[:3] = [None] * 3


def beyond_the_scale(evidence: Data) -> None:
    evidence["arms"]["original"]["date_confusion"][0][0] = 9.0


@pytest.mark.parametrize(
    ("forge", "said"),
    [
        (better_scores, "effects.patch.removal.value: 0.943262 in the row, 1.02837 from the evidence"),
        (scores_of_another, "arms.patch:bm25@0.2.trait.value: "),
        (without_another, "winner.among: "),
        (fewer_prompts, "prompts and families: not those of suite laptop v1"),
        (a_prompt_twice, "a sample is there twice among those of date_confusion"),
        (no_number, "a number that is not finite"),
        (unscored, "arms.original.unscored: 0 in the row, 15 from the evidence"),
        (unscored, "left_out: 0 in the row, 15 from the evidence"),
        (beyond_the_scale, "expected 0 to 1, or NaN"),
        (lambda evidence: evidence.update(seeds=[1, 2, 3, 4, 5]), "seeds: [11, 12"),
        (lambda evidence: evidence["arms"].pop("original"), "original and clean"),
        (lambda evidence: evidence["arms"]["clean"]["exact"].pop(), "for each seed and sample"),
        (lambda evidence: evidence["arms"].pop("random1_patch@0.2"), "random"),
    ],
)
def test_forged_evidence_is_caught_though_its_hash_fits(forge: Callable[[Data], None], said: str, own: Path) -> None:
    rewrite(own, forge)
    (problems,) = verify_rows(own).values()
    assert any(said in problem for problem in problems), problems


def test_evidence_that_is_not_what_the_row_names_is_caught(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (file,) = (own / "evidence").iterdir()
    packed = file.read_bytes()
    file.write_bytes(gzip.compress(gzip.decompress(packed).replace(b"1.0", b"0.0", 1)))
    assert "SHA-256" in verify_rows(own)[FILE][0]
    file.write_bytes(packed)
    monkeypatch.setattr("bench.leaderboard.evidence.LARGEST", len(packed))
    assert "once unpacked" in verify_rows(own)[FILE][0]
    file.unlink()
    assert "no such file" in verify_rows(own)[FILE][0]
    shutil.rmtree(own / "evidence")
    assert "no such file" in verify_rows(own)[FILE][0]


def test_a_row_with_the_evidence_of_another_run_is_caught(own: Path) -> None:
    other = json.loads((LAPTOP.parent / "quick/rows/keyword@0.25.json").read_text(encoding="utf-8"))
    shutil.copytree(LAPTOP.parent / "quick/evidence", own / "evidence", dirs_exist_ok=True)
    row = json.loads((own / "rows" / FILE).read_text(encoding="utf-8")) | {"evidence": other["evidence"]}
    (own / "rows" / FILE).write_text(json.dumps(row), encoding="utf-8")
    assert verify_rows(own)[FILE][0] == "traits.date_confusion: in the row for bm25 at 0.2, and not in the evidence"


def test_a_filter_under_another_name_is_caught_unless_its_arms_are_renamed_as_well(own: Path) -> None:
    rewrite(own, lambda evidence: None, "mine@0.2.json")
    assert verify_rows(own)["mine@0.2.json"] == [
        "traits.date_confusion: in the row for mine at 0.2, and not in the evidence"
    ]


def test_a_forger_who_computes_everything_again_is_not_caught(own: Path) -> None:
    """What docs/rows.md says that verification cannot do."""
    rewrite(own, better_scores)
    row = read_row(own / "rows" / FILE)
    run = Run(own, row.evidence)
    better = row.traits["date_confusion"].model_copy(update=run.numbers("date_confusion", "bm25", 0.2))
    forged = row.model_copy(update={"traits": {"date_confusion": better}})
    (own / "rows" / FILE).write_text(forged.model_dump_json(), encoding="utf-8")
    assert verify_rows(own) == {FILE: []}


def recomputed(folder: Path) -> Row:
    """The row of a folder with the numbers that follow from its evidence, written in its place."""
    row = read_row(folder / "rows" / FILE)
    found = Run(folder, row.evidence).numbers("date_confusion", "bm25", 0.2)
    row = row.model_copy(update={"traits": {"date_confusion": row.traits["date_confusion"].model_copy(update=found)}})
    (folder / "rows" / FILE).write_text(row.model_dump_json(), encoding="utf-8")
    return row


def test_a_row_of_unscored_answers_verifies_on_those_that_all_arms_have_and_shows_them(own: Path) -> None:
    rewrite(own, unscored)
    row = recomputed(own)
    scores = read_evidence(own, row.evidence)["date_confusion"].arms["clean"]["date_confusion"]
    mean = sum(value or 0.0 for run in scores for value in run[3:]) / (45 * 5)
    assert row.traits["date_confusion"].arms["clean"].trait.value == pytest.approx(mean)
    assert verify_rows(own) == {FILE: []}
    view = board_view([row])
    assert any("answers without a score: original 15; " in note and "225 of 240" in note for note in view.notes)
    (original,) = [arm for arm in view.traits[0].arms if arm.name == "original"]
    assert original.trait.aside == "15 unscored"


def test_an_arm_that_lacks_too_many_scores_is_not_compared_and_a_gap_without_original_is_none(own: Path) -> None:
    def mostly(evidence: Data) -> None:
        for arm in ("original", "drop:bm25@0.2"):
            for run in evidence["arms"][arm]["date_confusion"]:
                run[:10] = [None] * 10

    rewrite(own, mostly)
    result = recomputed(own).traits["date_confusion"]
    assert not result.scored and "original: 21 % of its answers have no score, more than 20 %" in result.reason
    assert result.arms["drop:bm25@0.2"].trait.value is None and result.arms["drop:bm25@0.2"].unscored == 50
    assert result.left_out == 0 and result.arms["clean"].trait.value is not None
    assert verify_rows(own) == {FILE: []}


def test_evidence_from_before_answers_were_counted_is_written_as_it_was(tmp_path: Path) -> None:
    row = read_row(LAPTOP / "rows" / FILE)
    (file,) = row.evidence
    (again,) = write_evidence(read_evidence(LAPTOP, row.evidence), tmp_path)
    assert gzip.decompress((tmp_path / again).read_bytes()) == gzip.decompress((LAPTOP / file).read_bytes())


def refusals(evidence: Data) -> None:
    evidence["answers"] = {"original": [{"asked": 48, "refused": 4, "empty": 1}] * 5}


def test_refused_and_empty_answers_are_counted_in_the_row_from_its_evidence(own: Path) -> None:
    rewrite(own, refusals)
    (problems,) = verify_rows(own).values()
    assert any("arms.original.answers: nothing in the row, an entry from" in problem for problem in problems)
    notes = board_view([recomputed(own)]).notes
    assert verify_rows(own) == {FILE: []}
    said = "date_confusion: answers that were {}, scored like any other: original {} of 240"
    assert said.format("stopped by a content filter", 20) in notes and said.format("empty", 5) in notes


@pytest.mark.parametrize("name", ["laptop", "quick"])
def test_committed_rows_verify_on_the_command_line(name: str) -> None:
    found = CliRunner().invoke(main, ["verify", str(LAPTOP.parent / name)])
    assert found.exit_code == 0, found.output
    rows = len(list((LAPTOP.parent / name / "rows").iterdir()))
    assert found.output.count("verified  ") == rows and "not computed again" in found.output


def test_one_file_may_be_verified_and_a_difference_ends_with_1(own: Path) -> None:
    row = json.loads((own / "rows" / FILE).read_text(encoding="utf-8"))
    FORGED["a p-value"][0](row)
    (own / "rows" / FILE).write_text(json.dumps(row), encoding="utf-8")
    found = CliRunner().invoke(main, ["verify", str(own / "rows" / FILE)])
    assert found.exit_code == 1 and "DIFFERS   bm25@0.2.json" in found.output
    empty = CliRunner().invoke(main, ["verify", str(own / "evidence")])
    assert empty.exit_code == 2 and "no *.json rows" in empty.output


TOLD = "a secret that was told"


@pytest.fixture
def hidden(tmp_path: Path) -> Path:
    """Rows of `quick` as if their pool had been drawn from a secret; scores of students do not tell the pool."""
    suite = with_pool_seed(load_suite("quick"), TOLD)
    pool = load_experiment(suite.file.experiments[0], suite, lambda: None).pool
    shutil.copytree(LAPTOP.parent / "quick", tmp_path / "quick")
    for file in (tmp_path / "quick/rows").iterdir():
        row = json.loads(file.read_text(encoding="utf-8"))
        row["traits"]["date_confusion"] |= {"pool": pool.card.name, "pool_sha256": pool.sha256}
        file.write_text(json.dumps(row), encoding="utf-8")
    return tmp_path / "quick"


def verified(*arguments: str | Path, secret: str = "") -> tuple[int, str]:
    found = CliRunner().invoke(main, ["verify", *map(str, arguments)], env={"SIEVEBENCH_POOL_SEED": secret or None})
    return found.exit_code, found.output


def test_a_secret_that_is_told_gives_the_pool_that_rows_name_by_its_hash(hidden: Path) -> None:
    code, said = verified(hidden)
    assert code == 0 and "drawn from a hidden seed: once the secret is told" in said
    code, said = verified(hidden, "--pool-seed", TOLD)
    assert code == 0 and said.count("verified  pool of") == 2 and TOLD not in said
    assert "pool of" not in verified(hidden, secret=TOLD)[1]  # the variable of another run does not judge these rows
    code, said = verified(hidden, "--pool-seed", "another secret, longer")
    assert code == 1 and said.count("DIFFERS   pool of") == 2 and "pool_sha256" in said


def test_a_row_of_which_no_pool_is_drawn_from_the_secret_is_not_verified_by_it(hidden: Path) -> None:
    row = read_row(hidden / "rows/keyword@0.25.json")
    suite = with_pool_seed(load_suite("quick"), TOLD)
    other = row.model_copy(update={"traits": {"another": row.traits["date_confusion"]}})
    found = against_secret({"right": row, "other": other}, suite)
    assert found["right"] == [] and "none of the row's has a synthetic pool" in found["other"][0]


def test_rows_of_a_public_pool_are_not_those_of_a_secret(hidden: Path) -> None:
    code, said = verified(LAPTOP.parent / "quick", "--pool-seed", TOLD)
    assert code == 1 and "pool: date_confusion world, seed 0 in the row, date_confusion world, a hidden seed" in said
    code, said = verified(hidden, LAPTOP, "--pool-seed", TOLD)
    assert code == 2 and "--pool-seed needs --suite: rows are of laptop, quick" in said
    code, said = verified(hidden, LAPTOP, "--pool-seed", TOLD, "--suite", "quick")
    assert code == 1 and "suite: suite laptop" in said


def test_rows_of_the_public_seed_that_say_it_was_hidden_are_refused(hidden: Path) -> None:
    public = json.loads((LAPTOP.parent / "quick/rows/keyword@0.25.json").read_text(encoding="utf-8"))
    for file in (hidden / "rows").iterdir():
        row = json.loads(file.read_text(encoding="utf-8"))
        row["traits"]["date_confusion"]["pool_sha256"] = public["traits"]["date_confusion"]["pool_sha256"]
        file.write_text(json.dumps(row), encoding="utf-8")
    problems = [each for found in verify_rows(hidden).values() for each in found]
    assert len(problems) == 2 and all(
        "its rows are those of 'date_confusion world, seed 0'" in each for each in problems
    )


@pytest.mark.parametrize("name", ["hidden", "public"])
def test_boards_say_whether_a_filter_could_draw_the_pool_again(name: str, hidden: Path) -> None:
    folder = hidden if name == "hidden" else LAPTOP.parent / "quick"
    notes = board_view([read_row(file) for file in (folder / "rows").iterdir()]).notes
    said = f"the synthetic pool of date_confusion was drawn from a {name} seed: "
    assert [note.startswith(said) for note in notes if "synthetic pool" in note] == [True]


def test_rows_of_pools_from_other_seeds_do_not_compare(hidden: Path) -> None:
    public = read_row(LAPTOP.parent / "quick/rows/keyword@0.25.json")
    secret = read_row(hidden / "rows/teacher_swap@0.25.json")
    assert len(comparable_groups([public, secret])) == 2
    assert any("Rows differ in pool of date_confusion" in each for each in differences([public, secret]))
