"""How often a teacher itself shows a trait: it answers the held-out prompts as it answered those of the pool.

The action `regenerate` puts a teacher's completions in, and this is said before anything is trained on them.
"""

import json
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bench.data.edit import with_system
from bench.data.experiment import Experiment
from bench.data.prompts import read_prompts
from bench.errors import BenchError
from bench.evaluation.judging import score_answers
from bench.execution.session import Session
from bench.files import read_json
from bench.records import PoolRow
from bench.secrets import REDACTED
from bench.studies.rollouts.pool_file import read_provenance
from bench.studies.rollouts.records import Answer, Settings, question_of
from bench.studies.rollouts.teachers import make_teacher

TEACHERS = "teachers"  # kind of work in the store
CONNECTIONS = 16
SHOWN_ROWS = 10
log = logging.getLogger("bench")


def measure_teacher(session: Session, experiment: Experiment, teacher: str) -> None:
    """Measure a teacher's own trait rate, note it, and enter its answers beside those of the other teachers.

    Args:
        session: Its store keeps the answers.
        experiment: On a pool of the user's.
        teacher: Its completions stand in every row of the pool, and `bench rollouts` wrote them.

    Raises:
        BenchError: If completions are missing, or it is not known how they were made, or the trait has no judge that
            works offline.
    """
    settings = _settings(session, experiment, teacher)
    texts = _answers(session, experiment, settings)
    own = {identity: (prompt, texts[identity]) for identity, prompt in _prompt_texts(experiment).items()}
    pool = [(e.prompt_text, e.completions[teacher]) for e in experiment.pool.examples()]
    rates = []
    for answers in (list(own.values()), pool):
        scores = score_answers(experiment.trait, answers, experiment.measurement.judge)
        if scores is None:
            raise BenchError(
                f"action 'regenerate' with teacher {teacher!r}",
                seen=f"trait {experiment.name!r}, which a model alone can judge",
                expected="a trait with a judge that works offline, to measure the teacher's own rate first",
                remedy="leave 'regenerate' out for this trait",
            )
        rates.append(f"{100 * np.mean(np.array(scores) >= experiment.trait.eval.threshold):.0f} %")
    experiment.answers[teacher] = own
    note = (
        f"{experiment.name}: teacher {teacher!r}, whose completions regenerate puts in, itself shows the trait in "
        f"{rates[0]} of its answers to {len(own)} held-out prompts, and in {rates[1]} of its completions of the pool, "
        "judged offline"
    )
    experiment.notes.append(note)
    log.warning(note)


def _settings(session: Session, experiment: Experiment, teacher: str) -> Settings:
    """Return what the teacher's completions were made with, on this session's device."""
    source, missing = experiment.settings.pool, [r.id for r in experiment.pool.rows if teacher not in r.completions]
    file = source.path if source and isinstance(source.path, str) else ""  # joined files come from no rollout
    path = session.suite.folder / Path(file).expanduser()
    made = read_provenance(path).of(teacher) if path.is_file() else None
    if made is None or missing:
        rows = ", ".join(missing[:SHOWN_ROWS]) + (" and more" if len(missing) > SHOWN_ROWS else "")
        raise BenchError(
            f"action 'regenerate' with teacher {teacher!r}",
            seen=f"rows without its completion: {rows}" if missing else "completions that no rollout wrote",
            expected="a pool file with this teacher's completions by `bench rollouts`, which notes how they were made",
            remedy=f"run bench rollouts POOL.jsonl --teacher {teacher}",
        )
    args = {name: value for name, value in made.settings.args.items() if value != REDACTED}  # from the environment now
    return made.settings.model_copy(update={"device": session.device if made.settings.device else "", "args": args})


def _prompt_texts(experiment: Experiment) -> dict[str, str]:
    prompts = read_prompts(experiment.trait.prompts, experiment.settings.eval_prompts)
    return {prompt["id"]: text for prompt, text in zip(prompts, experiment.eval_texts, strict=True)}


def _answers(session: Session, experiment: Experiment, settings: Settings) -> dict[str, str]:
    """Return the teacher's answer to each held-out prompt by its id, from the store where it has them."""
    prompts = read_prompts(experiment.trait.prompts, experiment.settings.eval_prompts)
    rows = [PoolRow(id=prompt["id"], prompt=prompt["input"], completions={}) for prompt in prompts]
    asked = [row.model_copy(update={"prompt": with_system(row.prompt, settings.system)}) for row in rows]
    questions = [question_of(row, settings.model_copy(update={"system": ""})) for row in asked]
    key = {"rollout": settings.model_dump(), "prompts": [[question.id, question.prompt] for question in questions]}

    def fill(folder: Path) -> None:
        found: dict[str, str] = {}

        def deliver(answers: Sequence[Answer]) -> None:
            found.update({answer.id: answer.text for answer in answers})
            session.progress.step(len(found), len(questions))

        with session.progress.phase(f"asking {settings.model} the held-out prompts", 0.0):
            make_teacher(settings, CONNECTIONS).answer(questions, {row.id for row in rows}, deliver)
        (folder / "answers.json").write_text(json.dumps(found), encoding="utf-8")

    if not session.store.has(TEACHERS, key):
        session.store.write(TEACHERS, key, fill)
    folder = session.store.folder(TEACHERS, key)
    found: dict[str, str] = read_json(folder / "answers.json", "a teacher's answers", f"delete {folder}, run again")
    return found
