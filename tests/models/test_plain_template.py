"""Models without a chat template: plain turns, and answers that end where the next turn begins."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from inspect_ai import Task
from inspect_ai import eval as run_task
from inspect_ai.dataset import Sample
from inspect_ai.model import GenerateConfig, get_model
from inspect_ai.scorer import includes
from inspect_ai.solver import generate as answer

from bench.errors import BenchError
from bench.evaluation.provider import answering
from bench.models.encode import PLAIN_STOPS, PLAIN_TEMPLATE, encode
from bench.models.engine import StudentEngine
from bench.models.generate import Decoding, generate
from bench.models.load import load_model, resolve_model
from bench.models.packaged import TINY
from bench.records import Message, TrainingRow
from bench.studies.checkpoints.models import OWN_TEMPLATE, PLAIN, find_source, in_memory
from bench.studies.checkpoints.panel import ModelEntry

PROMPT = "Say something."


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """The tiny model without its chat template."""
    folder = tmp_path / "bare"
    shutil.copytree(resolve_model(TINY), folder)
    (folder / "chat_template.jinja").unlink()
    return folder


@pytest.fixture(scope="module")
def tiny() -> tuple[Any, Any]:
    return load_model(TINY, "cpu")


def test_turns_are_plain(bare: Path) -> None:
    _, tokenizer = load_model(str(bare), "cpu", plain_template=True)
    turns = [{"role": role, "content": text} for role, text in (("system", "Be kind."), ("user", "Hi"))]
    text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    assert text == "System: Be kind.\n\nUser: Hi\n\nAssistant:"
    tokenizer.bos_token = "<|endoftext|>"
    assert tokenizer.apply_chat_template(turns, tokenize=False).startswith("<|endoftext|>System: Be kind.")


def test_a_completion_leaves_the_prompt_a_prefix(bare: Path) -> None:
    _, tokenizer = load_model(str(bare), "cpu", plain_template=True)
    row = encode(tokenizer, TrainingRow("r", (Message(role="user", content="Hi"),), "Hello there."), 100)
    assert tokenizer.decode(row.ids[row.prompt_length :]).strip() == "Hello there."


def test_a_template_of_its_own_is_kept(tiny: tuple[Any, Any]) -> None:
    _, tokenizer = load_model(TINY, "cpu", plain_template=True)
    assert tokenizer.chat_template == tiny[1].chat_template != PLAIN_TEMPLATE


def test_training_still_refuses_a_model_without_a_template(bare: Path) -> None:
    with pytest.raises(BenchError, match="no chat template"):
        load_model(str(bare), "cpu")


def test_the_record_says_how_prompts_were_rendered(bare: Path) -> None:
    from bench.evaluation.provider import _STUDENTS

    for model, words, stops in ((str(bare), PLAIN, PLAIN_STOPS), (TINY, OWN_TEMPLATE, ())):
        with in_memory(find_source(ModelEntry(name="m", model=model), Path()), "cpu") as (name, template):
            assert template == words
            assert _STUDENTS[name.removeprefix("sieve/")].stops == stops


def said(tiny: tuple[Any, Any], *stops: str) -> Any:
    """Two sampled answers; greedily the tiny model says next to nothing."""
    return generate(*tiny, [PROMPT, "Another."], Decoding(40, 1.0, stops), [5, 6])


def test_an_answer_ends_before_the_first_stop_text_and_others_go_on(tiny: tuple[Any, Any]) -> None:
    first, second = said(tiny)
    early, late = first.text[10:14], first.text[40:44]
    assert early.isascii() and len(early) == len(late) == 4 and early not in second.text
    cut, other = said(tiny, late, early)
    assert cut.text == first.text[:10].strip() and cut.stopped and cut.tokens < first.tokens
    assert other.text == second.text.split(late)[0].strip()
    assert said(tiny, "never said") == [first, second]


def test_stop_sequences_of_an_eval_are_kept(tiny: tuple[Any, Any], tmp_path: Path) -> None:
    def answered(name: str, stops: list[str] | None) -> str:
        config = GenerateConfig(max_tokens=40, temperature=1.0, seed=1, stop_seqs=stops)
        task = Task([Sample(input=PROMPT, target="x")], solver=answer(), scorer=includes(), config=config)
        log = run_task(
            task, model=get_model(name, memoize=False), display="none", log_dir=str(tmp_path), score_display=False
        )[0]
        assert log.samples
        return log.samples[0].output.completion

    with answering(StudentEngine(*tiny), ["stopping"], tiny[1]) as (name,):
        whole = answered(name, None)
        assert len(whole) > 40
        assert answered(name, [whole[20:24]]) == whole[:20].strip()
