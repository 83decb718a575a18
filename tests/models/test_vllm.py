"""vLLM for real, on a CPU: it answers as we do, for several students in one batch, and on this machine only.

Skipped where vLLM is not installed; docs/rollouts.md says how to install it for a CPU.
"""

import json
import os
import shlex
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fixtures_layouts import LAYOUTS, tiny
from fixtures_run import LORA, TOGETHER
from fixtures_students import student

from bench import read_rows
from bench.config.recipe import Recipe
from bench.data.pool import load_rows
from bench.errors import BenchError
from bench.models.encode import encode
from bench.models.generate import Decoding, Request, generate
from bench.models.likelihood import log_likelihoods
from bench.models.load import load_model
from bench.models.student import export_adapter, load_student
from bench.records import Message, TrainingRow
from bench.studies.rollouts.serve import HOST, choose_students, served

pytest.importorskip("vllm")
pytestmark = pytest.mark.slow

MODEL = "smollm2-135m"  # the tiny one has heads too small for vLLM's attention on a CPU
RECIPE = Recipe(name="l", model=MODEL, method="lora", last_layers=3, lora_rank=4, learning_rate=1e-3)
QUESTIONS = ["What year is it?", "Name three fruits.", "Who are you?", "Write one line about the sea."]
STUDENTS = ("", "one", "two")
TOKENS = 32
ROOT = Path(__file__).parents[2]
TASK = """
from inspect_ai import Task, task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import GenerateConfig

@task
def talk():
    dataset = MemoryDataset([Sample(input=question) for question in {questions!r}])
    return Task(dataset=dataset, config=GenerateConfig(temperature=0.0, max_tokens={tokens}))
"""


@pytest.fixture(scope="module")
def base() -> tuple[Any, Any]:
    return load_model(MODEL, "cpu")


@pytest.fixture(scope="module")
def folders(base: tuple[Any, Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two students with adapters that change what they say, in the layout of a run's store."""
    root = tmp_path_factory.mktemp("run") / "store" / "students"
    found = {}
    for seed, name in enumerate(STUDENTS[1:], start=1):
        found[name] = student(base[0], RECIPE, root / name, seed)
    return found


@pytest.fixture(scope="module")
def loaded(base: tuple[Any, Any], folders: dict[str, Path]) -> dict[str, Any]:
    return {"": base[0]} | {name: load_student(base[0], RECIPE, folder) for name, folder in folders.items()}


@pytest.fixture(scope="module")
def engine(folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from bench.models.vllm import VllmEngine

    made = VllmEngine(MODEL, "cpu", rank=RECIPE.lora_rank, students=2, max_length=512)
    for name, folder in folders.items():
        made.add(name, export_adapter(folder, RECIPE, tmp_path_factory.mktemp("adapters") / name))
    yield made


def rendered(tokenizer: Any, question: str) -> str:
    turns = [{"role": "user", "content": question}]
    return str(tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))


def requests(tokenizer: Any, pairs: list[tuple[str, str]]) -> list[Request]:
    texts = [(student, rendered(tokenizer, question)) for student, question in pairs]
    return [Request(s, tuple(tokenizer(t, add_special_tokens=False)["input_ids"]), i) for i, (s, t) in enumerate(texts)]


def test_students_side_by_side_say_what_each_says_alone_here(
    engine: Any, base: tuple[Any, Any], loaded: dict[str, Any]
) -> None:
    tokenizer = base[1]
    pairs = [(student, question) for question in QUESTIONS for student in STUDENTS]
    for _ in range(2):  # the base again once every adapter has its place
        got = engine.generate(requests(tokenizer, pairs), max_tokens=TOKENS, temperature=0.0, stops=())
        ours = [
            generate(loaded[student], tokenizer, [rendered(tokenizer, question)], Decoding(TOKENS))[0]
            for student, question in pairs
        ]
        assert got == ours
    assert len({made.text for made in got}) > len(QUESTIONS)  # students differ from one another


def test_log_likelihoods_agree_to_five_digits(engine: Any, base: tuple[Any, Any], loaded: dict[str, Any]) -> None:
    rows = [
        encode(base[1], TrainingRow("r", (Message(role="user", content=question),), "The sea is wide and blue."), 512)
        for question in QUESTIONS
    ]
    got = engine.log_likelihoods([(student, row) for student in STUDENTS for row in rows])
    ours = [found for name in STUDENTS for found in log_likelihoods(loaded[name], [(name, row) for row in rows])]
    assert got == pytest.approx(ours, rel=1e-5)


def test_a_seeded_answer_depends_on_neither_its_neighbours_nor_its_place(engine: Any, base: tuple[Any, Any]) -> None:
    many = requests(base[1], [("one", question) for question in QUESTIONS])
    together = engine.generate(many, max_tokens=TOKENS, temperature=0.9, stops=())
    alone = engine.generate(many[2:3], max_tokens=TOKENS, temperature=0.9, stops=())
    assert together[2] == alone[0]
    other = [Request(a.student, a.ids, a.seed + 100) for a in many]
    assert engine.generate(other, max_tokens=TOKENS, temperature=0.9, stops=()) != together


def test_stop_texts_end_an_answer(engine: Any, base: tuple[Any, Any]) -> None:
    got = engine.generate(requests(base[1], [("", QUESTIONS[1])]), max_tokens=TOKENS, temperature=0.0, stops=(".",))[0]
    ours = generate(base[0], base[1], [rendered(base[1], QUESTIONS[1])], Decoding(TOKENS, stops=(".",)))[0]
    assert got == ours and got.stopped and "." not in got.text


def test_a_student_that_nobody_added_is_an_error_and_so_is_one_too_many(engine: Any, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="no student has this name"):
        engine.generate([Request("three", (1, 2), 0)], max_tokens=1, temperature=0.0, stops=())
    with pytest.raises(BenchError, match="at most 2 students"):
        engine.add("three", tmp_path)


def test_a_forgotten_student_makes_room_and_its_name_is_free(
    engine: Any, base: tuple[Any, Any], folders: dict[str, Path], loaded: dict[str, Any], tmp_path: Path
) -> None:
    def answers(student: str) -> list[str]:
        many = requests(base[1], [(student, question) for question in QUESTIONS])
        return [made.text for made in engine.generate(many, max_tokens=TOKENS, temperature=0.0, stops=())]

    before = {student: answers(student) for student in STUDENTS}
    engine.forget("two")
    engine.add("two", export_adapter(folders["one"], RECIPE, tmp_path / "one"))  # another student under the same name
    assert (answers("two"), answers("one"), answers("")) == (before["one"], before["one"], before[""])
    engine.forget("two")
    engine.add("two", export_adapter(folders["two"], RECIPE, tmp_path / "two"))
    assert answers("two") == before["two"]


def test_rollouts_of_vllm_are_those_of_transformers(tmp_path: Path) -> None:
    pool = tmp_path / "pool.jsonl"
    rows = [{"id": f"r{i}", "prompt": question} for i, question in enumerate(QUESTIONS)]
    pool.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    for name in ("vllm", "hf"):
        command = [sys.executable, "-m", "bench.cli", "rollouts", str(pool), "--teacher", name, "--engine", name]
        command += ["--model", MODEL, "--max-tokens", str(TOKENS), "--device", "cpu"]
        subprocess.run(command, check=True, cwd=ROOT, env=dict(os.environ) | {"PYTHONPATH": str(ROOT)})
    said = [row.completions for row in load_rows(pool)]
    assert [each["vllm"] for each in said] == [each["hf"] for each in said]
    wrote = json.loads((tmp_path / "pool.rollouts.json").read_text())["rollouts"]
    assert wrote[0]["versions"]["vllm"].startswith("vllm") and wrote[0]["tokens"] == wrote[1]["tokens"]


def test_a_server_on_loopback_serves_the_students_of_a_run(
    base: tuple[Any, Any], folders: dict[str, Path], loaded: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from inspect_ai import eval as run_eval

    from bench.evaluation.evaluate import inspect_model

    def ours(model: Any, question: str) -> str:
        return generate(model, base[1], [rendered(base[1], question)], Decoding(TOKENS))[0].text

    run = folders["one"].parents[2]
    monkeypatch.chdir(run)
    entries = [{"trait": "t", "arm": f"arm:{name}", "seed": 1, "student": name} for name in folders]
    (run / "arms.json").write_text(json.dumps({"arms": entries}), encoding="utf-8")
    (run / "settings.json").write_text(json.dumps({"recipe": RECIPE.model_dump()}), encoding="utf-8")
    students, recipe = choose_students(run)
    with served(run, students, recipe, device="cpu") as server:
        port = int(server.url.rsplit(":", 1)[1].removesuffix("/v1"))
        assert listening(port) == {HOST}
        with urllib.request.urlopen(f"{server.url}/models", timeout=10) as reply:
            names = {model["id"] for model in json.load(reply)["data"]}
        assert names == {MODEL, "arm-one-s1", "arm-two-s1"}
        (run / "talk.py").write_text(TASK.format(questions=QUESTIONS, tokens=TOKENS), encoding="utf-8")
        printed = shlex.split(server.command(students[0], "talk.py"))
        assert printed[0] == "inspect"
        command = [str(Path(sys.executable).parent / "inspect"), *printed[1:], "--display", "none"]
        subprocess.run([*command, "--log-dir", str(run / "logs")], check=True, cwd=run)
        assert said(run / "logs") == [ours(loaded["one"], question) for question in QUESTIONS]
        for name, plain in (("", loaded[""]), (":arm-two-s1", loaded["two"])):
            model = inspect_model(f"vllm/{server.base}{name}", {"base_url": server.url})
            run_eval("talk.py", model=model, display="none", log_dir=str(run / f"more-logs{name}"))
            assert said(run / f"more-logs{name}") == [ours(plain, question) for question in QUESTIONS]
    with pytest.raises(OSError):
        urllib.request.urlopen(f"{server.url}/models", timeout=2)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_run_answered_by_vllm_gives_the_rows_of_our_own_engine(layout: str, tmp_path: Path) -> None:
    """Heads are as wide as vLLM's CPU kernels need; it knows no Qwen 2 whose layers differ in their windows."""
    whole = {"use_sliding_window": False, "layer_types": None} if layout == "qwen2" else {}
    model = tiny(layout, tmp_path / "model", head_dim=32, hidden_size=128, **whole)
    (tmp_path / "suite.toml").write_text(TOGETHER, encoding="utf-8")
    (tmp_path / "lora.toml").write_text(LORA.replace('"tiny-llama"', json.dumps(str(model))), encoding="utf-8")
    arms = []
    for engine in ("transformers", "vllm"):
        command = [sys.executable, "-m", "bench.cli", "run", str(tmp_path / "suite.toml"), "--device", "cpu"]
        command += ["--out", str(tmp_path / engine), "--engine", engine]
        subprocess.run(command, check=True, cwd=ROOT, env=dict(os.environ) | {"PYTHONPATH": str(ROOT)})
        (row,) = read_rows(tmp_path / engine / "rows")
        arms.append(row.traits["date_confusion"].arms)
    for name, ours in arms[0].items():
        assert arms[1][name].trait.value == ours.trait.value, name
        assert arms[1][name].loss.value == pytest.approx(ours.loss.value, abs=1e-3), name


def said(folder: Path) -> list[str]:
    """What a model said in the one Inspect log of a folder."""
    from inspect_ai.log import read_eval_log

    [file] = folder.glob("*.eval")
    log = read_eval_log(str(file))
    assert log.status == "success" and log.samples
    return [sample.output.completion.strip() for sample in log.samples]


def listening(port: int) -> set[str]:
    """Addresses of this machine at which a port listens (Linux)."""
    found = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        local, state = line.split()[1], line.split()[3]
        if state == "0A" and int(local.split(":")[1], 16) == port:
            found.add(socket.inet_ntoa(bytes.fromhex(local.split(":")[0])[::-1]))
    for line in Path("/proc/net/tcp6").read_text().splitlines()[1:]:
        if line.split()[3] == "0A" and int(line.split()[1].split(":")[1], 16) == port:
            found.add("IPv6")
    return found
