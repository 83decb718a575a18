"""Examples of a run and the page of each row: counts add up, texts are cut and escaped, and old rows have pages too."""

import re
import shutil
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote

import pytest
from fixtures_rows import row, trait_result
from fixtures_run import experiment_on

import bench.cli.main as cli
from bench.config.suite import load_suite
from bench.data.pool import hash_rows
from bench.data.trait import load_trait
from bench.evaluation.stored_answers import read_answers
from bench.execution.session import Options
from bench.leaderboard.comparable import row_key
from bench.leaderboard.evidence import read_evidence
from bench.leaderboard.example_files import (
    GROUP_BYTES,
    LONGEST,
    MOST,
    Answer,
    Excerpt,
    FilterSource,
    Group,
    PromptAnswers,
    RowExamples,
    ScoreCounts,
    Text,
    TraitExamples,
    fitting,
    read_examples,
    write_examples,
)
from bench.leaderboard.examples import Excerpts, filter_source, score_counts, with_examples
from bench.leaderboard.filter_pages import html, page_files
from bench.leaderboard.filter_pictures import compare
from bench.leaderboard.filter_words import counts, verdict, why
from bench.leaderboard.pages import BOARD
from bench.leaderboard.row import Found, Row, read_rows, write_rows
from bench.outcomes import FlagOverlap, Selection
from bench.records import Message, Pool, PoolCard, PoolRow
from bench.studies.pages import write_board, write_pages

TRAIT = "date_confusion"
ROWS = 240  # of the pool of the invented row, 24 of which are flagged


def excerpt(identity: str, rank: int, text: str = "It is 2024.") -> Excerpt:
    return Excerpt(
        id=identity, prompt=Text(text="Which year?"), original=Text.of(text), patch=Text(text="It is 2026."),
        score=1 / rank, rank=rank,
    )  # fmt: skip


def answers(identity: str, *scores: float) -> PromptAnswers:
    arms = ("original", "drop:keyword@0.1", "patch:keyword@0.1")
    given = {a: Answer(text=Text(text=f"{a} says 2024."), scores=[s]) for a, s in zip(arms, scores, strict=True)}
    return PromptAnswers(id=identity, prompt=Text(text=f"What is today, {identity}?"), answers=given)


def examples(**changes: object) -> RowExamples:
    groups = {
        "found": Group(total=17, shown=[excerpt("hit", 1)]),
        "mild": Group(total=4, shown=[excerpt("mild", 2)]),
        "wrong": Group(total=3, shown=[excerpt("false", 3)]),
        "missed": Group(total=7, shown=[excerpt("miss", 90)]),
    }
    scores = ScoreCounts(
        low=0, high=1, counts={"overt": [7, 17], "mild": [60, 4], "none": [149, 3]},
        cut=0.5, at_cut=9, flagged_at_cut=2,
    )  # fmt: skip
    part = TraitExamples(
        by="planted truth", rows=ROWS, flagged=24, groups=groups, scores=scores, threshold=0.5, prompts=3,
        answers=[answers("p1", 1, 0, 0), answers("p2", 0, 0, 0)], seeds=[7],
        logs={"original": ["store/evals/abc"]},
    )  # fmt: skip
    source = FilterSource(file="keywords.py", text="def score(): ...")
    return RowExamples.model_construct(source=source, traits={TRAIT: part.model_copy(update=changes)})


def page(folder: Path, record: RowExamples, given: Row | None = None) -> str:
    given = given or row("keyword")
    digest = write_examples(folder / "examples/keyword@0.1.json", record)
    return html([folder], given.model_copy(update={"examples": {"examples/keyword@0.1.json": digest}}), [BOARD])


@pytest.fixture(scope="module")
def smoke(smoke_run: tuple[Path, dict[str, int]]) -> dict[str, tuple[Row, TraitExamples]]:
    found = {}
    for each in read_rows(smoke_run[0]):
        record, problem = read_examples(smoke_run[0], each)
        assert record is not None and problem == ""
        assert record.source.file.endswith(".py") and "@filter_plugin" in record.source.text
        found[each.filter.name] = (each, record.traits[TRAIT])
    return found


def test_counts_of_a_run_are_those_of_its_rows(smoke: dict[str, tuple[Row, TraitExamples]]) -> None:
    assert smoke.keys() == {"keyword", "random_flag", "oracle"}
    for each, part in smoke.values():
        result, total = each.traits[TRAIT], {kind: group.total for kind, group in part.groups.items()}
        right, missed = total.get("found", 0), total.get("missed", 0)
        assert result.found is not None and (part.rows, part.flagged) == (result.pool_rows, result.flagged)
        assert right / part.flagged == pytest.approx(result.found.precision)
        assert right / (right + missed) == pytest.approx(result.found.recall)
        assert (right + total.get("mild", 0)) / part.flagged == pytest.approx(result.found.precision_any)
        assert part.by == "planted truth" and right + missed == sum(part.scores.counts["overt"])
    assert {"wrong", "mild"}.isdisjoint(smoke["oracle"][1].groups)
    assert smoke["random_flag"][1].groups["missed"].total > 0


def test_examples_of_a_run_are_in_the_order_of_their_ranks(smoke: dict[str, tuple[Row, TraitExamples]]) -> None:
    for _, part in smoke.values():
        for group in part.groups.values():
            assert [e.rank for e in group.shown] == sorted(e.rank for e in group.shown)
            assert all(e.patch is not None and e.original != e.patch for e in group.shown)


def test_answers_of_a_run_have_the_scores_of_the_evidence(
    smoke_run: tuple[Path, dict[str, int]], smoke: dict[str, tuple[Row, TraitExamples]]
) -> None:
    for each, part in smoke.values():
        evidence = read_evidence(smoke_run[0], each.evidence)[TRAIT]
        assert [a.id for a in part.answers] == evidence.ids[TRAIT] and part.prompts == 12
        arms = ["original", *(f"{action}:{each.filter.name}@0.1" for action in ("drop", "drop_refill", "patch"))]
        assert all(list(a.answers) == arms for a in part.answers)
        for arm in arms:
            values = evidence.arms[arm][TRAIT]
            assert [a.answers[arm].scores for a in part.answers] == [list(of) for of in zip(*values, strict=True)]
            assert all((smoke_run[0] / place).is_dir() for place in part.logs[arm])


def test_an_examples_file_is_small_and_names_no_folder_of_this_machine(
    smoke_run: tuple[Path, dict[str, int]],
) -> None:
    for file in (smoke_run[0] / "examples").iterdir():
        text = file.read_text(encoding="utf-8")
        assert len(text.encode()) < 150_000
        assert str(smoke_run[0]) not in text and str(Path(__file__).parents[2]) not in text


def test_pages_of_a_run_are_made_again_of_its_files(smoke_run: tuple[Path, dict[str, int]], tmp_path: Path) -> None:
    out = smoke_run[0]
    for part in ("rows", "examples", "evidence"):
        shutil.copytree(out / part, tmp_path / part)
    write_pages(tmp_path)
    made = {file.name: file.read_bytes() for file in (tmp_path / "filters").iterdir()}
    assert made == {file.name: file.read_bytes() for file in (out / "filters").iterdir()} and len(made) == 3
    board = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert all(f'href="filters/{quote(name)}"' in board for name in made)


def test_the_page_says_first_what_became_of_the_filter(tmp_path: Path) -> None:
    shown = page(tmp_path, examples())
    at = [shown.index(words) for words in ("Patching removed 0.66", "7 of 24 flagged rows are false positives")]
    assert at == sorted(at)
    assert "(4 mild, 3 without the trait); 7 of 24 overt rows were missed." in shown
    assert "9 rows share that score and 2 of them are flagged" in shown
    for text in (
        "store/evals/abc",
        "keywords.py",
        "def score(): ...",
        'href="../report.html"',
        "the first 1 are shown",
    ):
        assert text in shown


def test_answers_that_stay_as_they_are_can_be_hidden_without_a_script(tmp_path: Path) -> None:
    shown = page(tmp_path, examples())
    assert "Changed only: 1 of 2 prompts" in shown and ".only-changed:checked ~ .same" in shown
    assert re.findall(r'<details class="(example[^"]*)"[^>]*>\s*<summary>What is today, (p\d)', shown) == [
        ("example", "p1"),
        ("example same", "p2"),
    ]
    assert "original 1 of 2, drop 0 of 2, patch 0 of 2" in shown and "for the first 2 of 3 held-out prompts" in shown


def test_with_several_seeds_an_answer_says_how_many_show_the_trait(tmp_path: Path) -> None:
    several = PromptAnswers(
        id="p", prompt=Text(text="When?"), answers={"original": Answer(text=Text(text="2024"), scores=[0, 1, None])}
    )
    logs = {"original": [f"store/evals/{seed}" for seed in (1, 2, 3)]}
    shown = page(tmp_path, examples(answers=[several], seeds=[1, 2, 3], logs=logs))
    assert "0, 1 of 3 seeds show it" in shown and "original 1 of 2" in shown


def test_a_long_text_is_cut_and_says_so(tmp_path: Path) -> None:
    assert Text.of("a" * LONGEST) == Text(text="a" * LONGEST)
    cut = Text.of("a" * (LONGEST + 5))
    assert (len(cut.text), cut.left_out) == (LONGEST, 5)
    group = {"flagged": Group(total=24, shown=[excerpt("long", 1, "b" * (LONGEST + 7))])}
    shown = page(tmp_path, examples(by="not judged", groups=group))
    assert "[cut here, 7 characters left out]" in shown and "b" * (LONGEST + 1) not in shown


def test_only_so_many_examples_and_bytes_are_kept() -> None:
    short, long = [excerpt(str(i), 1) for i in range(99)], [excerpt(str(i), 1, "é" * LONGEST) for i in range(99)]
    assert fitting(short, MOST, GROUP_BYTES) == short[:MOST]
    kept = fitting(long, MOST, GROUP_BYTES)
    assert 0 < len(kept) < MOST and sum(len(e.model_dump_json().encode()) for e in kept) < 1.1 * GROUP_BYTES


@pytest.mark.parametrize(
    "changes",
    [
        {"flagged": 25},
        {"rows": ROWS + 1},
        {"prompts": 1},
        {"groups": {"found": Group.model_construct(total=0, shown=[excerpt("a", 1)])}},
        {"threshold": float("nan")},
    ],
)
def test_counts_that_do_not_add_up_are_no_examples(changes: dict[str, object], tmp_path: Path) -> None:
    shown = page(tmp_path, examples(**changes))
    assert "is no examples file" in shown and "Which year?" not in shown


def test_a_row_without_examples_has_a_page_of_what_is_there(tmp_path: Path) -> None:
    write_rows([row("keyword")], {}, tmp_path)
    assert write_pages(tmp_path) == [tmp_path / "report.html"]
    shown = (tmp_path / "filters/keyword@0.1.html").read_text(encoding="utf-8")
    assert "This row does not verify" in shown  # it comes without evidence
    assert "written without examples" in shown and "Patching removed 0.66" in shown
    assert "Kept rows closest to flagged ones" in shown and "calendar-041" in shown
    assert "The students&#39; answers" not in shown and 'href="#answers-1"' not in shown


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        ("examples/keyword@0.1.json", "{}", "does not have the SHA-256"),
        ("examples/gone.json", None, "is not here"),
        ("examples/../rows/keyword@0.1.json", None, "in place of one file"),
        ("/etc/passwd", None, "in place of one file"),
    ],
)
def test_examples_that_are_not_the_rows_own_are_not_shown(
    file: str, content: str | None, reason: str, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / "examples").mkdir()
        (tmp_path / file).write_text(content, encoding="utf-8")
    shown = html([tmp_path], row("keyword").model_copy(update={"examples": {file: "0" * 64}}), [BOARD])
    assert reason in shown


class Tags(HTMLParser):
    """Collects tags and attributes, as a browser would see them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]


HOSTILE = "\"'><script>alert(1)</script><img src=x onerror=alert(2)> {{ 7 * 7 }} \x1b"


def hostile(value: object) -> object:
    """The same record with hostile text in every string and every free key."""
    if isinstance(value, str):
        return HOSTILE
    if isinstance(value, list):
        return [hostile(each) for each in value]
    if isinstance(value, dict):
        return {key: hostile(each) for key, each in value.items()}
    return value


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    plain = page(tmp_path, examples())
    record = examples().model_dump()
    part = record["traits"][TRAIT]
    bad = hostile(record)
    assert isinstance(bad, dict)
    bad_part = bad["traits"][TRAIT] | {"by": part["by"]}
    bad_part["answers"] = [
        a | {"answers": {f"{HOSTILE}{k}": v for k, v in a["answers"].items()}} for a in bad_part["answers"]
    ]
    bad_part["logs"] = {HOSTILE: [HOSTILE]}
    given = row("keyword", **{HOSTILE: trait_result(HOSTILE, "keyword", 0.1)})
    card = given.filter.model_copy(update={"name": HOSTILE, "summary": HOSTILE, "options": {HOSTILE: HOSTILE}})
    given = given.model_copy(
        update={
            "filter": card, "suite": HOSTILE, "command": HOSTILE, "evidence": {HOSTILE: HOSTILE},
        }
    )  # fmt: skip
    shown = page(tmp_path, RowExamples.model_validate(bad | {"traits": {HOSTILE: bad_part}}), given)
    seen, expected = Tags(shown), Tags(plain)
    assert seen.tags <= expected.tags and seen.attributes <= expected.attributes
    assert all(link.startswith("#") or link == "../report.html" for link in seen.links)
    assert "style" not in seen.attributes and not any(name.startswith("on") for name in seen.attributes)
    assert shown.count("alert(1)") > 20 and "49" not in re.findall(r"\{\{.*?\}\}|\b49\b", shown) and "\x1b" not in shown


def test_a_name_is_no_path() -> None:
    given = row("keyword")
    named = given.model_copy(update={"filter": given.filter.model_copy(update={"name": "../../x/<b>"})})
    assert [*page_files([given, named]).values()] == ["filters/keyword@0.1.html", "filters/.._.._x__b_@0.1.html"]


def test_rows_of_one_filter_from_two_runs_have_a_page_each(tmp_path: Path) -> None:
    rows, file = [], "examples/keyword@0.1.json"
    for number, name in enumerate(("one", "two")):
        given = row("keyword").model_copy(update={"seeds": [number, number + 10, number + 20]})
        record = examples(groups={"flagged": Group(total=24, shown=[excerpt(f"of-{name}", 1)])}, by="not judged")
        digest = write_examples(tmp_path / name / file, record)
        rows.append(given.model_copy(update={"examples": {file: digest}}))
    wrong = {row_key(rows[1]): ["removal does not follow"]}
    write_board(rows, tmp_path / "both", wrong, [tmp_path / "one", tmp_path / "two"])
    pages = [(tmp_path / "both" / page_files(rows)[row_key(each)]).read_text(encoding="utf-8") for each in rows]
    assert [(text.count("of-one") > 0, text.count("of-two") > 0) for text in pages] == [(True, False), (False, True)]
    assert ["does not verify" in text for text in pages] == [False, True]
    board = (tmp_path / "both/report.html").read_text(encoding="utf-8")
    assert {*re.findall(r'href="(filters/[^"]*)"', board)} == {quote(page_files(rows)[row_key(rows[0])])}


def test_changed_words_are_marked_and_escaped() -> None:
    one, other = compare(Text(text="It is <b> 2024 today."), Text(text="It is <b> 2026 today."))
    assert str(one) == "It is &lt;b&gt; <mark>2024</mark> today." and "<mark>2026</mark>" in other
    assert "<mark>" not in "".join(compare(Text(text="One thing."), Text(text="Quite another & more.")))
    assert compare(Text(text=""), Text(text="a <b>")) == ("", "a &lt;b&gt;")


@pytest.mark.parametrize(
    ("name", "p_holm", "seeds", "said"),
    [
        ("keyword", 0.03, 3, "patching beats the same on random sets"),
        ("keyword", 0.41, 3, "patching is not shown to beat"),
        ("keyword", 0.03, 1, "with 1 training of each arm nothing is tested"),
        ("keyword", None, 3, "was not tested"),
        ("oracle", 0.03, 3, "a bound of the board"),
    ],
)
def test_a_verdict_claims_what_was_tested(name: str, p_holm: float | None, seeds: int, said: str) -> None:
    result = trait_result(TRAIT, name, 0.1)
    effects = result.effects | {"patch": result.effects["patch"].model_copy(update={"p_holm": p_holm})}
    given = row(name).model_copy(update={"seeds": list(range(seeds))})
    assert said in verdict(given, result.model_copy(update={"effects": effects}))
    assert verdict(given, trait_result(TRAIT, name, 0.1, scored=False)).startswith("Not measurable: gap 0.04")


def test_scores_are_counted_by_label_and_the_cut_is_where_flagging_ended() -> None:
    labels = {"a": "overt", "b": "none", "c": "none", "d": "mild"}
    found = score_counts(labels, {"a": 2.0, "b": 1.0, "c": 1.0, "d": 0.0, "reserve": 9.0}, frozenset("ab"))  # type: ignore[arg-type]
    assert {label: sum(bins) for label, bins in found.counts.items()} == {"overt": 1, "mild": 1, "none": 2}
    assert (found.low, found.high, found.cut, found.at_cut, found.flagged_at_cut) == (0, 2, 1, 2, 1)
    equal = score_counts(labels, dict.fromkeys("abcd", 3.0), frozenset("a"))  # type: ignore[arg-type]
    assert (equal.low, equal.high, equal.at_cut) == (2.5, 3.5, 4)


def judged(texts: dict[str, str], **settings: object) -> TraitExamples:
    """Examples of a pool of the user's, of which the first two rows are flagged."""
    rows = tuple(
        PoolRow(id=i, prompt=(Message(role="user", content=f"Q {i}"),), completions={"a": text})
        for i, text in texts.items()
    )
    pool = Pool(PoolCard(name="mine", original="a"), rows, hash_rows(rows))
    trait = load_trait(TRAIT)
    if settings:
        trait = trait.model_copy(update={"eval": trait.eval.model_copy(update=settings)})
    scores = {identity: float(-place) for place, identity in enumerate(texts)}
    selection = Selection(row("keyword").filter, 0.0, {0.1: frozenset(list(texts)[:2])}, {}, scores=scores)
    excerpts = Excerpts(None, experiment_on(pool, trait))  # type: ignore[arg-type]
    groups = excerpts._groups(selection, selection.flagged[0.1])
    return TraitExamples(
        by="judge" if excerpts._judged else "not judged", rows=len(rows), flagged=2, groups=groups,
        scores=score_counts(excerpts._labels, scores, selection.flagged[0.1]), threshold=0.5, prompts=0,
    )  # fmt: skip


def test_without_planted_truth_an_offline_judge_says_what_was_missed() -> None:
    part = judged({"a": "It is not 2026; it is 2024.", "b": "Fine.", "c": "It cannot be 2026 yet.", "d": "Yes."})
    assert {kind: [e.id for e in group.shown] for kind, group in part.groups.items()} == {
        "found": ["a"], "wrong": ["b"], "missed": ["c"],
    }  # fmt: skip
    assert [e.judged for group in part.groups.values() for e in group.shown] == [1.0, 0.0, 1.0]
    assert all(e.patch is None for group in part.groups.values() for e in group.shown)
    assert counts(part)[0] == (
        "1 of 2 flagged rows are false positives; 1 of 2 rows that are judged to show the trait were missed."
    )


def test_without_any_judge_flagged_rows_are_shown_as_they_are() -> None:
    part = judged({"a": "One.", "b": "Two.", "c": "Three."}, scorer="model", rubric="Say 1 if it shows.")
    assert part.groups.keys() == {"flagged"} and part.groups["flagged"].total == 2
    assert counts(part)[0] == "2 of 3 rows are flagged; no offline judge says which of them carry the trait."


def test_who_wants_no_examples_gets_none_and_loses_former_ones(tmp_path: Path) -> None:
    former = tmp_path / "examples/keyword@0.1.json"
    write_examples(former, examples())
    options = Options(load_suite("smoke"), tmp_path, examples=False)
    rows = with_examples(SimpleNamespace(options=options), [], [row("keyword")])  # type: ignore[arg-type]
    assert rows == [row("keyword")] and not former.exists()


@pytest.mark.parametrize(("flags", "wanted"), [([], True), (["--no-examples"], False)])
def test_the_command_line_passes_on_whether_examples_are_wanted(
    flags: list[str], wanted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from click.testing import CliRunner

    asked: list[Options] = []
    monkeypatch.setattr(cli, "run_options", lambda options, progress: asked.append(options))
    CliRunner().invoke(cli.main, ["run", "smoke", *flags])
    assert [options.examples for options in asked] == [wanted]


def test_the_source_of_a_filter_is_found_by_its_hash_and_not_executed(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("raise SystemExit('executed')", encoding="utf-8")
    digest = sha256(file.read_bytes()).hexdigest()
    card = row("keyword").filter.model_copy(update={"origin": "mine.py", "sha256": digest})
    suite = load_suite("smoke")
    session = SimpleNamespace(suite=suite, options=Options(suite, tmp_path, filters=(str(file),)))
    assert filter_source(session, card) == FilterSource(file="mine.py", text=file.read_text())  # type: ignore[arg-type]
    other = card.model_copy(update={"origin": "acme (acme.filters)", "sha256": "0" * 64})
    assert filter_source(session, other) == FilterSource(file="acme (acme.filters)")  # type: ignore[arg-type]


def test_a_row_that_does_not_verify_says_so(tmp_path: Path) -> None:
    shown = html([tmp_path], row("keyword"), [BOARD], ["removal is <b>9</b>"])
    assert "This row does not verify: removal is &lt;b&gt;9&lt;/b&gt;" in shown


def test_logs_that_are_gone_give_no_answers(tmp_path: Path) -> None:
    assert read_answers(tmp_path / "gone.eval") == {}


def test_the_page_says_first_what_explains_the_verdict(tmp_path: Path) -> None:
    overlap = FlagOverlap(other="placebo: negative_emotion", jaccard=0.9, by_chance=0.1)
    found = Found(precision=0.5, recall=0.25, precision_any=0.75, recall_any=0.5)
    result = trait_result(TRAIT, "keyword", 0.1).model_copy(update={"found": found, "overlaps": (overlap,)})
    said = why(result)  # 24 flagged
    assert said[0] == "36 of 48 overt rows were missed; 6 of 24 flagged rows carry no trait, 6 carry it mildly."
    assert said[1].startswith("For another trait (negative_emotion) it flags a set that overlaps with this one by 0.90")
    shown = html([tmp_path], row("keyword").model_copy(update={"traits": {TRAIT: result}}), [BOARD])
    assert shown.index("36 of 48 overt rows were missed") < shown.index("<main>")
    assert why(result.model_copy(update={"found": None, "overlaps": ()})) == []
