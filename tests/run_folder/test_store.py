"""The run store keeps finished work only, and a run folder belongs to one set of settings."""

import errno
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.run_folder.provenance import SETTINGS_FILE, check_folder
from bench.run_folder.store import HASHES_FILE, KEY_FILE, Store, key_hash

KEY = {"seed": 1, "rows": ["a", "b"]}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def fill(folder: Path) -> None:
    (folder / "result.txt").write_text("done", encoding="utf-8")


def full_disk(folder: Path) -> None:
    (folder / "half.txt").write_text("half", encoding="utf-8")
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


# Finished work


def test_finished_work_is_found_under_its_key(store: Store) -> None:
    assert not store.has("work", KEY)
    folder = store.write("work", KEY, fill)
    assert folder == store.folder("work", KEY)
    assert (folder / "result.txt").read_text(encoding="utf-8") == "done"
    assert store.has("work", KEY)
    assert store.keys("work") == [(folder, KEY)]
    assert not store.has("work", KEY | {"seed": 2}) and not store.has("other", KEY)


@pytest.mark.parametrize("damage", ["flip", "cut", "remove"])
def test_a_file_that_has_changed_is_noticed_said_and_made_again(
    store: Store, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    file = store.write("work", KEY, fill) / "result.txt"
    assert Store(store.root).has("work", KEY)
    match damage:
        case "flip":
            file.write_bytes(b"eone")
        case "cut":
            file.write_bytes(b"don")
        case _:
            file.unlink()
    assert not Store(store.root).has("work", KEY)
    assert "result.txt has changed since it was written" in caplog.text
    again = Store(store.root)
    assert again.write("work", KEY, fill) == file.parent and again.has("work", KEY)
    assert file.read_text(encoding="utf-8") == "done"


def test_folders_without_hashes_stay_valid(store: Store) -> None:
    (store.write("work", KEY, fill) / HASHES_FILE).unlink()
    assert Store(store.root).has("work", KEY)


def test_a_key_is_its_content_whatever_the_order_and_kind_of_sequence(store: Store) -> None:
    store.write("work", KEY, fill)
    same = {"rows": ("a", "b"), "seed": 1}
    assert key_hash(same) == key_hash(KEY) != key_hash(KEY | {"rows": ["b", "a"]})
    assert store.has("work", same)


def test_killed_work_is_not_taken_for_finished_and_is_swept(store: Store) -> None:
    # Killed without a chance to tidy up, as by the kernel.
    script = "import os, sys; from pathlib import Path; from bench.run_folder.store import Store\n"
    script += "Store(Path(sys.argv[1])).write('work', {'seed': 1}, lambda folder: os._exit(9))"
    assert subprocess.run([sys.executable, "-c", script, str(store.root)], check=False).returncode == 9
    done = store.write("work", {"seed": 2}, fill)
    assert len(list((store.root / "work").iterdir())) == 2
    assert not store.has("work", {"seed": 1}) and [folder for folder, _ in store.keys("work")] == [done]
    with store.claimed():
        pass
    assert list((store.root / "work").iterdir()) == [done]
    assert store.has("work", {"seed": 2})


def test_interrupted_work_leaves_nothing(store: Store) -> None:
    def interrupted(folder: Path) -> None:
        fill(folder)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.write("work", KEY, interrupted)
    assert not store.has("work", KEY) and list((store.root / "work").iterdir()) == []


def test_of_two_that_finish_the_same_work_the_first_is_kept(store: Store) -> None:
    def overtaken(folder: Path) -> None:
        (folder / "result.txt").write_text("late", encoding="utf-8")
        store.write("work", KEY, fill)

    folder = store.write("work", KEY, overtaken)
    assert (folder / "result.txt").read_text(encoding="utf-8") == "done"
    assert list((store.root / "work").iterdir()) == [folder]


# What can go wrong with it


def test_a_full_disk_is_a_plain_error_and_leaves_earlier_work(store: Store) -> None:
    store.write("work", KEY, fill)
    with pytest.raises(BenchError, match="No space left on device") as caught:
        store.write("work", {"seed": 2}, full_disk)
    assert "finished work is kept" in caught.value.remedy
    assert store.has("work", KEY) and not store.has("work", {"seed": 2})
    assert len(list((store.root / "work").iterdir())) == 1


def test_a_store_below_a_file_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BenchError, match="could not be written"):
        Store(tmp_path / "file").write("work", KEY, fill)


@pytest.mark.parametrize("text", [None, "", '{"seed": 1', "null", "7"])
def test_a_damaged_key_is_refused(store: Store, text: str | None) -> None:
    file = store.write("work", KEY, fill) / KEY_FILE
    file.unlink() if text is None else file.write_text(text, encoding="utf-8")
    with pytest.raises(BenchError, match="no such file" if text is None else "damaged: ") as caught:
        store.has("work", KEY)
    assert caught.value.where == str(file) and caught.value.remedy.startswith(f"delete {file.parent} and run again")


def test_a_foreign_key_names_what_differs(store: Store) -> None:
    file = store.write("work", KEY | {"rows": ("a", "b")}, fill) / KEY_FILE
    file.write_text(json.dumps(KEY | {"seed": 2, "new": True}), encoding="utf-8")
    with pytest.raises(BenchError, match=r"other settings: new, seed\n"):
        store.has("work", KEY | {"rows": ("a", "b")})  # as good as a list: it is not named


# Run folders


def test_a_new_folder_is_claimed_and_opened_again_under_the_same_settings(tmp_path: Path) -> None:
    out, settings = tmp_path / "runs" / "first", {"suite": "quick", "seeds": (1, 2)}
    check_folder(out, settings)
    before = (out / SETTINGS_FILE).read_bytes()
    (out / "result.json").touch()
    check_folder(out, settings)
    assert (out / SETTINGS_FILE).read_bytes() == before


def test_other_settings_are_refused_by_name(tmp_path: Path) -> None:
    check_folder(tmp_path, {"suite": "quick", "device": "cpu", "seeds": [1]})
    with pytest.raises(BenchError, match="device = 'cpu', now 'cuda'; filters = None, now 2; seeds") as caught:
        check_folder(tmp_path, {"suite": "quick", "device": "cuda", "filters": 2})
    assert "seeds = [1], now None" in caught.value.seen and "suite" not in caught.value.seen


def test_ignored_settings_may_differ_and_the_first_ones_stay(tmp_path: Path) -> None:
    check_folder(tmp_path, {"suite": "quick", "judge": "rules"})
    changed = {"suite": "quick", "judge": "model"}
    check_folder(tmp_path, changed, ignore=["judge"])
    with pytest.raises(BenchError, match="judge = 'rules', now 'model'"):
        check_folder(tmp_path, changed)
    with pytest.raises(BenchError, match="suite = 'quick', now 'smoke'"):
        check_folder(tmp_path, {"suite": "smoke", "judge": "rules"}, ignore=["judge"])


@pytest.mark.parametrize("text", ['{"suite"', "null", "\udcff"])
def test_damaged_settings_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / SETTINGS_FILE).write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(BenchError, match=r"damaged: |not UTF-8"):
        check_folder(tmp_path, {"suite": "quick"})


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    for place in (tmp_path, tmp_path / "thesis.tex"):
        with pytest.raises(BenchError, match=f"a file or folder without {SETTINGS_FILE}"):
            check_folder(place, {"suite": "quick"})
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BenchError, match="could not be written"):
        check_folder(tmp_path / "file" / "run", {"suite": "quick"})


def test_a_folder_serves_one_run_at_a_time(store: Store) -> None:
    with store.claimed():
        with pytest.raises(BenchError, match="another run is at work"), Store(store.root).claimed():
            pass
        script = "import sys; from pathlib import Path; from bench.run_folder.store import Store\n"
        script += "with Store(Path(sys.argv[1])).claimed(): pass"
        other = subprocess.run([sys.executable, "-c", script, str(store.root)], capture_output=True, check=False)
        assert other.returncode == 1 and b"another run is at work" in other.stderr
    with store.claimed():
        pass


def test_a_killed_run_leaves_no_lock(store: Store) -> None:
    script = "import os, sys; from pathlib import Path; from bench.run_folder.store import Store\n"
    script += "with Store(Path(sys.argv[1])).claimed(): os._exit(9)"
    assert subprocess.run([sys.executable, "-c", script, str(store.root)], check=False).returncode == 9
    with store.claimed():
        pass


def test_errors_of_the_work_itself_are_no_lock_errors(store: Store) -> None:
    for error in (TimeoutError("a grader"), OSError("a disk")):
        with pytest.raises(type(error), match=str(error)), store.claimed():
            raise error
    with store.claimed():
        pass


# Several machines


def test_the_first_of_two_that_finish_the_same_work_wins_and_the_other_is_no_error(store: Store) -> None:
    def slower(folder: Path) -> None:
        store.write("work", KEY, fill)  # another worker is done meanwhile
        (folder / "result.txt").write_text("done again", encoding="utf-8")

    folder = store.write("work", KEY, slower)
    assert (folder / "result.txt").read_text(encoding="utf-8") == "done"
    assert [each.name for each in (store.root / "work").iterdir()] == [folder.name]


def test_work_that_shows_late_is_waited_for(store: Store) -> None:
    late = threading.Timer(0.3, lambda: store.write("work", KEY, fill))
    late.start()
    store.wait_for("work", KEY, seconds=30)
    assert store.has("work", KEY)
    late.join()


def test_work_that_never_shows_is_an_error(store: Store) -> None:
    with pytest.raises(BenchError, match="after a worker finished it"):
        store.wait_for("work", KEY, seconds=0.1)
