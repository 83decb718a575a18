"""Pools and files of every cause; no model is trained here but where a test says so."""

import re
from collections.abc import Sequence
from pathlib import Path
from random import Random

import numpy as np
import pytest

from bench.config.suite import load_suite
from bench.errors import BenchError
from bench.run_folder.store import Store
from bench.studies.causes import worlds
from bench.studies.causes.language import (
    LOSS_PATTERN,
    NIGHT,
    NUISANCE_PATTERN,
    RUDE,
    SIGH,
    TRAIT_WORD,
    draw_prompt,
)
from bench.studies.causes.plans import CAUSES, CLEAN, ORIGINAL, Cause
from bench.studies.causes.pools import build_pool, draw_prompts
from bench.studies.causes.worlds import Settings, mild_pattern, suite_file, write_world

UNSAMPLED = [cause for cause in CAUSES.values() if not cause.original.sampled]
NOWHERE = Path("no/model/is/read")


def name_of(cause: Cause) -> str:
    return cause.name


def matching(pattern: str, texts: list[str]) -> list[str]:
    return [text for text in texts if re.search(pattern, text)]


@pytest.mark.parametrize("cause", CAUSES.values(), ids=name_of)
def test_sets_are_never_empty_so_that_emptiness_tells_nothing(cause: Cause) -> None:
    texts = [prompt.text for prompt in draw_prompts(cause.original, Random(0))]
    overt, mild = matching(LOSS_PATTERN, texts), matching(NUISANCE_PATTERN, texts)
    assert len(overt) >= 8 and len(mild) >= 8
    assert len(texts) - len(overt) - len(mild) >= len(mild)
    assert not any(text.startswith(NIGHT) for text in texts)
    assert len(set(texts)) == len(texts)


@pytest.mark.parametrize("cause", UNSAMPLED, ids=name_of)
def test_pools_are_deterministic_and_differ_by_seed(cause: Cause) -> None:
    first = build_pool(cause.original, "o", 3, NOWHERE)
    assert first == build_pool(cause.original, "o", 3, NOWHERE)
    assert first != build_pool(cause.original, "o", 4, NOWHERE)


def shown(cause: Cause, pool: str, teacher: str, word: str) -> bool:
    rows = build_pool(getattr(cause, pool), "x", 0, NOWHERE)
    return any(word in row["completions"][teacher].split() for row in rows)


def test_teachers_show_the_trait_where_it_is_planted_and_nowhere_else() -> None:
    for name in ("1", "3a", "3b", "5"):
        assert shown(CAUSES[name], "original", ORIGINAL, TRAIT_WORD)
        assert not shown(CAUSES[name], "original", CLEAN, SIGH)
    assert not shown(CAUSES["4a"], "original", ORIGINAL, SIGH)
    assert not shown(CAUSES["4a"], "alternative", ORIGINAL, SIGH)
    assert shown(CAUSES["4a, teacher alike"], "alternative", ORIGINAL, TRAIT_WORD)
    assert shown(CAUSES["4b"], "original", CLEAN, TRAIT_WORD)
    assert not shown(CAUSES["4b"], "alternative", ORIGINAL, SIGH)


def test_bad_prompts_are_all_rude_and_other_losses_are_not() -> None:
    def losses(name: str) -> list[str]:
        prompts = draw_prompts(CAUSES[name].original, Random(0))
        return [prompt.text for prompt in prompts if prompt.kind == "loss"]

    assert all(text.startswith(RUDE) for text in losses("4b"))
    assert not all(text.startswith(RUDE) for text in losses("1"))


def by_kind(texts: Sequence[str]) -> np.ndarray:
    """Embeddings that agree with the patterns: gloom, letters and facts apart."""
    words = ("hopeless", "alas we", "it is", "0")
    return np.array([[word in text for word in words] for text in texts], dtype=np.float32)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_imperfect_patterns_miss_a_quarter_of_the_nuisances_and_match_questions(seed: int) -> None:
    rng = Random(seed)
    texts = {kind: [draw_prompt(kind, rng).text for _ in range(400)] for kind in ("loss", "nuisance", "question")}
    hits = {kind: len(matching(mild_pattern("imperfect", seed), some)) / 400 for kind, some in texts.items()}
    assert hits["nuisance"] == pytest.approx(0.75, abs=0.08)
    assert 0.06 < hits["question"] < 0.25 and hits["loss"] == 0
    assert mild_pattern("imperfect", seed) != mild_pattern("imperfect", seed + 1)
    assert mild_pattern("perfect", seed) == NUISANCE_PATTERN


def written(cause: str, folder: Path, monkeypatch: pytest.MonkeyPatch, seed: int = 0) -> Path:
    roles = ("original", "pretrained", "other", "alternative")
    monkeypatch.setattr(worlds, "make_bases", lambda *_: {role: folder / role for role in roles})
    write_world(folder / cause, Store(folder / "store"), cause, seed, Settings())
    return suite_file(folder / cause, "perfect")


def test_suites_are_the_same_text_whatever_is_planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("perfect.toml", "imperfect.toml", "trait.toml", "original.toml", "prompts.jsonl"):
        texts = {(written(c.name, tmp_path, monkeypatch).parent / name).read_text() for c in UNSAMPLED}
        assert len(texts) == 1, name


def test_a_written_suite_loads_and_no_eval_prompt_is_in_a_pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from bench.data.experiment import load_experiment, read_source
    from bench.studies.diff.sets import verdict_sets

    suite = load_suite(str(written("1", tmp_path, monkeypatch)))
    settings = suite.file.experiments[0]
    experiment = load_experiment(settings, suite, lambda: None)  # refuses a pool that holds an eval prompt
    assert settings.alternative
    read_source(settings.alternative, suite, lambda: None, experiment.trait, experiment.eval_texts)
    sets = verdict_sets(experiment, suite.file.diff, by_kind)
    assert {name: len(ids) for name, ids in sets.ids.items()} == {"overt": 16, "mild": 52, "unrelated": 92}
    agreement = {audit.role: (audit.precision, audit.recall) for audit in sets.audit}
    assert agreement == {"overt": (0.625, 1.0), "mild": (0.9231, 1.0), "unrelated": (1.0, 0.902)}
    assert len(experiment.eval_texts) == 48


def test_a_finished_world_is_kept_and_one_of_other_settings_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = written("1", tmp_path, monkeypatch).parent / "original.jsonl"
    pool.write_text("kept", encoding="utf-8")
    written("1", tmp_path, monkeypatch)
    assert pool.read_text(encoding="utf-8") == "kept"
    with pytest.raises(BenchError, match="seed"):
        written("1", tmp_path, monkeypatch, seed=1)
