"""Run a filter and hold what it returns to the contract."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from bench.errors import BenchError, unknown
from bench.filtering.context import Context
from bench.filtering.plugin import FilterPlugin, error_line
from bench.records import Example, Trait


def score_examples(
    plugin: FilterPlugin,
    examples: Sequence[Example],
    trait: Trait,
    context: Context,
    options: Mapping[str, Any] | None = None,
) -> np.ndarray:
    """Run a filter and hold it to its contract.

    Args:
        plugin: The filter.
        examples: n examples, in training order.
        trait: The behaviour to remove.
        context: Shared resources; its planted truth reaches the filter only if the plugin needs it.
        options: Values for some of the filter's options.

    Returns:
        Shape (n,), float64, finite; higher = flagged first.

    Raises:
        BenchError: For an unknown option, an error in the filter, changed inputs, or scores of the wrong kind.
    """
    options = dict(options or {})
    for key in options:
        if key not in plugin.options:
            raise unknown(f"option of filter {plugin.name}", key, sorted(plugin.options))
    if plugin.needs_truth and context.truth is None:
        raise BenchError(
            f"filter {plugin.name!r}",
            seen="a pool without planted truth",
            expected="a synthetic pool, where the truth is known",
            remedy="leave this filter out for this pool",
        )
    return _checked(_run(plugin, list(examples), trait, context, options), plugin, examples)


def _run(
    plugin: FilterPlugin, examples: list[Example], trait: Trait, context: Context, options: dict[str, Any]
) -> object:
    """Call the filter on copies, which share nothing with the pool, and make sure that it left them alone."""
    given, given_trait = copy.deepcopy((examples, trait))
    before = _plain(examples, trait)
    try:
        scores: object = plugin.score(given, given_trait, context.for_scoring(with_truth=plugin.needs_truth), **options)
    except (BenchError, KeyboardInterrupt):
        raise
    except BaseException as error:  # the plugin's own mistake, whatever it is; sys.exit() would end the run in silence
        raise BenchError(
            f"filter {plugin.name!r}, {error_line(error, plugin.path)}",
            seen=f"{type(error).__name__}: {error}",
            expected="scores",
            remedy="fix the filter or its options",
        ) from error
    if _plain(given, given_trait) != before:
        raise BenchError(
            f"filter {plugin.name!r}",
            seen="it changed the examples or the trait that it was given",
            expected="inputs left as they were",
            remedy="work on copies",
        )
    return scores


def _plain(examples: Sequence[Example], trait: Trait | None = None) -> list[object]:
    """Return examples and trait as plain data, which compares by value whatever a plugin made of their classes."""
    return [asdict(example) for example in examples] + ([asdict(trait)] if trait else [])


def _checked(scores: object, plugin: FilterPlugin, examples: Sequence[Example]) -> np.ndarray:
    expected = f"np.ndarray of shape ({len(examples)},), numbers"
    if not isinstance(scores, np.ndarray) or isinstance(scores, np.ma.MaskedArray):  # whose mask would be lost
        seen = f"it returned {type(scores).__name__}"
    elif scores.shape != (len(examples),):
        seen = f"it returned an array of shape {scores.shape}"
    elif scores.dtype.kind not in "fiub":
        seen = f"it returned an array of type {scores.dtype}"
    else:
        with np.errstate(over="ignore"):  # of a wider type, what float64 cannot hold
            values = np.array(scores, dtype=np.float64)
        bad = np.flatnonzero(~np.isfinite(values))
        if not len(bad):
            return values
        seen = f"{len(bad)} scores are not finite; the first is {values[bad[0]]}, of example {examples[bad[0]].id!r}"
    raise BenchError(
        f"filter {plugin.name!r}, {plugin.path}",
        seen=seen,
        expected=expected,
        remedy="return one finite number per example",
    )


def patch_example(plugin: FilterPlugin, example: Example, trait: Trait) -> Example:
    """Patch one flagged example: the filter's own patch, or else the clean teacher's completion.

    Args:
        plugin: The filter.
        example: A flagged example; it is not changed.
        trait: The behaviour to remove.

    Returns:
        An example with the same id whose `response` is the one to train on.

    Raises:
        BenchError: If the filter's patch fails, changes its input or returns something else.
    """
    if plugin.patch is None:
        return replace(example, completions={**example.completions, example.original: example.clean_response})
    given, before = copy.deepcopy(example), _plain([example])
    try:
        patched = plugin.patch(given, trait)
        sound = isinstance(patched, Example) and patched.id == example.id and bool(patched.response.strip())
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # as above
        raise BenchError(
            f"patch of filter {plugin.name!r}, {error_line(error, plugin.path)}",
            seen=f"{type(error).__name__}: {error}, for example {example.id!r}",
            expected="an Example",
            remedy="fix the patch",
        ) from error
    if not sound or _plain([given]) != before:
        raise BenchError(
            f"patch of filter {plugin.name!r}, {plugin.path}",
            seen="it changed its input" if sound else f"it returned {patched!r:.80}",
            expected=f"a new Example with id {example.id!r} and a response",
            remedy="return dataclasses.replace(example, completions=...)",
        )
    return patched
