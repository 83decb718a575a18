"""vLLM answers for the students of a run as this package does; here peft stands in for it behind the same calls.

`tests/models/test_vllm.py` runs the real one, where it is installed.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from fixtures_run import run_quietly
from fixtures_students import LORA, student

from bench.config.suite import load_suite
from bench.data.trait import Measurement, load_trait
from bench.errors import BenchError
from bench.execution.executor import Execution
from bench.execution.progress import Progress
from bench.execution.session import run_settings
from bench.execution.trials import Trials, TrialSettings
from bench.models import vllm
from bench.models.encode import Encoded
from bench.models.engine import StudentEngine
from bench.models.generate import Decoding, Request, answer
from bench.models.load import load_model
from bench.models.packaged import TINY
from bench.models.student import load_student
from bench.run_folder.store import Store


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


def measurement() -> Measurement:
    return Measurement(load_trait("date_confusion"), "rules")


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


def test_students_of_the_store_are_answered_for_by_one_engine(
    tmp_path: Path, stand_in: list[Mapping[str, Any]]
) -> None:
    trials = Trials(TrialSettings(LORA, "cpu", engine="vllm"), Store(tmp_path / "store"), Progress())
    base, tokenizer = trials.trainer.base()
    folders = {name: student(base, LORA, tmp_path / name, seed) for seed, name in enumerate("ab")} | {"untrained": None}
    ours = {name: load_student(base, LORA, folder) if folder else base for name, folder in folders.items()}
    prompt = tuple(tokenizer("What year is it?")["input_ids"])
    row = Encoded((*prompt, 5, 6, 7), len(prompt))
    settings: dict[str, Any] = {"max_tokens": 8, "temperature": 0.0, "stops": ()}
    engine = trials.engine(folders)
    said = engine.generate([Request(name, prompt, 0) for name in folders], **settings)
    found = engine.log_likelihoods([(name, row) for name in folders])
    for name, one, likely in zip(folders, said, found, strict=True):
        alone = StudentEngine(ours[name], tokenizer)
        assert [one] == alone.generate([Request("", prompt, 0)], **settings), name
        assert [likely] == pytest.approx(alone.log_likelihoods([("", row)]), rel=1e-5), name
    assert len(set(found)) == 3
    again = trials.engine({"b": folders["b"]})
    assert again.generate([Request("b", prompt, 0)], **settings) == [said[1]] and len(stand_in) == 1
    with pytest.raises(BenchError, match="no student has this name"):
        again.generate([Request("a", prompt, 0)], **settings)
    trials.engine({f"{i}": folders["a"] for i in range(4)})  # more than there is room for
    assert [started["max_loras"] for started in stand_in] == [4, 5]
    assert trials.eval_key("a", measurement())["engine"] == "vllm"
    plain = Trials(TrialSettings(LORA, "cpu"), Store(tmp_path / "other"), Progress())
    assert "engine" not in plain.eval_key("a", measurement())
    smoke = load_suite("smoke")
    assert run_settings(smoke, "cpu", "vllm") == run_settings(smoke, "cpu") | {"engine": "vllm"}


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
