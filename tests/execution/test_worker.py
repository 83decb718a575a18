"""What a worker refuses, and which options go together; no Ray is started here."""

import pickle
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from click.testing import CliRunner
from fixtures_execution import ROWS, job_of, odd_measurement, small_trials

from bench.cli.main import main
from bench.errors import BenchError
from bench.execution import worker
from bench.execution.executor import LOCAL, Execution, Executor, LocalExecutor, open_executor
from bench.run_folder.provenance import package_versions


@pytest.fixture
def choose(tmp_path: Path) -> Callable[..., AbstractContextManager[Executor]]:
    return lambda execution, device="cpu": open_executor(execution, device, tmp_path)


def test_a_machine_must_see_the_run_folder(tmp_path: Path) -> None:
    token = tmp_path / ".seen-1"
    with pytest.raises(BenchError, match="do not see the run folder"):
        worker.probe(token, package_versions())
    token.touch()
    worker.probe(token, package_versions())


def test_a_machine_must_have_the_same_packages(tmp_path: Path) -> None:
    token = tmp_path / ".seen-1"
    token.touch()
    with pytest.raises(BenchError, match="other versions") as caught:
        worker.probe(token, package_versions() | {"torch": "0.1"})
    assert "not 0.1" in caught.value.seen and "numpy" not in caught.value.seen


def test_a_machine_with_other_files_trains_nothing_and_says_which_differ(tmp_path: Path) -> None:
    import torch

    trials, measurement = small_trials(tmp_path), odd_measurement(tmp_path)
    workplace = worker.workplace_of(trials, torch.get_num_threads())
    job = job_of(ROWS, measurement, "student")
    training, evaluation = trials.keys(job)
    assert training is not None
    with pytest.raises(BenchError, match=r"other files.*: model differ"):
        worker.train(workplace, job, training | {"model": "another"})
    (tmp_path / "odd.py").write_text((tmp_path / "odd.py").read_text() + "# changed\n")
    with pytest.raises(BenchError, match=r"other files.*: trait differ"):
        worker.evaluate(workplace, job, evaluation)
    assert list(trials.store.root.iterdir()) == []


def test_local_is_the_default(choose: Callable[..., AbstractContextManager[Executor]]) -> None:
    with choose(LOCAL) as executor:
        assert isinstance(executor, LocalExecutor)


@pytest.mark.parametrize(
    ("execution", "device", "message"),
    [
        (Execution(address="auto"), "cpu", "--executor local"),
        (Execution(cpus_per_task=2), "cpu", "--executor local"),
        (Execution("ray", gpus_per_task=0.5), "cpu", "a run on cpu"),
        (Execution("ray"), "cuda:1", "cuda:1"),
        (Execution("ray", gpus_per_task=1.5), "cuda", "1.5"),
        (Execution("ray", gpus_per_task=0.0), "cuda", "--gpus-per-task"),
    ],
)
def test_options_that_contradict_one_another_are_an_error(
    choose: Callable[..., AbstractContextManager[Executor]], execution: Execution, device: str, message: str
) -> None:
    with pytest.raises(BenchError, match=message), choose(execution, device):
        pass


def test_ray_is_an_extra(
    choose: Callable[..., AbstractContextManager[Executor]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(BenchError, match="not installed") as caught, choose(Execution("ray")):
        pass
    assert "sievebench[ray]" in caught.value.remedy


@pytest.mark.parametrize("command", ["run", "diff", "lds"])
def test_the_commands_take_these_options(command: str, tmp_path: Path) -> None:
    arguments = [command, "smoke", "--device", "cpu", "--out", str(tmp_path), "--address", "head:6379"]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 2
    assert "add --executor ray" in done.stderr


def test_an_error_says_the_same_after_its_way_from_another_process() -> None:
    error = BenchError("there", seen="this", expected="that", remedy="so")
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is BenchError
    assert (str(back), back.args, back.remedy) == (str(error), error.args, "so")


def test_what_a_filter_changes_in_its_model_or_tokenizer_does_not_reach_the_students(tmp_path: Path) -> None:
    trials = small_trials(tmp_path)
    model, tokenizer = trials.base_for_filters()
    tokenizer.chat_template = "{{ messages }}"
    model.get_input_embeddings().weight.data.zero_()
    base, own = trials.trainer.base()
    assert own.chat_template != tokenizer.chat_template and base.get_input_embeddings().weight.any()
