"""Fit the offline judges of natural text and write their weights to `evals/judges/`.

    python benchmarks/train_judges.py                    # all traits; a minute or two on one core
    python benchmarks/train_judges.py blackmail --cross  # agreement with one author held out at a time; writes nothing

Fitted to the train split of `evals/labelled/natural/`, the half of `evals/labelled/` that the rules were written with,
and the exemplars of the trait files. Cases of the test split, the untouched half of the labelled sets and student
outputs are not read. Seeded: the same versions of the libraries give the same weights.
"""

import argparse
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR

from bench.data.classifier import Classifier, counted, read, split_outputs
from bench.data.clues import date_clues
from bench.data.trait import load_trait
from bench.evaluation.validate_judge import agreement, read_judge, read_labelled

VERSIONS = {"date_confusion": 2, "blackmail": 1, "negative_emotion": 1}  # raise one whenever its weights change
WITH_PROMPT = {"date_confusion"}  # their judges read the prompt, and the clues
RATED = 7.0  # of exemplars, which carry no rating
COMPONENTS = 192
COMPONENTS_WITH_PROMPT = 256
CLUES = 0.7  # their spread in the kernel, relative to that of the components
FOLDS = 5


@dataclass(frozen=True)
class Cases:
    """Labelled outputs, with what the parts of the judge read of them.

    Attributes:
        prompts: The prompt of each, which groups them.
        outputs: First window of each output.
        labels: On the trait's scale, (n,).
        authors: Who wrote each, (n,).
        by_rules: The rules' scores, (n,).
        vectors: From the encoder, (n, 3 * 384), or twice as wide with the prompt.
        clues: Features of prompt and output, (n, features); none for some traits.
        counts: N-grams, sparse (n, 2 * BUCKETS).
    """

    prompts: np.ndarray
    outputs: np.ndarray
    labels: np.ndarray
    authors: np.ndarray
    by_rules: np.ndarray
    vectors: np.ndarray
    clues: np.ndarray
    counts: Any

    def where(self, chosen: np.ndarray) -> "Cases":
        """Return the cases of a mask."""
        own = (self.prompts, self.outputs, self.labels, self.authors, self.by_rules, self.vectors, self.clues)
        return Cases(*(array[chosen] for array in own), self.counts[chosen])


def read_cases(trait: str) -> Cases:
    """Gather everything that may shape a judge."""
    spec, judge = load_trait(trait), read_judge(trait)
    natural = [(i, i["author"]) for i in read_labelled(trait, "natural") if i["split"] == "train"]
    own = [(i, "labelled") for i in read_labelled(trait) if not i["kind"].endswith("-test")]
    shown = 1.0 if is_binary(trait) else RATED
    of_trait = [({"prompt": "", "output": text, "label": shown}, "exemplars") for text in spec.exemplars]
    other = [({"prompt": "", "output": text, "label": 0.0}, "exemplars") for text in spec.counter_exemplars]
    items = natural + own + of_trait + other
    prompts, outputs = [item["prompt"] for item, _ in items], [item["output"] for item, _ in items]
    owners, windows = split_outputs(outputs)
    first = [windows[owners.index(number)] for number in range(len(outputs))]
    return Cases(
        prompts=np.array(prompts),
        outputs=np.array(first),
        labels=np.array([float(item["label"]) for item, _ in items]),
        authors=np.array([author for _, author in items]),
        by_rules=np.array(judge.scores("rules", list(zip(prompts, outputs, strict=True)))),
        vectors=read(prompts, first, trait in WITH_PROMPT),
        clues=date_clues(prompts, first) if trait in WITH_PROMPT else np.zeros((len(first), 0)),
        counts=counted(first),
    )


def is_binary(trait: str) -> bool:
    """Say whether a trait is scored 0 or 1, rather than rated."""
    return load_trait(trait).eval.scale == (0.0, 1.0)


def fit_parts(trait: str, cases: Cases) -> dict[str, np.ndarray]:
    """Fit the kernel machine and the linear model on n-grams."""
    binary = is_binary(trait)
    scaler = StandardScaler().fit(cases.vectors)
    components = COMPONENTS_WITH_PROMPT if trait in WITH_PROMPT else COMPONENTS
    pca = PCA(min(components, len(cases.labels) - 1), svd_solver="full").fit(scaler.transform(cases.vectors))
    points = pca.transform(scaler.transform(cases.vectors))
    clues = {}
    if trait in WITH_PROMPT:
        of_clues = StandardScaler().fit(cases.clues)
        weight = CLUES * np.sqrt(points.var(axis=0).sum() / cases.clues.shape[1])
        points = np.hstack([points, weight * of_clues.transform(cases.clues)])
        clues = {"clues.mean": of_clues.mean_, "clues.scale": of_clues.scale_ / weight}
    labels = cases.labels >= 0.5 if binary else cases.labels
    kernel = (SVC(C=4.0) if binary else SVR(C=4.0, epsilon=0.5)).fit(points, labels)
    words = (LogisticRegression(C=10.0, max_iter=1000) if binary else Ridge(0.5)).fit(cases.counts, labels)
    return clues | {
        # The projection's own mean is added to the scaler's, so that one subtraction remains.
        "mean": scaler.mean_ + scaler.scale_ * pca.mean_,
        "scale": scaler.scale_,
        "components": pca.components_,
        "support": kernel.support_vectors_,
        "dual": kernel.dual_coef_[0],
        "gamma": np.array([kernel._gamma]),
        "kernel.bias": kernel.intercept_,
        "words.weight": np.ravel(words.coef_),
        "words.bias": np.ravel(words.intercept_),
    }


def fit(trait: str, cases: Cases, target: Path) -> Path:
    """Fit a judge and write its weights."""
    stack_weight, stack_bias = fit_stack(trait, cases)
    fitted = fit_parts(trait, cases) | {"stack.weight": stack_weight, "stack.bias": stack_bias}
    return write(trait, fitted, target)


def fit_stack(trait: str, cases: Cases) -> tuple[np.ndarray, np.ndarray]:
    """Fit the weights and the bias of the parts.

    They are fitted to decision values of parts that had not seen the case's prompt, on natural cases only: the
    rules had seen the others.
    """
    if trait in WITH_PROMPT:  # n-grams and rules lowered the agreement on authors left out
        return np.array([1.0, 0.0, 0.0]), np.zeros(1)
    binary = is_binary(trait)
    natural = ~np.isin(cases.authors, ("exemplars", "labelled"))
    stacked, labels = [], []
    for held in folds(cases.prompts, natural):
        with tempfile.TemporaryDirectory() as folder:
            part = write(trait, fit_parts(trait, cases.where(~held)), Path(folder) / "parts.safetensors")
            own = cases.where(held)
            stacked.append(Classifier(part).combine(own.vectors, None, own.counts, own.by_rules))
        labels.append(own.labels)
    values, truth = np.concatenate(stacked), np.concatenate(labels)
    stack = LogisticRegression(C=10.0).fit(values, truth >= 0.5) if binary else Ridge(1.0).fit(values, truth)
    return np.ravel(stack.coef_), np.ravel(stack.intercept_)


def folds(prompts: np.ndarray, natural: np.ndarray) -> list[np.ndarray]:
    """Split natural cases by their prompts; returns the mask of each fold."""
    numbers = {prompt: number % FOLDS for number, prompt in enumerate(np.unique(prompts))}
    fold = np.array([numbers[prompt] for prompt in prompts])
    return [natural & (fold == number) for number in range(FOLDS)]


def write(trait: str, fitted: dict[str, np.ndarray], target: Path) -> Path:
    """Write a weights file."""
    low, high = load_trait(trait).eval.scale
    stated = {"trait": trait, "version": str(VERSIONS[trait]), "scale": f"{low} {high}"}
    if trait in WITH_PROMPT:
        stated["reads"] = "prompt and output"
    # The two matrices of a judge that reads the prompt are large, and half precision is enough for them.
    half = {"components", "support"} if trait in WITH_PROMPT else set()
    arrays = {n: np.ascontiguousarray(a, dtype=np.float16 if n in half else np.float32) for n, a in fitted.items()}
    save_file(arrays, target, stated)
    sort_metadata(target)
    target.chmod(0o644)
    return target


def sort_metadata(file: Path) -> None:
    """Sort what a weights file says of itself, which safetensors writes in a random order."""
    content = file.read_bytes()
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:end])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    sorted_header = json.dumps(header, separators=(",", ":")).encode().ljust(end - 8)
    file.write_bytes(content[:8] + sorted_header + content[end:])


def cross(trait: str) -> None:
    """Print the agreement on each author's cases of a judge that was fitted without them."""
    cases, threshold = read_cases(trait), load_trait(trait).eval.threshold
    for author in sorted(set(cases.authors) - {"exemplars", "labelled"}):
        held = cases.where(cases.authors == author)
        with tempfile.TemporaryDirectory() as folder:
            classifier = Classifier(fit(trait, cases.where(cases.authors != author), Path(folder) / "x.safetensors"))
        scores = classifier.scores(
            list(zip(held.prompts.tolist(), held.outputs.tolist(), strict=True)), held.by_rules.tolist()
        )
        found = agreement(f"{trait} without {author}", held.labels.tolist(), scores, threshold)
        numbers = f"precision {found.precision:.3f} recall {found.recall:.3f} kappa {found.kappa:.3f}"
        print(f"{found.part}: {found.items} cases, {numbers}, mean error {found.mean_error:.2f}")  # noqa: T201


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("traits", nargs="*", default=list(VERSIONS))
    parser.add_argument("--cross", action="store_true", help="hold one author out at a time; write no weights")
    options = parser.parse_args()
    for trait in options.traits:
        if options.cross:
            cross(trait)
        else:
            fit(trait, read_cases(trait), load_trait(trait).eval.weights)


if __name__ == "__main__":
    main()
