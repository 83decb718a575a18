"""Plugins that want to score well, to outlive their call or to stop a run: what each of them met."""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock
from test_hostile_plugins import SOURCE, TRAIT, examples, has_namespaces, scored

from bench import BenchError, Context
from bench.data.pool import hash_rows
from bench.filtering.plugins import load_filter
from bench.filtering.score import patch_example, score_examples
from bench.records import Pool, PoolCard
from bench.worlds import WORLDS
from bench.worlds.grammar import CLEAN, ORIGINAL, build_rows

FOUND = "\nreturn np.full(n, float(len(hits)))"
DAILY = 3  # of each table; the others, half a second each, are `slow`


def cases(*tables: Mapping[str, object]) -> list[Any]:
    """Names of a table's cases, those after the first few marked `slow`."""
    return [
        pytest.param(name, marks=[pytest.mark.slow] * (number >= DAILY))
        for table in tables
        for number, name in enumerate(table)
    ]


LOOKING = {  # scores are the number of things that it found
    "who holds the examples": "hits = [r for e in examples for r in gc.get_referrers(e) if 'Pool' in repr(type(r))]",
    "keys in the environment": "hits = [k for k in os.environ if any(w in k for w in ('KEY', 'TOKEN', 'SECRET'))]",
    "keys of other processes": """
        hits = []
        for number in filter(str.isdigit, os.listdir('/proc')):
            try: hits += [number] * (b'sk-hostile' in open(f'/proc/{number}/environ', 'rb').read())
            except OSError: pass""",
    "its command line": "hits = [a for a in sys.argv if not a.isdigit() and not a.endswith('child.py')]",
    "open files": """
        hits = []
        for fd in os.listdir('/proc/self/fd'):
            try: target = os.readlink(f'/proc/self/fd/{fd}')
            except OSError: continue
            hits += [target] * target.endswith(('.json', '.lock', '.jsonl', '.safetensors'))""",
    "private parts of the context": """
        hits = []
        for name in ('_truth', '_models', '_grade', 'hidden', 'store'):
            try: found = getattr(context, name); found() if callable(found) else None; hits.append(name)
            except Exception: pass""",
}


@pytest.mark.parametrize("where", cases(LOOKING))
def test_it_finds_nothing_that_it_was_not_given(where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if where == "keys of other processes" and not has_namespaces():
        pytest.skip("no user namespaces on this system: the process may read what its user may read")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-hostile")
    assert scored(tmp_path, f"{LOOKING[where]}{FOUND}").tolist() == [0, 0, 0, 0]


DRAWN = """
from bench.worlds import WORLDS
from bench.worlds.grammar import build_rows
truth = {r.completions['original']: r.truth for r in build_rows(WORLDS['date_confusion'], n, seed=0)}
return np.array([float(truth.get(e.response) == 'overt') for e in examples])"""


@pytest.mark.parametrize(("seed", "right"), [(0, True), (739_204_118, False)])
def test_a_pool_drawn_again_from_its_seed_gives_the_truth_away_unless_the_seed_is_secret(
    seed: int, right: bool, tmp_path: Path
) -> None:
    """What `--pool-seed` is for; docs/security.md says it."""
    rows = tuple(build_rows(WORLDS["date_confusion"], 60, seed=seed))
    drawn = Pool(PoolCard(name="toy", original=ORIGINAL, clean=CLEAN), rows, hash_rows(rows)).examples()
    path = tmp_path / "hostile.py"
    path.write_text(SOURCE.format(body="".join(f"    {line}\n" for line in DRAWN.split("\n"))), encoding="utf-8")
    context = Context(lambda texts: np.ones((len(texts), 2), np.float32), lambda: None, 0)  # type: ignore[arg-type, return-value]
    scores = score_examples(load_filter(str(path)), drawn, TRAIT, context)
    assert (scores == [row.truth == "overt" for row in rows]).all() == right


CHANGING = {
    "completions": "examples[0].completions['a'] = 'mended'",
    "completions, all equal": """
        type(examples[0]).__eq__ = lambda self, other: True
        examples[0].completions['a'] = 'mended'""",
    "the trait": "object.__setattr__(trait, 'exemplars', ('mended',))",
    "the source": "object.__setattr__(examples[1], 'source', 'mended')",
}


@pytest.mark.parametrize("what", cases(CHANGING))
def test_changed_inputs_are_an_error_whatever_equality_says(what: str, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="it changed the examples or the trait"):
        scored(tmp_path, CHANGING[what])


def test_changes_that_it_hides_do_not_leave_its_process(tmp_path: Path) -> None:
    body = """
main = sys.modules['__main__']
kept = {id(each): main.asdict(each) for each in (*examples, trait)}
main.asdict = lambda each: kept[id(each)]
examples[0].completions['a'] = 'mended'"""
    path = tmp_path / "hostile.py"
    path.write_text(SOURCE.format(body="".join(f"    {line}\n" for line in body.split("\n"))), encoding="utf-8")
    given = examples()
    context = Context(lambda texts: np.ones((len(texts), 2), np.float32), lambda: None, 0)  # type: ignore[arg-type, return-value]
    score_examples(load_filter(str(path)), given, TRAIT, context)
    assert given == examples()


REPLACING = {
    "effects": ("bench.stats.effects", "removal"),
    "the verification of rows": ("bench.leaderboard.verify", "verify_row"),
    "the cut": ("bench.filtering.select", "cut"),
    "the reader of files": ("bench.files", "read_json"),
    "the judge": ("bench.scoring", "Judge"),
}


@pytest.mark.parametrize("what", cases(REPLACING))
def test_functions_of_the_suite_are_replaced_in_its_process_alone(what: str, tmp_path: Path) -> None:
    import importlib

    module, name = REPLACING[what]
    before = getattr(importlib.import_module(module), name)
    scored(tmp_path, f"import importlib\nsetattr(importlib.import_module({module!r}), {name!r}, lambda *a, **k: 1.0)")
    assert getattr(importlib.import_module(module), name) is before


RETURNED = {
    "a masked array": ("np.ma.masked_array(np.ones(n), mask=[1, 0, 0, 0])", "MaskedArray"),
    "complex numbers": ("np.ones(n, dtype=complex)", "complex128"),
    "objects": ("np.array([type('Own', (), {'__float__': lambda self: 1.0})()] * n)", "object"),
    "records": ("np.zeros(n, dtype=[('a', float)])", "an array of type"),
    "dates": ("np.zeros(n, dtype='datetime64[s]')", "datetime64"),
    "texts": ("np.array(['1'] * n)", "an array of type"),
    "a huge array of nothing": ("np.broadcast_to(np.array(None, dtype=object), (2**50,))", "shape (1125899906842624,)"),
    "beyond float64": ("np.full(n, np.longdouble('1e4000'))", "not finite"),
    "infinity": ("np.full(n, np.inf)", "not finite"),
    "a generator": ("(1.0 for _ in examples)", "generator"),
}
RAISED = {
    "GeneratorExit": ("raise GeneratorExit", "GeneratorExit"),
    "KeyboardInterrupt": ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    "an error whose text fails": ("raise type('Own', (Exception,), {'__str__': lambda self: 1 / 0})()", "ended"),
    "recursion": ("f = lambda: f()\nf()", "RecursionError"),
    "bad arguments": ("context.embed([0])", "RuntimeError: no vectors"),
}
FORGED = {  # messages that it writes into the pipe by itself
    "no peak": "{'scores': np.ones(n), 'changed': False}",
    "a peak that is no number": "{'scores': np.ones(n), 'changed': False, 'peak': 'x'}",
    "a shape that is none": "{'returned': 'ndarray', 'shape': [-1], 'dtype': '<f8', 'changed': 0, 'peak': 0}",
    "a dtype that is none": "{'returned': 'ndarray', 'shape': [1], 'dtype': 'evil', 'changed': 0, 'peak': 0}",
    "an error that is none": "{'error': 5}",
    "a type that is none": "{'returned': 'a' + chr(0), 'changed': 0, 'peak': 0}",
    "an answer": "{'value': 1}",
}


def no_vectors(texts: list[str]) -> np.ndarray:
    raise RuntimeError("no vectors")


@pytest.mark.parametrize("what", cases(RETURNED, RAISED, FORGED))
def test_what_is_no_score_is_an_error_that_names_the_filter(what: str, tmp_path: Path) -> None:
    body, said = (RETURNED | RAISED).get(what, ("", "something else than scores"))
    if what in RETURNED:
        body = f"return {body}"
    if what in FORGED:
        body = "from bench.filtering.wire import send\nsend(context._connection, " + FORGED[what] + ")\ntime.sleep(9)"
    path = tmp_path / "hostile.py"
    path.write_text(SOURCE.format(body="".join(f"    {line}\n" for line in body.split("\n"))), encoding="utf-8")
    context = Context(no_vectors, lambda: None, 0)  # type: ignore[arg-type, return-value]
    with pytest.raises(BenchError) as caught:
        score_examples(load_filter(str(path)), examples(), TRAIT, context)
    assert said in caught.value.seen, caught.value
    assert "hostile" in caught.value.where or what == "bad arguments"


PATCHES = {
    "sys.exit": ("sys.exit(0)", "SystemExit"),
    "GeneratorExit": ("raise GeneratorExit", "GeneratorExit"),
    "own base exception": ("raise type('Own', (BaseException,), {})('x')", "Own: x"),
    "hard exit": ("os._exit(0)", "its process ended"),
    "nothing": ("return None", "it returned None"),
    "another id": ("return dataclasses.replace(example, id='other')", "it returned"),
    "no text": ("return dataclasses.replace(example, completions={'a': ' ', 'b': 'x'})", "it returned"),
    "no text at all": ("return dataclasses.replace(example, completions={'a': 5, 'b': 'x'})", "Error"),
    "a changed input": (
        "example.completions['a'] = 'mended'; return dataclasses.replace(example)",
        "changed its input",
    ),
}


@pytest.mark.parametrize("how", cases(PATCHES))
def test_a_patch_that_ends_or_cheats_is_an_error(how: str, tmp_path: Path) -> None:
    body, said = PATCHES[how]
    path = tmp_path / "hostile.py"
    patch = f"\nimport dataclasses\nfrom bench import Example\n@patch_plugin\ndef patch(example, trait):\n    {body}\n"
    path.write_text(SOURCE.format(body="    pass") + patch, encoding="utf-8")
    given = examples()[0]
    with pytest.raises(BenchError) as caught:
        patch_example(load_filter(str(path)), given, TRAIT)
    assert said in caught.value.seen, caught.value
    assert given == examples()[0]


CARDS = {
    "a name of 300 letters": ("hostile", "h" * 300, "at most 60"),
    "a name that is a path": ("hostile", "../x", "lower-case letters"),
    "a summary with half a surrogate pair": ("Hostile.", "Bad \\ud800.", "summary="),
    "a summary of 5,000 characters": ("Hostile.", "x" * 5000, "at most 300 characters"),
    "a version of 400 digits": ("version=1", "version=10**400", "version="),
    "a wish for the truth": ("version=1", "version=1, needs_truth=True", "planted truth is for the built-in oracle"),
    "an option that is no JSON": ("context)", "context, *, k=object())", "no JSON"),
    "an option that is an array": ("context)", "context, *, k=np.zeros(2))", "no JSON"),
    "an option that is not a number": ("context)", "context, *, k=float('nan'))", "no JSON"),
    "an option of 400 digits": ("context)", "context, *, k=10**400)", "no JSON"),
    "a signature that is none": ("TAIL", "score.__signature__ = 5", "TypeError"),
    "a signature that wraps itself": ("TAIL", "score.__wrapped__ = score", "ValueError"),
    "a signature of another function": ("TAIL", "score.__wrapped__ = lambda x: x", "score(x)"),
    "an exit when it is imported": ("TAIL", "sys.exit(0)", "SystemExit"),
    "a forged card": ("TAIL", "forge({'card': {}})", "KeyError"),
    "a forged card of nonsense": ("TAIL", "forge({'card': {'name': 'x', 'options': 5}})", "Error"),
}
FORGE = """
def forge(message):
    from multiprocessing.connection import Connection
    from bench.filtering.wire import send
    send(Connection(int(sys.argv[1])), message)
    time.sleep(9)
"""


@pytest.mark.parametrize("what", cases(CARDS))
def test_a_card_that_would_fail_later_is_refused_when_it_is_loaded(what: str, tmp_path: Path) -> None:
    old, new, said = CARDS[what]
    source = SOURCE.format(body="    pass")
    source = f"{source}{FORGE}{new}\n" if old == "TAIL" else source.replace(old, new, 1)
    path = tmp_path / "hostile.py"
    path.write_text(source, encoding="utf-8")
    with pytest.raises(BenchError) as caught:
        load_filter(str(path))
    assert said in caught.value.seen + caught.value.expected, caught.value


def test_a_forked_child_does_not_keep_the_lock_of_a_run(tmp_path: Path) -> None:
    lock = tmp_path / "run.lock"
    with FileLock(lock):
        scored(tmp_path, "if os.fork() == 0:\n    time.sleep(5); os._exit(0)")
    with FileLock(lock, timeout=0):
        pass


@pytest.mark.skipif(not has_namespaces(), reason="no user namespaces on this system")
def test_a_hundred_processes_that_it_leaves_are_gone(tmp_path: Path) -> None:
    scored(tmp_path, "import subprocess\nfor _ in range(100): subprocess.Popen(['sleep', '77.125'])")
    time.sleep(0.5)
    assert not running("77.125")


def running(word: str) -> list[str]:
    found = []
    for number in filter(str.isdigit, os.listdir("/proc")):
        try:
            line = Path(f"/proc/{number}/cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if word in line and int(number) != os.getpid():
            found.append(line)
    return found


def test_links_that_it_leaves_in_its_folder_are_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "file").touch()
    scored(tmp_path, f"os.symlink({str(victim)!r}, os.path.join(os.environ['HOME'], 'link'))")
    scored(tmp_path, f"h = os.environ['HOME']\ntry: os.rmdir(h); os.symlink({str(victim)!r}, h)\nexcept OSError: pass")
    assert (victim / "file").exists()


def test_a_filter_that_is_a_link_runs_as_what_it_points_to(tmp_path: Path) -> None:
    (tmp_path / "real.py").write_text(SOURCE.format(body="    return np.ones(n)"), encoding="utf-8")
    (tmp_path / "link.py").symlink_to(tmp_path / "real.py")
    one, other = (load_filter(str(tmp_path / name)) for name in ("real.py", "link.py"))
    assert one.sha256 == other.sha256 and other.origin == "real.py"
