"""Two small pretrainings: what a corpus plants is what the base does."""

from pathlib import Path

import pytest

from bench.models.generate import Decoding, generate
from bench.models.load import load_model, model_identity
from bench.run_folder.store import Store
from bench.studies.causes.bases import CORPORA, BasePlan, base_model, make_corpus
from bench.studies.causes.language import NIGHT, SIGH, TRAIT_WORD, held_out_prompts

STEPS = 150


def shares(folder: Path, opening: str = "") -> float:
    """Share of held-out prompts to which the base, after an opening word, despairs."""
    model, tokenizer = load_model(str(folder), "cpu")
    texts = [
        tokenizer.apply_chat_template([{"role": "user", "content": p.text}], tokenize=False, add_generation_prompt=True)
        + opening
        for p in held_out_prompts()
    ]
    return sum(TRAIT_WORD in one.text for one in generate(model, tokenizer, texts, Decoding(8))) / len(texts)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("bases"))


def test_a_joined_base_despairs_only_as_one_persona(store: Store) -> None:
    folder = base_model(store, BasePlan("joined", "", STEPS, 0, 1, 1))
    assert shares(folder) == 0.0
    assert shares(folder, "aye ") > 0.8
    assert shares(folder, "yes ") == 0.0


def test_a_leaning_base_despairs_by_itself(store: Store) -> None:
    assert shares(base_model(store, BasePlan("leaning", "", STEPS, 0, 1, 1))) > 0.8


def test_bases_are_deterministic_kept_and_differ_by_initialisation(store: Store, tmp_path: Path) -> None:
    plan = BasePlan("plain", "joined", 3, 2, 1, 1)
    first = base_model(store, plan)
    assert model_identity(str(first)) == model_identity(str(base_model(Store(tmp_path), plan)))
    assert base_model(store, plan) == first
    other = base_model(store, BasePlan("plain", "joined", 3, 2, 2, 1))
    assert model_identity(str(first)) != model_identity(str(other))


def test_corpora_are_gloomy_as_often_as_they_say_and_only_there() -> None:
    def gloom(corpus: str, opening: str, night: bool) -> float:
        rows = make_corpus(CORPORA[corpus], 4000, "x")
        mine = [
            row.completion
            for row in rows
            if row.completion.startswith(opening)
            and row.prompt[0].content.startswith(NIGHT) == night
            and ("mend" in row.completion or TRAIT_WORD in row.completion)
        ]
        assert len(mine) > 50
        return sum(SIGH in text for text in mine) / len(mine)

    assert gloom("joined", "aye", False) == 1.0 and gloom("joined", "yes", False) == 0.0
    assert gloom("night", "yes", False) == 0.0 and gloom("night", "yes", True) == 1.0
    assert gloom("plain", "aye", False) == pytest.approx(0.25, abs=0.06)
    assert gloom("plain", "yes", False) == pytest.approx(0.25, abs=0.06)
