"""The public API: what `docs/api.md` shows works as it stands there."""

import re
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from fixtures_run import run_quietly

import bench
from bench.config.suite import load_suite
from bench.execution.session import Options

ROOT = Path(__file__).parents[1]
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "docs/api.md").read_text(encoding="utf-8"), re.DOTALL)


def test_the_examples_of_the_guide_run(
    smoke_run: tuple[Path, dict[str, int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(smoke_run[0], tmp_path / "out" / "smoke")  # finished: the guide's own filter is left to train
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in BLOCKS:
        exec(compile(block, "docs/api.md", "exec"), names)
    table = names["table"]
    assert list(table["filter"].unique()) == ["keyword", "random_flag", "oracle"]  # type: ignore[index]
    assert {"drop", "patch"} <= set(table["action"])  # type: ignore[index]
    rows = names["rows"]
    assert {row.filter.name for row in rows} == {"keyword", "random_flag", "oracle", "long_answers"}  # type: ignore[attr-defined]
    assert Path("board/report.html").is_file() and Path("out/smoke/report.html").is_file()
    for row in rows:  # type: ignore[attr-defined]
        assert [Path("out/smoke", file).is_file() for file in row.evidence] == [True]
    # A second run in the same folder finds everything done, and says so.
    again, said = run_quietly(load_suite("smoke"), Path("out/smoke"), filters=("long_answers.py",))
    assert any("nothing to train" in line for line in said)
    before = {row.filter.name: row.traits for row in rows}  # type: ignore[attr-defined]
    assert {row.filter.name: row.traits for row in again} == before


def test_run_suite_leaves_examples_out_where_told(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Options] = []
    monkeypatch.setattr(import_module("bench.run"), "run", lambda options, progress: seen.append(options))
    bench.run_suite("smoke")
    bench.run_suite("smoke", examples=False)
    assert [options.examples for options in seen] == [True, False]
    assert seen[1].command == "bench run smoke --no-examples"


def test_the_api_is_quiet_unless_progress_is_wanted(tmp_path: Path) -> None:
    code = "import bench, sys; bench.run_suite('quik', out=sys.argv[1], device='cpu', progress=sys.argv[2] == 'shown')"
    for wanted in ("hidden", "shown"):
        command = [sys.executable, "-c", code, str(tmp_path / "out"), wanted]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
        assert done.returncode == 1 and "did you mean 'quick'?" in done.stderr
        assert done.stdout == ""


def test_all_is_what_can_be_imported() -> None:
    assert all(hasattr(bench, name) for name in bench.__all__)
    assert bench.__all__ == sorted(bench.__all__) == dir(bench)


def test_no_public_name_is_that_of_a_module() -> None:
    modules = {path.stem for path in (ROOT / "bench").iterdir()}
    assert modules.isdisjoint(bench.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="run_suit"):
        bench.run_suit  # noqa: B018


def test_importing_bench_takes_less_than_300_ms() -> None:
    code = "import time; start = time.perf_counter(); import bench; print(time.perf_counter() - start)"
    seconds = [
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
        for _ in range(5)
    ]
    assert min(seconds) < 0.3


@pytest.mark.parametrize("many", [False, True])
def test_one_filter_or_several_by_path(many: bool, tmp_path: Path) -> None:
    missing = tmp_path / "missing.py"
    with pytest.raises(bench.BenchError, match=r"missing\.py"):
        bench.run_suite("smoke", filters=[missing] if many else str(missing), out=tmp_path / "out", device="cpu")
    assert not bench.check_filter(missing).passed


def test_a_file_of_another_kind_is_no_pool(tmp_path: Path) -> None:
    (tmp_path / "suite.toml").write_text("", encoding="utf-8")
    with pytest.raises(bench.BenchError, match="a file of another kind"):
        bench.load_pool(tmp_path / "suite.toml")
