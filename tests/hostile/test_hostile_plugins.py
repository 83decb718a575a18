"""Plugins that look for the truth, change the run, or do not return: what each finds in its own process."""

import os
from pathlib import Path

import numpy as np
import pytest

from bench import BenchError, Context, Example, Message, Trait
from bench.filtering import isolation
from bench.filtering.isolation import has_namespaces
from bench.filtering.plugins import load_filter
from bench.filtering.score import patch_example, score_examples

SOURCE = """
import gc, os, socket, sys, time
import numpy as np
from bench import filter_plugin, patch_plugin

@filter_plugin(name="hostile", version=1, summary="Hostile.")
def score(examples, trait, context):
    n = len(examples)
{body}
    return np.zeros(n)
"""
TRUTH = ("overt", "none", "mild", "none")
TRAIT = Trait("toy", "A toy.", ("seed",), ("other",), ("word",))
LOOKING = {  # scores are 1 where it found something
    "gc": "hits = [o for o in gc.get_objects() if isinstance(o, tuple) and o == ('overt', 'none', 'mild', 'none')]",
    "context": "hits = [context.truth] if context.truth is not None else []",
    "frames": """
        f, hits = sys._getframe(), []
        while f: hits += [v for v in f.f_locals.values() if 'overt' in repr(v)[:2000]]; f = f.f_back""",
    "closure": "hits = [c for c in (context.embed.__closure__ or ()) if 'overt' in repr(c.cell_contents)]",
    "modules": "hits = [m for m in sys.modules if m in ('bench.run', 'bench.data.experiment', 'bench.arms')]",
    "environment": "hits = [k for k in os.environ if 'SECRET' in k]",
}
KEPT_OUT = {  # needs namespaces
    "run folder": "hits = os.listdir({folder!r})",
    "other processes": "hits = [] if os.getppid() in (0, 1) else [os.getppid()]",
    "network": """
        hits = []
        try: socket.create_connection(('127.0.0.1', {port}), timeout=1); hits = [1]
        except OSError: pass""",
}
ENDING = {
    "exit": ("sys.exit(0)", "SystemExit: 0"),
    "hard exit": ("os._exit(0)", "its process ended"),
    "abort": ("os.abort()", "its process ended"),
    "own base exception": ("raise type('Own', (BaseException,), {{}})('x')", "Own: x"),
    "never returns": ("time.sleep(60)", "no result after 2 s"),
    "memory": ("b = bytearray(2**34)", "MemoryError"),
    "unknown service": ("context.store()", "nothing of this name"),
    "private service": ("context._models", "AttributeError"),
    "wrong arguments": ("context.embed(1, 2, 3)", "positional argument"),
    "an object": ("context.embed([object()])", "cannot be sent"),
    "garbage": ("context._connection.send_bytes(b'x' * 100)", "something else than scores"),
    "garbage length": (
        "context._connection.send_bytes((2**62).to_bytes(8, 'little') * 2)",
        "something else than scores",
    ),
}


def examples() -> list[Example]:
    prompt = (Message(role="user", content="Hi"),)
    return [Example(f"e{i}", prompt, {"a": f"answer {i}", "b": "clean"}, "a", "b") for i in range(4)]


def scored(folder: Path, body: str, hidden: tuple[Path, ...] = ()) -> np.ndarray:
    path = folder / "hostile.py"
    lines = "\n".join(f"    {line}" for line in body.replace("\n        ", "\n").strip().split("\n"))
    path.write_text(SOURCE.format(body=lines), encoding="utf-8")
    context = Context(lambda texts: np.ones((len(texts), 2), np.float32), lambda: None, 0, TRUTH, hidden=hidden)  # type: ignore[arg-type, return-value]
    return score_examples(load_filter(str(path)), examples(), TRAIT, context)


@pytest.mark.parametrize("where", LOOKING)
def test_a_plugin_that_looks_for_the_truth_finds_nothing(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_KEY", "sk-1")
    assert scored(tmp_path, f"{LOOKING[where]}\nreturn np.full(n, float(len(hits)))").tolist() == [0, 0, 0, 0]


@pytest.mark.skipif(not has_namespaces(), reason="no user namespaces on this system")
@pytest.mark.parametrize("what", KEPT_OUT)
def test_namespaces_keep_network_processes_and_the_run_folder_away(what: str, tmp_path: Path) -> None:
    import socket

    run = tmp_path / "run"
    run.mkdir()
    (run / "truth.json").write_text("{}", encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as server:
        body = KEPT_OUT[what].format(folder=str(run), port=server.getsockname()[1])
        found = scored(tmp_path, f"{body}\nreturn np.full(n, float(len(hits)))", hidden=(run,))
    assert found.tolist() == [0, 0, 0, 0] and (run / "truth.json").is_file()


@pytest.mark.parametrize("how", ENDING)
def test_a_plugin_that_does_not_return_scores_is_an_error(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body, seen = ENDING[how]
    monkeypatch.setitem(isolation.LIMITS, "RLIMIT_AS", 2**33)
    if how == "never returns":
        monkeypatch.setattr(isolation, "SECONDS", 2.0)
    with pytest.raises(BenchError) as caught:
        scored(tmp_path, body.format())
    assert seen in caught.value.seen, caught.value.seen


def test_what_a_plugin_changes_in_the_suite_stays_in_its_process(tmp_path: Path) -> None:
    from bench.stats import effects

    before = effects.removal
    body = "from bench.stats import effects\neffects.removal = None\ntype(examples[0]).__eq__ = lambda a, b: True"
    scored(tmp_path, body)
    assert effects.removal is before and examples()[0] != examples()[1]


def test_what_a_plugin_leaves_running_is_killed_with_it(tmp_path: Path) -> None:
    note = tmp_path / "alive"
    body = f"if os.fork() == 0:\n    time.sleep(3); open({str(note)!r}, 'w').close(); os._exit(0)"
    scored(tmp_path, body)
    if has_namespaces():
        import time

        time.sleep(4)
        assert not note.exists()


def test_a_patch_is_made_in_the_process_too(tmp_path: Path) -> None:
    path = tmp_path / "hostile.py"
    patch = "\n@patch_plugin\ndef patch(example, trait):\n    from dataclasses import replace\n"
    patch += "    return replace(example, completions={**example.completions, 'a': f'mended {os.getpid()}'})\n"
    path.write_text(SOURCE.format(body="    pass") + patch, encoding="utf-8")
    patched = patch_example(load_filter(str(path)), examples()[0], TRAIT)
    assert patched.response.startswith("mended ") and patched.response != f"mended {os.getpid()}"
