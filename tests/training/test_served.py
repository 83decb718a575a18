"""vLLM answers for the students of a run as this package does; here peft stands in for it behind the same calls.

`tests/models/test_vllm.py` runs the real one, where it is installed.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from fixtures_run import LORA, TOGETHER, run_quietly

from bench.config.suite import load_suite
from bench.errors import BenchError
from bench.execution.executor import Execution
from bench.models import vllm
from bench.models.generate import Decoding, Request, answer
from bench.models.load import load_model
from bench.models.packaged import TINY


@dataclass
class LoRARequest:
    """As vLLM's."""

    lora_name: str
    lora_int_id: int
    lora_path: str


class PeftLLM:
    """Answers as `vllm.LLM` does, one request after another, each through its adapter folder."""

    started: list[Mapping[str, Any]] = []  # of the class: every engine that a test starts

    def __init__(self, model: str, arguments: Mapping[str, Any]) -> None:
        self.started.append(arguments)
        self._base, self._tokenizer = load_model(model, "cpu")
        self._models: dict[int, Any] = {}
        self.llm_engine = SimpleNamespace(remove_lora=self._models.pop)

    def generate(
        self, prompts: Sequence[Any], settings: Sequence[Any], *, lora_request: Sequence[Any], use_tqdm: bool
    ) -> list[Any]:
        given = zip(prompts, settings, lora_request, strict=True)
        return [self._one(p["prompt_token_ids"], how, self._model(by)) for p, how, by in given]

    def _model(self, by: LoRARequest | None) -> Any:
        from peft import PeftModel

        if by is None:
            return self._base
        if by.lora_int_id not in self._models:
            fresh = load_model(TINY, "cpu")[0]
            self._models[by.lora_int_id] = PeftModel.from_pretrained(fresh, by.lora_path).eval()
        return self._models[by.lora_int_id]

    def _one(self, ids: list[int], how: Any, model: Any) -> Any:
        if hasattr(how, "prompt_logprobs"):
            with torch.no_grad():
                odds = model(torch.tensor([ids])).logits[0].log_softmax(-1)
            scored = [None, *({t: SimpleNamespace(logprob=float(odds[i, t]))} for i, t in enumerate(ids[1:]))]
            return SimpleNamespace(prompt_logprobs=scored)
        decoding = Decoding(how.max_tokens, how.temperature, how.stop or ())
        (made,) = answer(model, self._tokenizer, [Request("", tuple(ids), 0)], decoding)
        said = SimpleNamespace(
            text=made.text, token_ids=range(made.tokens), finish_reason="stop" if made.stopped else "length"
        )
        return SimpleNamespace(outputs=[said], prompt_token_ids=ids)


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> list[Mapping[str, Any]]:
    """Arguments of every engine that is started."""
    package, request = ModuleType("vllm"), ModuleType("vllm.lora.request")
    package.SamplingParams = lambda **given: SimpleNamespace(**given)  # type: ignore[attr-defined]
    request.LoRARequest = LoRARequest  # type: ignore[attr-defined]
    for name, module in (("vllm", package), ("vllm.lora", ModuleType("vllm.lora")), (request.__name__, request)):
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(vllm, "check_vllm", lambda what: None)
    monkeypatch.setattr("bench.execution.executor.check_vllm", lambda what: None)
    monkeypatch.setattr(vllm, "_load", PeftLLM)
    monkeypatch.setattr(PeftLLM, "started", [])
    return PeftLLM.started


@pytest.mark.parametrize("at_once", [1, 3])
def test_a_run_answered_by_vllm_gives_the_rows_of_our_own_engine(
    at_once: int, tmp_path: Path, stand_in: list[Mapping[str, Any]]
) -> None:
    (tmp_path / "suite.toml").write_text(TOGETHER, encoding="utf-8")
    (tmp_path / "lora.toml").write_text(LORA, encoding="utf-8")
    suite, found = load_suite(str(tmp_path / "suite.toml")), []
    for engine in ("transformers", "vllm"):
        out = tmp_path / engine
        (row,), _ = run_quietly(suite, out, execution=Execution(students_at_once=at_once, engine=engine))
        keys = [json.loads(file.read_text()) for file in out.glob("store/evals/*/key.json")]
        assert {key.get("engine") for key in keys} == {None if engine == "transformers" else engine}
        assert ("engine" in json.loads((out / "settings.json").read_text())) is (engine == "vllm")
        found.append(row.traits["date_confusion"].arms)
    assert len(stand_in) == 1 and stand_in[0]["max_lora_rank"] == 16  # one engine for all students
    for name, ours in found[0].items():
        assert found[1][name].trait.value == ours.trait.value, name
        assert found[1][name].capability.value == ours.capability.value, name
        assert found[1][name].loss.value == pytest.approx(ours.loss.value, abs=2e-3), name


def test_what_vllm_cannot_serve_is_refused_before_anything_is_trained(
    tmp_path: Path, stand_in: list[Mapping[str, Any]]
) -> None:
    with pytest.raises(BenchError, match="method = 'lora'"):
        run_quietly(load_suite("smoke"), tmp_path / "full", execution=Execution(engine="vllm"))
    with pytest.raises(BenchError, match="--executor local"):
        run_quietly(load_suite("smoke"), tmp_path / "ray", execution=Execution("ray", engine="vllm"))
    assert not stand_in


def test_without_vllm_the_option_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(BenchError, match="vLLM is not installed"):
        run_quietly(load_suite("smoke"), tmp_path / "out", execution=Execution(engine="vllm"))
