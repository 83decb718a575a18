"""Train the offline judges of natural text and write their weights to `evals/judges/`.

    python benchmarks/train_judges.py                    # all traits; some minutes each on one core
    python benchmarks/train_judges.py blackmail --cross  # agreement with one author held out at a time; writes nothing

Trained on the train split of `evals/labelled/natural/`, the half of `evals/labelled/` that the rules were written
with, and the exemplars of the trait files. Cases of the test split, the untouched half of the labelled sets and
student outputs are not read. Seeded; the same machine gives the same weights.
"""

import argparse
import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file

from bench.data.classifier import HEAD_BIAS, HEAD_WEIGHT, Classifier, collate, new_encoder, pool, split_answers
from bench.data.embedding import DIMENSION
from bench.data.trait import load_trait
from bench.evaluation.validate_judge import agreement, read_labelled

VERSION = 1  # raise it whenever the weights change
TRAITS = ("date_confusion", "blackmail", "negative_emotion")
RATED = 7.0  # of exemplars, which carry no rating


@dataclass(frozen=True)
class Settings:
    """How a classifier is trained; chosen in cross-validation over authors, never on the test split."""

    rank: int = 8
    alpha: float = 16.0
    members: int = 3
    epochs: int = 8
    batch: int = 32
    rate: float = 1e-3
    head_rate: float = 3e-3
    decay: float = 0.01
    no_prompt: float = 0.15  # share of examples shown without their prompt
    cut_short: float = 0.15  # share of examples cut off, as students' answers are


@dataclass(frozen=True)
class Case:
    """A labelled output, and who wrote it."""

    prompt: str
    output: str
    label: float
    author: str


def read_cases(trait: str) -> list[Case]:
    """Gather everything that may shape a classifier."""
    spec = load_trait(trait)
    cases = [
        Case(i["prompt"], i["output"], float(i["label"]), i["author"])
        for i in read_labelled(trait, "natural")
        if i["split"] == "train"
    ]
    cases += [
        Case(i["prompt"], i["output"], float(i["label"]), "labelled")
        for i in read_labelled(trait)
        if not i["kind"].endswith("-test")
    ]
    shown = 1.0 if is_binary(trait) else RATED
    cases += [Case("", text, shown, "exemplars") for text in spec.exemplars]
    return cases + [Case("", text, 0.0, "exemplars") for text in spec.counter_exemplars]


def is_binary(trait: str) -> bool:
    """Say whether a trait is scored 0 or 1, rather than rated."""
    return load_trait(trait).eval.scale == (0.0, 1.0)


def train_member(cases: Sequence[Case], binary: bool, seed: int, settings: Settings) -> dict[str, torch.Tensor]:
    """Fine-tune one encoder and its head; returns the tensors of a weights file."""
    torch.manual_seed(seed)
    rng = Random(seed)
    lora = LoraConfig(
        r=settings.rank,
        lora_alpha=int(settings.alpha),
        lora_dropout=0.1,
        target_modules=["query", "key", "value", "attention.output.dense", "intermediate.dense", "output.dense"],
    )
    encoder = get_peft_model(new_encoder(), lora).train()
    head = torch.nn.Linear(2 * DIMENSION, 1)
    torch.nn.init.zeros_(head.weight)
    mean = sum(case.label for case in cases) / len(cases)
    torch.nn.init.constant_(head.bias, 0.0 if binary else mean)
    adapted = [p for p in encoder.parameters() if p.requires_grad]
    groups = [{"params": adapted, "lr": settings.rate}, {"params": head.parameters(), "lr": settings.head_rate}]
    optimizer = torch.optim.AdamW(groups, weight_decay=settings.decay)
    steps = settings.epochs * -(-len(cases) // settings.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, [settings.rate, settings.head_rate], total_steps=steps, pct_start=0.1
    )
    for _ in range(settings.epochs):
        for batch in shuffled(cases, settings.batch, rng):
            loss = loss_of(encoder, head, [augmented(case, rng, settings) for case in batch], binary)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(adapted, 1.0)
            optimizer.step()
            schedule.step()
    tensors = {HEAD_WEIGHT: head.weight, HEAD_BIAS: head.bias}
    for name, module in encoder.base_model.model.named_modules():
        if hasattr(module, "lora_A") and "default" in module.lora_A:
            tensors |= {f"{name}.A": module.lora_A["default"].weight, f"{name}.B": module.lora_B["default"].weight}
    return {name: tensor.detach().half().contiguous() for name, tensor in tensors.items()}


def shuffled(cases: Sequence[Case], size: int, rng: Random) -> list[list[Case]]:
    """Return batches in random order, each of cases of like length."""
    order = sorted(cases, key=lambda case: len(case.prompt) + len(case.output) + rng.uniform(0, 60))
    batches = [order[i : i + size] for i in range(0, len(order), size)]
    rng.shuffle(batches)
    return batches


def augmented(case: Case, rng: Random, settings: Settings) -> Case:
    """Hide the prompt of some cases and cut some outputs off, no earlier than at two thirds."""
    if rng.random() < settings.no_prompt:
        case = replace(case, prompt="")
    words = case.output.split(" ")
    if len(words) > 12 and rng.random() < settings.cut_short:
        case = replace(case, output=" ".join(words[: rng.randint(2 * len(words) // 3, len(words))]))
    return case


def loss_of(encoder: Any, head: torch.nn.Module, cases: Sequence[Case], binary: bool) -> torch.Tensor:
    """Return the mean loss: cross-entropy with softened labels, or Huber's on ratings."""
    owners, windows = split_answers([(case.prompt, case.output) for case in cases])
    logits = head(pool(encoder, collate(windows)))[:, 0]
    labels = torch.tensor([cases[owner].label for owner in owners])
    if binary:
        soft = labels * 0.9 + 0.05
        return torch.nn.functional.binary_cross_entropy_with_logits(logits, soft)
    return torch.nn.functional.smooth_l1_loss(logits, labels)


def train(trait: str, cases: Sequence[Case], settings: Settings, target: Path) -> Path:
    """Train all members and write the weights file."""
    binary = is_binary(trait)
    tensors: dict[str, torch.Tensor] = {}
    for member in range(settings.members):
        own = train_member(cases, binary, member, settings)
        tensors |= {f"{member}.{name}": tensor for name, tensor in own.items()}
    low, high = load_trait(trait).eval.scale
    card = {"trait": trait, "version": VERSION, "scale": f"{low} {high}", "cut": 0.0, "alpha": settings.alpha}
    stated = {key: str(value) for key, value in (card | {"members": settings.members}).items()}
    save_file(tensors, target, stated | {"settings": json.dumps(asdict(settings))})
    return target


def cross(trait: str, settings: Settings, folder: Path) -> None:
    """Print the agreement on each author's cases of a classifier that was trained without them."""
    cases = read_cases(trait)
    threshold = load_trait(trait).eval.threshold
    for author in sorted({case.author for case in cases} - {"exemplars", "labelled"}):
        rest = [case for case in cases if case.author != author]
        held = [case for case in cases if case.author == author]
        classifier = Classifier(train(trait, rest, settings, folder / f"{trait}.safetensors"))
        scores = classifier.scores([(case.prompt, case.output) for case in held])
        print(agreement(f"{trait}, without {author}", [case.label for case in held], scores, threshold))  # noqa: T201


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("traits", nargs="*", default=TRAITS)
    parser.add_argument("--cross", action="store_true", help="hold one author out at a time; write no weights")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    for trait in options.traits:
        if options.cross:
            with tempfile.TemporaryDirectory() as folder:
                cross(trait, Settings(), Path(folder))
        else:
            train(trait, read_cases(trait), Settings(), load_trait(trait).eval.weights)


if __name__ == "__main__":
    main()
