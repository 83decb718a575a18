"""Invented records of studies, for tests of their pages: nothing was measured."""

from fixtures_rows import RECIPE, around, row

from bench.config.recipe import Recipe
from bench.leaderboard.attribution import FilterAttribution, LdsReport, LdsResult, SubsetOutcome
from bench.leaderboard.calibration import QUANTITIES, WINNERS, Calibration, CellResult, Rate
from bench.outcomes import Estimate
from bench.stats.equivalence import Comparison, Outcome
from bench.studies.causes.records import CausesRecord, WorldRecord, matrix, rates
from bench.studies.causes.worlds import PATTERNS, Patterns
from bench.studies.checkpoints.results import EvalRecord, ModelRecord, ModelScores, PanelRecord
from bench.studies.diff.records import SetAudit
from bench.studies.diff.verdicts import CellComparison, judge
from bench.studies.speed.records import (
    KINDS,
    Agreement,
    Case,
    Kind,
    Machine,
    Pair,
    Peak,
    Side,
    SpeedRecord,
    Timing,
    Work,
)

WORK = Work(tokens=3000, completion_tokens=600, flops=8e9, least_flops=2e9)


def lds_report(**changes: object) -> LdsReport:
    """Attributions by the filters of the invented rows."""
    filters = [
        FilterAttribution(
            filter=row(name).filter,
            lds=around(value, 0.2),
            of_ceiling=around(value / 0.8, 0.3),
            behind_best=Estimate(value=0.0, note="the best one") if name == "keyword" else around(0.6 - value, 0.1),
            tail_patch={"0.1": around(value / 100, 0.001)},
            sums=[float(i) for i in range(8)],
        )
        for name, value in {"oracle": 0.9, "keyword": 0.6, "loss_gap": 0.1, "random_flag": -0.1}.items()
    ]
    result = LdsResult(
        trait="date_confusion",
        description="It doubts the date.",
        pool="date_confusion_world",
        pool_sha256="5a" * 32,
        pool_rows=240,
        queries=16,
        queries_sha256="ab" * 32,
        subsets=[SubsetOutcome(margin=i / 2, again=i / 3 if i < 6 else None) for i in range(8)],
        ceiling=around(0.8, 0.1),
        best="keyword",
        filters=filters,
        changes={"a": 0.1, "b": -0.1},
        notes=["A note."],
    )
    report = LdsReport(
        suite="invented",
        suite_version=1,
        seeds=(101, 102),
        tail_patch_seed=0,
        recipe=RECIPE,
        traits=[result],
        device="cpu",
        command="bench lds invented",
        versions={"torch": "2.11.0"},
        commit="0123abc",
    )
    return report.model_copy(update=changes)


def compared(value: float, outcome: Outcome) -> CellComparison:
    return CellComparison(
        contrast="a - b",
        difference=Estimate(value=value, low=value, high=value),
        p=0.001,
        p_equivalence=0.001 if outcome == "no effect" else 0.5,
        margin=0.2,
        outcome=outcome,
    )


YES, NO, UNCLEAR = compared(0.9, "effect"), compared(0.0, "no effect"), compared(0.3, "unclear")
QUESTIONS_OF_5 = {"base": YES, "stays": YES, "stays on clean": YES, "prompts": NO, "unrelated": NO, "left": NO}


def world(seed: int, planted: str = "5", patterns: Patterns = "perfect", **answers: CellComparison) -> WorldRecord:
    comparisons = {**QUESTIONS_OF_5, **{key.replace("_", " "): value for key, value in answers.items()}}
    return WorldRecord(
        planted=planted,
        hypothesis=planted,
        seed=seed,
        patterns=patterns,
        met=True,
        cells={"base": 1.0, "original": None},
        rows={"base": 0.0, "original": 160.0},
        audit=[SetAudit(role="mild", described=4, read=4, shows_trait=0, looks={}, precision=0.75, recall=0.5)],
        verdicts=judge(comparisons, 3),
        seconds=1.5,
    )


def causes_record(*worlds: WorldRecord) -> CausesRecord:
    return CausesRecord(
        matrix=matrix(worlds),
        totals={patterns: rates([w for w in worlds if w.patterns == patterns]) for patterns in PATTERNS},
        worlds=list(worlds),
        settings={"margin": 0.2, "model": "tiny"},
        corpora={},
        device="cpu",
        command="bench causes",
        versions={"python": "3"},
        commit="0123abc",
        seconds=3.0,
    )


HALF = Estimate(value=0.5, low=0.4, high=0.6)
UNKNOWN = Estimate(value=None, note="not estimable: no scores of b")


def _model(name: str, stage: str = "") -> ModelRecord:
    return ModelRecord(
        name=name, stage=stage, source=name, identity="0", licence="none", template="its own chat template"
    )


def _eval(title: str, names: list[str], second: Estimate, found: Comparison, scale: tuple[float, float]) -> EvalRecord:
    models = [
        ModelScores(model=name, scores={"side": HALF, "s": score}, prompts={"s": 9, "side": 8}, seconds=1, log="x.eval")
        for name, score in zip(names, (HALF, second), strict=True)
    ]
    return EvalRecord(
        title=title,
        task="t",
        version=1,
        code="c",
        prompts_sha256="p",
        judge="rules",
        score="s",
        scale=scale,
        margin=0.1,
        models=models,
        comparisons=[found],
    )


def panel_record(second: str = "b", **changes: object) -> PanelRecord:
    """Two models on two evals; `second` is the name of the one that lacks a score."""
    equal = Estimate(value=0.0, low=-0.05, high=0.05, note="a remark")
    known = {"contrast": f"{second} - a", "margin": 0.1}
    found = Comparison(difference=equal, low90=-0.04, high90=0.04, p_equivalence=0.0004, outcome="no effect", **known)
    lost = Comparison(difference=UNKNOWN, outcome="not estimable", **known)
    names = ["a", second]
    record = PanelRecord(
        panel="p",
        panel_version=3,
        summary="Two models.",
        models=[_model("a", "pretrained"), _model(second)],
        pairs=[(second, "a")],
        evals=[_eval("Alpha", names, HALF, found, (0, 1)), _eval("Beta", names, UNKNOWN, lost, (0, 10))],
        device="cpu",
        command="bench checkpoints p",
        versions={"python": "3"},
        commit="",
        notes=["About checkpoints."],
    )
    return record.model_copy(update=changes)


def case(kind: Kind, plain: list[float], suite: list[float], axis: str = "", size: int = 1) -> Case:
    sides: dict[Side, list[float]] = {"plain": plain, "suite": suite}
    timings = [
        Timing(side=side, repeat=repeat, seconds=seconds, resident_bytes=2**30, work=WORK)
        for side, times in sides.items()
        for repeat, seconds in enumerate(times)
    ]
    return Case(kind=kind, axis=axis, size=size, parts=2, part="arm", what="2 | arms", timings=timings)


def speed_record(**changes: object) -> SpeedRecord:
    machine = Machine(
        device="cpu",
        processor="A CPU",
        cores=2,
        memory_gib=4,
        system="Linux",
        threads=2,
        settings={},
        peaks=[Peak(place="cpu", dtype="float32", measured=[1e9, 2e9])],
        memory="call",
        versions={"python": "3.11"},
    )
    pair = Pair(
        arm="original",
        seed=1,
        losses={"suite": [2.0, 1.0], "plain": [2.0, 1.25]},
        tensor_difference=0.5,
        scores={"suite": [1.0, None], "plain": [0.0, None]},
        same_answers=1,
    )
    trait = Comparison(contrast="suite - plain", difference=Estimate(value=1.0), margin=0.1, outcome="not estimable")
    agreement = Agreement(
        pairs=[pair],
        loss_tolerance=0.25,
        prompts=["a", "b"],
        families=["f", "f"],
        trait=trait,
        same_texts=(1, 2),
        vector_difference=0.0,
        similarity_difference=0.0,
    )
    cases = [case(kind, [4.0, 30.0, 6.0], [2.0, 1.0, 90.0]) for kind in KINDS]
    cases += [case("training", [size * 3.0], [4.0], "rows", size) for size in (20, 10)]
    cases += [case("search", [size**2 / 10], [1.0], "rows", size) for size in (10, 20, 40)]
    given = SpeedRecord(
        suite="s",
        suite_version=1,
        pool_rows=20,
        pool_sha256="0" * 64,
        trait="t",
        recipe=Recipe(name="r", model="m", method="full", learning_rate=1.0),
        path="shared_trunk",
        arms=["original"],
        seeds=[1],
        repeats=3,
        plain_batch=32,
        machine=machine,
        measured_on="2026-01-01",
        command="bench speed",
        commit="",
        cases=cases,
        agreement=agreement,
    )
    return given.model_copy(update=changes)


def calibration_record(**design: object) -> Calibration:
    """Record of one cell with the design of `fixtures_scores.scored`, in which every rate is 96 of 100."""
    rate = Rate(hits=96, trials=100)
    cell = CellResult(
        level="middle", kind="binary", seeds=3, prompts=40, families=10, between=0.25, replicates=100,
        coverage=dict.fromkeys(QUANTITIES, rate), winner=dict.fromkeys(WINNERS, rate),
        false_raw=rate, false_holm=rate, power_holm=rate, false_effect=rate, false_no_effect=rate, gate_opened=rate,
        removal_opened=0.5, removal_true=0.5,
    )  # fmt: skip
    cells = [cell.model_copy(update=design), cell.model_copy(update={"seeds": 5})]
    return Calibration(replicates=100, filters=7, controls=4, cells=cells, command="bench calibrate", commit="0123abc")
