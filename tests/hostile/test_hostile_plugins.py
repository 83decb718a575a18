"""Plugins that look for the truth, change the run, or do not return: what each finds in its own process."""

import contextlib
import os
from pathlib import Path

import numpy as np
import pytest

from bench import BenchError, Context, Example, Message, Trait
from bench.filtering import isolation
from bench.filtering.namespaces import has_namespaces
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
    "files of others": """
        hits = []
        for place in {writable!r}:
            try: open(os.path.join(place, 'left.txt'), 'w').close(); hits.append(place)
            except OSError: pass""",
    "a source of the suite": """
        import bench
        hits = []
        try: open(bench.__file__, 'r+').close(); hits = [1]
        except OSError: pass""",
    "command lines": """
        numbers = [p for p in os.listdir('/proc') if p.isdigit()]
        hits = [p for p in numbers if b'pytest' in open(f'/proc/{{p}}/cmdline', 'rb').read()]""",
    "disks": "hits = [d for d in os.listdir('/dev') if d.startswith(('sd', 'vd', 'nvme', 'mem', 'kmsg'))]",
    "a way back": """
        import subprocess
        tried = ('mount -o remount,bind,rw /', 'mount -o remount,rw /', 'umount {folder}', 'umount -l {folder}',
                 'mount --bind / {folder}/..', 'touch {folder}/../left.txt',
                 'unshare -Umr mount -o remount,bind,rw /')
        hits = [t for t in tried if not subprocess.run(t, shell=True, stderr=subprocess.DEVNULL).returncode]
        hits += os.listdir({folder!r})""",
}
ALLOWED = """
    open('note.txt', 'w').close()
    import tempfile, multiprocessing
    with tempfile.NamedTemporaryFile() as file: file.write(b'x')
    with multiprocessing.get_context('fork').Pool(2) as pool: assert pool.map(abs, [-1, 2]) == [1, 2]
    open(os.devnull, 'w').write('x')
    return np.full(n, float(os.path.isdir(os.environ['HOME']) and len(os.urandom(4)) == 4))
"""
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
        writable = [str(run), str(tmp_path), str(Path.home()), "/tmp", "/dev", "/var/tmp"]
        body = KEPT_OUT[what].format(folder=str(run), port=server.getsockname()[1], writable=writable)
        found = scored(tmp_path, f"{body}\nreturn np.full(n, float(len(hits)))", hidden=(run,))
    assert found.tolist() == [0, 0, 0, 0] and (run / "truth.json").is_file()
    assert not list(tmp_path.rglob("left.txt")) and not (Path.home() / "left.txt").exists()


CONNECTING = """
hits, places = [], {places!r}
import subprocess
for place in places[1:]: subprocess.run(['umount', place], stderr=subprocess.DEVNULL)
for kind, place in [(k, p) for k in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET) for p in places]:
    try: socket.socket(socket.AF_UNIX, kind).connect(place); hits.append(place)
    except OSError: pass
return np.full(n, float(len(hits)))"""


@pytest.mark.skipif(not has_namespaces(), reason="no user namespaces on this system")
def test_sockets_of_other_programs_cannot_be_connected_to(tmp_path: Path) -> None:
    import socket

    with contextlib.ExitStack() as held:
        places = ["\0bench-hostile"]  # without a file, of the network's namespace
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET):
            places.append(str(tmp_path / f"a socket {int(kind)}"))
            bound = held.enter_context(socket.socket(socket.AF_UNIX, kind))
            bound.bind(places[-1])
            if kind != socket.SOCK_DGRAM:
                bound.listen()
            held.enter_context(socket.socket(socket.AF_UNIX, kind)).connect(places[-1])  # there is something to find
        abstract = held.enter_context(socket.socket(socket.AF_UNIX))
        abstract.bind(places[0])
        abstract.listen()
        assert scored(tmp_path, CONNECTING.format(places=places)).tolist() == [0, 0, 0, 0]


def test_what_filters_need_of_the_system_is_there(tmp_path: Path) -> None:
    assert scored(tmp_path, ALLOWED.replace("\n    ", "\n")).tolist() == [1, 1, 1, 1]
    assert not (tmp_path / "note.txt").exists() and not Path("note.txt").exists()


@pytest.mark.parametrize("namespaces", [True, False])
def test_a_run_says_which_isolation_was_in_force(namespaces: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolation, "has_namespaces", lambda: namespaces)
    assert ("write access to its own folder alone" in isolation.in_words()) == namespaces
    assert ("no user namespaces on this system" in isolation.in_words()) != namespaces


def test_limits_hold_with_and_without_namespaces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = "import resource\nreturn np.array([min(resource.getrlimit(getattr(resource, name))[0], 2**40)"
    limits += " for name in ('RLIMIT_AS', 'RLIMIT_FSIZE', 'RLIMIT_CORE', 'RLIMIT_NPROC')], dtype=float)"
    wanted = [float(value) for value in isolation.LIMITS.values()]
    assert scored(tmp_path, limits).tolist() == wanted
    monkeypatch.setattr(isolation, "has_namespaces", lambda: False)
    assert scored(tmp_path, limits).tolist() == wanted


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
