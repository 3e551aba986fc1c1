import errno
import itertools
import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from full_disk import small_disk

from perturb import progress
from perturb.config import Section
from perturb.errors import UserError
from perturb.files import read_json, sha256_of
from perturb.locks import LOCK
from perturb.progress import Progress, read_fraction
from perturb.runs import MANIFEST, RunSpec, Stage, Store, Workplace


class Word(Section):
    """Config of the runs here."""

    text: str = "a"
    size: int = 1


class Seeded(Word):
    """Runs of one family, which are built together."""

    seed: int


def _write(place: Workplace) -> dict[str, Any]:
    """Write the word; with inputs, after theirs."""
    before = "".join((folder / "word.txt").read_text() for folder in place.inputs.values())
    (place.out / "word.txt").write_text(before + place.spec.config.text)
    return {"letters": len(before) + 1}


class Recorder:
    """A stage that keeps count of what it built."""

    def __init__(self) -> None:
        self.built: list[str] = []

    def __call__(self, place: Workplace) -> dict[str, Any]:
        self.built.append(place.spec.label)
        return _write(place)


def _store(folder: Path, build: Callable[[Workplace], dict[str, Any]] = _write) -> Store:
    return Store(folder / "artifacts", {"word": Stage(version=1, build=build)})


def _spec(text: str = "a", inputs: dict[str, RunSpec] | None = None, **fields: Any) -> RunSpec:
    return RunSpec(
        **{"kind": "word", "version": 1, "config": Word(text=text), "inputs": inputs or {}, "label": text} | fields
    )


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


@pytest.mark.parametrize(
    "changed",
    [
        {"kind": "image"},
        {"version": 2},
        {"config": Word(text="b")},
        {"config": Word(size=2)},
        {"inputs": {}},
        {"inputs": {"before": _spec("y")}},
        {"inputs": {"after": _spec("x")}},
        {"inputs": {"before": _spec("x", {"deep": _spec("z")})}},
    ],
    ids=["kind", "version", "config", "default", "no input", "other input", "name of the input", "input of the input"],
)
def test_id_depends_on_what_the_run_is(changed: dict[str, Any]) -> None:
    inputs = {"before": _spec("x")}
    assert _spec(inputs=inputs).id != _spec(**{"inputs": inputs} | changed).id


def test_id_does_not_depend_on_what_is_for_people_nor_on_the_order_of_the_inputs() -> None:
    x, y = _spec("x"), _spec("y")
    one = _spec(inputs={"x": x, "y": y}, label="one", cost=1.0)
    assert one.id == _spec(inputs={"y": y, "x": x}, label="another", cost=99.0).id


def test_id_stays_what_it_always_was() -> None:
    # SHA-256 of {"config":{"size":1,"text":"a"},"inputs":{},"kind":"word","version":1}
    assert _spec().id == "word-8b83997c980deab7"


def test_inputs_are_built_first_and_once(tmp_path: Path) -> None:
    recorder = Recorder()
    store = _store(tmp_path, recorder)
    root = _spec("r")
    top = _spec("t", {"left": _spec("a", {"root": root}), "right": _spec("b", {"root": root})})
    assert store.ensure(top) == "built"
    assert recorder.built == ["r", "a", "b", "t"]
    assert (store.path(top) / "word.txt").read_text() == "rarbt"
    assert store.ensure(top) == "reused"
    assert store.ensure(root) == "reused"
    assert recorder.built == ["r", "a", "b", "t"]


def test_another_store_on_the_same_folder_reuses_what_is_there(tmp_path: Path) -> None:
    _store(tmp_path).ensure(_spec())
    recorder = Recorder()
    assert _store(tmp_path, recorder).ensure(_spec(label="other words")) == "reused"
    assert recorder.built == []


def test_manifest_lists_what_went_in_and_every_file_that_came_out(tmp_path: Path) -> None:
    def build(place: Workplace) -> dict[str, Any]:
        (place.out / "deep").mkdir()
        (place.out / "deep" / "b.bin").write_bytes(bytes(1_000))
        return _write(place) | {"score": 0.25}

    store, first = _store(tmp_path, build), _spec("x")
    spec = _spec("a", {"before": first}, label="a label")
    store.ensure(spec)
    found, folder = read_json(store.path(spec) / MANIFEST), store.path(spec)
    assert _names(folder) == ["deep", MANIFEST, "word.txt"]
    assert found["files"] == {
        "deep/b.bin": {"bytes": 1_000, "sha256": "541b3e9daa09b20bf85fa273e5cbd3e80185aa4ec298e765db87742b70138a53"},
        "word.txt": {"bytes": 2, "sha256": sha256_of(folder / "word.txt")},
    }
    assert {key: found[key] for key in ("id", "kind", "stage_version", "label", "config", "inputs", "result")} == {
        "id": spec.id,
        "kind": "word",
        "stage_version": 1,
        "label": "a label",
        "config": {"text": "a", "size": 1},
        "inputs": {"before": first.id},
        "result": {"letters": 2, "score": 0.25},
    }
    assert store.result(spec) == found["result"]
    assert found["built"]["device"] == "cpu"


def test_a_finished_run_leaves_no_scratch(tmp_path: Path) -> None:
    def build(place: Workplace) -> dict[str, Any]:
        (place.scratch / "checkpoint").write_text("weights")
        return _write(place)

    store = _store(tmp_path, build)
    store.ensure(_spec())
    assert _names(store.root / "scratch") == []
    assert _names(store.root / "runs") == [_spec().id]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_builder_that_raises_leaves_no_run_and_its_scratch_to_the_next_try(
    tmp_path: Path, error: type[BaseException]
) -> None:
    def build(place: Workplace) -> dict[str, Any]:
        checkpoint = place.scratch / "checkpoint"
        if checkpoint.exists():
            return _write(place) | {"found": checkpoint.read_text()}
        checkpoint.write_text("step 5")
        (place.out / "word.txt").write_text("ha")
        raise error

    store, spec = _store(tmp_path, build), _spec()
    with pytest.raises(error):
        store.ensure(spec)
    assert not store.is_complete(spec)
    assert _names(store.root / "runs") == []
    assert _names(store.root / "scratch") == [spec.id]
    assert _names(store.scratch(spec)) == ["checkpoint", LOCK]
    assert not store.is_being_built(spec)
    assert store.ensure(spec) == "built"
    assert store.result(spec) == {"letters": 1, "found": "step 5"}
    assert _names(store.root / "scratch") == []


def test_an_input_that_raises_keeps_the_run_from_being_built(tmp_path: Path) -> None:
    def build(place: Workplace) -> dict[str, Any]:
        if place.spec.label == "broken":
            raise RuntimeError("no")
        return _write(place)

    store = _store(tmp_path, build)
    sound, top = _spec("x"), _spec("a", {"first": _spec("x"), "second": _spec("broken")})
    with pytest.raises(RuntimeError, match="no"):
        store.ensure(top)
    assert _names(store.root / "runs") == [sound.id]


def test_a_result_that_is_no_json_makes_no_run(tmp_path: Path) -> None:
    store = _store(tmp_path, lambda place: _write(place) | {"score": math.nan})
    with pytest.raises(ValueError, match="not JSON compliant"):
        store.ensure(_spec())
    assert _names(store.root / "runs") == []


def test_a_run_directory_without_a_manifest_is_not_complete(tmp_path: Path) -> None:
    store, spec = _store(tmp_path), _spec()
    store.path(spec).mkdir(parents=True)
    assert not store.is_complete(spec)
    assert store.ensure(spec) == "built"
    assert store.is_complete(spec)


def test_two_threads_that_need_one_run_at_once_end_with_one_whole_run(tmp_path: Path) -> None:
    both_start, numbers, second_came = threading.Barrier(2, timeout=10), itertools.count(), threading.Event()

    def build(place: Workplace) -> dict[str, Any]:
        me = next(numbers)
        if me == 0:
            second_came.wait(timeout=0.5)  # in vain when the store lets one build at a time
        else:
            second_came.set()
        for number in range(20):
            (place.out / f"{number}.txt").write_text(str(me))
        return {"by": str(me)}

    def ensure() -> str:
        both_start.wait()
        return store.ensure(spec)

    store, spec = _store(tmp_path, build), _spec()
    with ThreadPoolExecutor(2) as pool:
        answers = [future.result() for future in [pool.submit(ensure), pool.submit(ensure)]]
    assert "built" in answers
    assert set(answers) <= {"built", "reused"}
    assert _names(store.root / "runs") == [spec.id]
    assert _names(store.root / "scratch") == []
    files = read_json(store.path(spec) / MANIFEST)["files"]
    assert len(files) == 20
    for name, entry in files.items():
        assert sha256_of(store.path(spec) / name) == entry["sha256"]
        assert (store.path(spec) / name).read_text() == store.result(spec)["by"]


def test_the_slower_of_two_that_build_one_run_may_go_on_reporting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_WRITES", 0.0)
    numbers, slower_is_building, faster_is_done = itertools.count(), threading.Event(), threading.Event()

    def build(place: Workplace) -> dict[str, Any]:
        if next(numbers) == 0:
            slower_is_building.set()
            faster_is_done.wait(timeout=0.5)  # in vain when the store lets one build at a time
            place.progress.report(1, 2)
        return _write(place)

    store, spec = _store(tmp_path, build), _spec()
    with ThreadPoolExecutor(2) as pool:
        slower = pool.submit(store.ensure, spec)
        assert slower_is_building.wait(timeout=10)
        faster = pool.submit(store.ensure, spec)
        faster.add_done_callback(lambda _: faster_is_done.set())
        assert {slower.result(), faster.result()} <= {"built", "reused"}
    assert _names(store.root / "runs") == [spec.id]
    assert _names(store.root / "scratch") == []


KILLED = """
import sys, time
from pathlib import Path
from perturb.config import Section
from perturb.runs import RunSpec, Stage, Store

class Word(Section):
    text: str = "a"
    size: int = 1

def build(place):
    (place.scratch / "checkpoint").write_text("step 5")
    (place.out / "word.txt").write_text("ha")
    print(place.spec.id, flush=True)
    time.sleep(60)

spec = RunSpec(kind="word", version=1, config=Word())
Store(Path(sys.argv[1]), {"word": Stage(version=1, build=build)}).ensure(spec)
"""


def test_a_killed_process_leaves_no_run_and_the_next_one_goes_on_from_its_scratch(tmp_path: Path) -> None:
    def build(place: Workplace) -> dict[str, Any]:
        return _write(place) | {"found": (place.scratch / "checkpoint").read_text()}

    store, spec = _store(tmp_path, build), _spec()
    with subprocess.Popen([sys.executable, "-c", KILLED, str(store.root)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline().strip() == spec.id
        process.send_signal(signal.SIGKILL)
        assert process.wait(timeout=10) == -signal.SIGKILL
    assert _names(store.root / "runs") == []
    assert not store.is_complete(spec)
    assert store.ensure(spec) == "built"
    assert store.result(spec) == {"letters": 1, "found": "step 5"}
    assert (store.path(spec) / "word.txt").read_text() == "a"
    (orphan,) = (store.root / "scratch").iterdir()
    assert store.collect_garbage(older_than_hours=1.0) == []
    assert store.collect_garbage(older_than_hours=0.0) == [orphan]
    assert not orphan.exists()
    assert store.is_complete(spec)


def test_a_run_is_built_once_however_many_processes_want_it(tmp_path: Path) -> None:
    store, spec = _store(tmp_path), _spec()
    with subprocess.Popen([sys.executable, "-c", KILLED, str(store.root)], stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout.readline().strip() == spec.id
        assert store.is_being_built(spec)
        with ThreadPoolExecutor(1) as pool:
            second = pool.submit(store.ensure, spec)
            time.sleep(0.5)
            assert not second.done(), "the second waits for the first"
            assert store.collect_garbage(older_than_hours=0.0) == [], "what is being built is no garbage"
            first.send_signal(signal.SIGKILL)
            assert second.result(timeout=10) == "built", "and takes over when the first dies"
    assert store.ensure(spec) == "reused"


def test_runs_that_another_builds_are_left_to_it_and_the_others_built_meanwhile(tmp_path: Path) -> None:
    first_builds, go_on = threading.Event(), threading.Event()
    recorder = Recorder()

    def slow(place: Workplace) -> dict[str, Any]:
        first_builds.set()
        assert go_on.wait(timeout=10)
        return _write(place)

    def together(places: list[Workplace]) -> list[dict[str, Any]]:
        go_on.set()
        return [recorder(place) for place in places]

    specs = [_spec(label=str(seed), config=Seeded(seed=seed)) for seed in range(3)]
    stages = {"word": Stage(version=1, build=recorder, build_together=together)}
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(_store(tmp_path, slow).ensure, specs[0])
        assert first_builds.wait(timeout=10)
        store = Store(tmp_path / "artifacts", stages, stack=3)
        assert store.ensure_all(specs) == ["reused", "built", "built"]
        assert first.result() == "built"
    assert recorder.built == ["1", "2"]
    assert all(store.is_complete(spec) for spec in specs)
    assert _names(store.root / "scratch") == []


def test_without_locks_everybody_has_a_folder_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    folders = []

    def build(place: Workplace) -> dict[str, Any]:
        folders.append(place.scratch)
        return _write(place)

    monkeypatch.setattr("perturb.locks.fcntl.flock", no_locks)
    store, spec = _store(tmp_path, build), _spec()
    assert store.ensure(spec) == "built"
    assert folders[0] != store.scratch(spec)
    assert not folders[0].exists()
    assert "cannot be locked (Function not implemented): work may be done twice there" in caplog.text


def test_a_full_disk_is_one_sentence_and_the_run_goes_on_when_there_is_room(tmp_path: Path) -> None:
    def build(place: Workplace) -> dict[str, Any]:
        (place.scratch / "checkpoint").write_text("step 5")
        (place.out / "large.bin").write_bytes(bytes(2_000_000))
        return _write(place)

    with small_disk(tmp_path / "artifacts", megabytes=1):
        store, spec = _store(tmp_path, build), _spec(label="restart 1")
        with pytest.raises(UserError, match=r"^restart 1: the disk of .* is full; 0\.001 GB were free when this began"):
            store.ensure(spec)
        assert _names(store.root / "runs") == []
        assert _names(store.root / "scratch") == [spec.id]
        subprocess.run(["mount", "-o", "remount,size=8m", store.root], check=True)
        assert store.ensure(spec) == "built"
        assert _names(store.root / "scratch") == []


def _touch(path: Path, *, hours_ago: float) -> None:
    os.utime(path, (time.time() - hours_ago * 3600,) * 2)


def test_garbage_is_what_nothing_in_it_was_touched_for_so_long(tmp_path: Path) -> None:
    store = _store(tmp_path)
    store.ensure(_spec())
    scratch = store.root / "scratch"
    for name in ("stale", "empty", "fresh", "fresh-deep-inside"):
        (scratch / name / "deep").mkdir(parents=True)
        (scratch / name / "deep" / "checkpoint").write_text("weights")
    (scratch / "empty" / "deep" / "checkpoint").unlink()
    for path in [*scratch.rglob("*"), scratch, *store.path(_spec()).rglob("*"), store.path(_spec())]:
        _touch(path, hours_ago=3)
    _touch(scratch / "fresh", hours_ago=1)
    _touch(scratch / "fresh-deep-inside" / "deep" / "checkpoint", hours_ago=1)
    assert sorted(path.name for path in store.collect_garbage(older_than_hours=2)) == ["empty", "stale"]
    assert _names(scratch) == ["fresh", "fresh-deep-inside"]
    assert store.is_complete(_spec())


def test_there_is_no_garbage_where_nothing_ever_ran(tmp_path: Path) -> None:
    assert _store(tmp_path).collect_garbage(older_than_hours=0) == []
    assert not (tmp_path / "artifacts").exists()


def test_progress_is_read_by_whoever_watches_and_gone_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_WRITES", 0.0)
    with Progress(tmp_path) as reporter:
        assert read_fraction(tmp_path) == (0.0, "")
        reporter.report(3, 4, "step 3")
        assert read_fraction(tmp_path) == (0.75, "step 3")
        assert _names(tmp_path) == [progress.FILE_NAME]
    assert _names(tmp_path) == []


def test_progress_is_written_at_most_so_often(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_WRITES", 3600.0)
    with Progress(tmp_path) as reporter:
        reporter.report(1, 2)
        assert read_fraction(tmp_path)[0] == 0.0


def test_two_threads_that_report_on_one_run_do_not_get_in_each_others_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_WRITES", 0.0)
    both_start = threading.Barrier(2, timeout=10)

    def report() -> None:
        reporter = Progress(tmp_path)
        both_start.wait()
        for done in range(300):
            reporter.report(done, 300)

    with ThreadPoolExecutor(2) as pool:
        for future in [pool.submit(report), pool.submit(report)]:
            future.result()
    assert _names(tmp_path) == [progress.FILE_NAME]
    assert read_fraction(tmp_path) == (299 / 300, "")


@pytest.mark.parametrize(
    "content",
    [b"", b'{"done": 3, "to', b"null", b"[3, 4]", b'{"done": 3}', b'{"done": "3", "total": 4, "note": ""}', b"\xff\xfe"],
)
def test_nothing_is_known_from_a_torn_progress_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / progress.FILE_NAME).write_bytes(content)
    assert read_fraction(tmp_path) == (0.0, "")


def test_nothing_is_known_without_a_progress_file(tmp_path: Path) -> None:
    assert read_fraction(tmp_path) == (0.0, "")
    assert read_fraction(tmp_path / "absent") == (0.0, "")


@pytest.mark.parametrize(("done", "total", "fraction"), [(0, 4, 0.0), (4, 4, 1.0), (5, 4, 1.0), (0, 0, 0.0)])
def test_fraction_stays_between_zero_and_one(tmp_path: Path, done: int, total: int, fraction: float) -> None:
    (tmp_path / progress.FILE_NAME).write_text(json.dumps({"done": done, "total": total, "note": "n"}))
    assert read_fraction(tmp_path) == (fraction, "n")
