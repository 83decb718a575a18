"""Answering held-out prompts on both sides: `model.generate` in batches, against what an evaluation does.

Both decode greedily, to the same number of new tokens, with the same students and the same stop tokens. Counted:
tokenising the prompts, reading them, decoding, and turning tokens into text. Loading the students and Inspect's own
work are not.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.studies.speed import measure
from bench.studies.speed.flops import answering_work, shape_of
from bench.studies.speed.records import Side, counted
from bench.studies.speed.station import Station

PLAIN_BATCH = 32  # prompts at a time in the plain loop: what Inspect's own Hugging Face provider takes


@dataclass(frozen=True)
class Questions:
    """Held-out prompts as a student is asked them.

    Attributes:
        texts: Rendered with the chat template.
        max_tokens: Longest answer.
    """

    texts: tuple[str, ...]
    max_tokens: int

    def first(self, count: int) -> "Questions":
        """The first so many."""
        return Questions(self.texts[:count], self.max_tokens)


@dataclass(frozen=True)
class Answered(measure.Done):
    """The answers of some students, each in the order of the prompts."""

    texts: list[list[str]]


def answer_plain(station: Station, students: Sequence[Path], questions: Questions) -> Answered:
    """A loop over students and batches with transformers' `generate`."""
    import torch

    from bench.models.student import load_student

    base, tokenizer = station.base()
    seconds, texts, counts = 0.0, [], []
    for folder in students:
        model = load_student(base, station.recipe, folder)
        ends = _end_tokens(model, tokenizer)
        start = time.perf_counter()
        answers: list[list[int]] = []
        for at in range(0, len(questions.texts), PLAIN_BATCH):
            batch = list(questions.texts[at : at + PLAIN_BATCH])
            read = tokenizer(batch, add_special_tokens=False, padding=True, padding_side="left", return_tensors="pt")
            read = read.to(model.device)
            with torch.inference_mode():
                out = model.generate(
                    **read,
                    max_new_tokens=questions.max_tokens,
                    do_sample=False,
                    eos_token_id=ends,
                    pad_token_id=tokenizer.pad_token_id,
                )
            answers += [_to_end(row, ends) for row in out[:, read["input_ids"].shape[1] :].tolist()]
        texts.append([tokenizer.decode(answer, skip_special_tokens=True).strip() for answer in answers])
        seconds += time.perf_counter() - start
        counts.append([len(answer) for answer in answers])
    return _answered(station, questions, seconds, texts, counts)


def answer_suite(station: Station, students: Sequence[Path], questions: Questions) -> Answered:
    """The students as evaluations ask them, from empty trunk states: all at once on a GPU, else one after another."""
    from bench.models.generate import Request

    trainer = station.fresh_bench().trainer
    together = trainer.path == "stacked" and station.device != "cpu"
    seconds, made = 0.0, []
    for group in [students] if together else [[folder] for folder in students]:
        engine = trainer.engine(group, [folder.name for folder in group])
        start = time.perf_counter()
        rows = [tuple(trainer.base()[1](text, add_special_tokens=False)["input_ids"]) for text in questions.texts]
        every = [Request(folder.name, row, 0) for folder in group for row in rows]
        for at in range(0, len(every), engine.rows_at_once):
            batch = every[at : at + engine.rows_at_once]
            made += engine.generate(batch, max_tokens=questions.max_tokens, temperature=0.0, stops=())
        seconds += time.perf_counter() - start
    each = len(questions.texts)
    answers = [made[i : i + each] for i in range(0, len(made), each)]
    texts, counts = [[one.text for one in some] for some in answers], [[one.tokens for one in some] for some in answers]
    return _answered(station, questions, seconds, texts, counts)


CALLS: dict[Side, Callable[..., Answered]] = {"plain": answer_plain, "suite": answer_suite}


def asks(students: Sequence[Path], questions: Questions, repeats: int) -> list[measure.Ask[Answered]]:
    """What is measured: all students on all prompts, then how each side grows with prompts and students."""
    whole = len(questions.texts)
    small = max(whole // 4, 1)

    def ask(axis: str, size: int, chosen: Sequence[Path], prompts: int, repeats: int = 1) -> measure.Ask[Answered]:
        many = f"{counted(len(chosen), 'student')}, {counted(prompts, 'prompt')} each"
        what = f"{many}, {questions.max_tokens} new tokens at most"
        arguments = (list(chosen), questions.first(prompts))
        return measure.Ask("generation", what, CALLS, arguments, len(chosen), "student", axis, size, repeats)

    made = [ask("", 1, students, whole, repeats)]
    made += [ask("prompts", n, students[:1], n) for n in sorted({small, max(whole // 2, small), whole})]
    made += [ask("students", n, students[:n], small) for n in (1, 2, 4, 8) if n <= len(students)]
    return made


def warm_up(students: Sequence[Path], questions: Questions) -> measure.Ask[Answered]:
    """Two prompts, so that libraries are loaded."""
    return measure.Ask("generation", "warm-up", CALLS, (list(students[:1]), questions.first(2)))


def _end_tokens(model: Any, tokenizer: Any) -> list[int]:
    """The tokens that end an answer: those of the model and the tokenizer's own, as in `bench.models.generate`."""
    configured = model.generation_config.eos_token_id
    listed = configured if isinstance(configured, list) else [configured]
    return sorted({token for token in [*listed, tokenizer.eos_token_id] if token is not None})


def _to_end(answer: list[int], ends: Sequence[int]) -> list[int]:
    """An answer to its first end token, without the padding behind it."""
    stop = next((i for i, token in enumerate(answer) if token in ends), len(answer))
    return answer[: stop + 1]


def _answered(
    station: Station, questions: Questions, seconds: float, texts: list[list[str]], counts: list[list[int]]
) -> Answered:
    base, tokenizer = station.base()
    prompts = [tuple(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in questions.texts]
    return Answered(seconds, answering_work(shape_of(base, station.recipe), prompts, counts), texts)
