"""Several processes and threads on one store: locking, what a kill or a full disk leaves behind, and takeover."""

import errno
import itertools
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from full_disk import small_disk
from small_runs import Recorder, Seeded, names_in, small_store, word_spec, write_word

from perturb import progress
from perturb.errors import UserError
from perturb.files import read_json, sha256_of
from perturb.runs import MANIFEST, Stage, StageContext, Store


def test_two_threads_that_need_the_same_run_end_with_one_complete_run(tmp_path: Path) -> None:
    both_start, numbers, second_came = threading.Barrier(2, timeout=10), itertools.count(), threading.Event()

    def build(context: StageContext) -> dict[str, Any]:
        me = next(numbers)
        if me == 0:
            second_came.wait(timeout=0.5)  # times out if the store lets only one build at a time
        else:
            second_came.set()
        for number in range(20):
            (context.out / f"{number}.txt").write_text(str(me))
        return {"by": str(me)}

    def ensure() -> str:
        both_start.wait()
        return store.ensure(spec)

    store, spec = small_store(tmp_path, build), word_spec()
    with ThreadPoolExecutor(2) as pool:
        answers = [future.result() for future in [pool.submit(ensure), pool.submit(ensure)]]
    assert "built" in answers
    assert set(answers) <= {"built", "reused"}
    assert names_in(store.root / "runs") == [spec.id]
    assert names_in(store.root / "scratch") == []
    files = read_json(store.path(spec) / MANIFEST)["files"]
    assert len(files) == 20
    for name, entry in files.items():
        assert sha256_of(store.path(spec) / name) == entry["sha256"]
        assert (store.path(spec) / name).read_text() == store.result(spec, dict)["by"]


def test_the_slower_of_two_builders_of_one_run_may_still_report_progress(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_WRITES", 0.0)
    numbers, slower_is_building, faster_is_done = itertools.count(), threading.Event(), threading.Event()

    def build(context: StageContext) -> dict[str, Any]:
        if next(numbers) == 0:
            slower_is_building.set()
            faster_is_done.wait(timeout=0.5)  # times out if the store lets only one build at a time
            context.progress.report(1, 2)
        return write_word(context)

    store, spec = small_store(tmp_path, build), word_spec()
    with ThreadPoolExecutor(2) as pool:
        slower = pool.submit(store.ensure, spec)
        assert slower_is_building.wait(timeout=10)
        faster = pool.submit(store.ensure, spec)
        faster.add_done_callback(lambda _: faster_is_done.set())
        assert {slower.result(), faster.result()} <= {"built", "reused"}
    assert names_in(store.root / "runs") == [spec.id]
    assert names_in(store.root / "scratch") == []


KILLED = """
import sys, time
from pathlib import Path
from perturb.config import Section
from perturb.runs import RunSpec, Stage, Store

class Word(Section):
    text: str = "a"
    size: int = 1

def build(context):
    (context.scratch / "checkpoint").write_text("step 5")
    (context.out / "word.txt").write_text("ha")
    print(context.spec.id, flush=True)
    time.sleep(60)

spec = RunSpec(kind="word", version=1, config=Word())
Store(Path(sys.argv[1]), {"word": Stage(version=1, build=build)}).ensure(spec)
"""


def test_a_killed_process_leaves_no_run_and_the_next_one_resumes_from_its_scratch_folder(tmp_path: Path) -> None:
    def build(context: StageContext) -> dict[str, Any]:
        return write_word(context) | {"found": (context.scratch / "checkpoint").read_text()}

    store, spec = small_store(tmp_path, build), word_spec()
    with subprocess.Popen([sys.executable, "-c", KILLED, str(store.root)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline().strip() == spec.id
        process.send_signal(signal.SIGKILL)
        assert process.wait(timeout=10) == -signal.SIGKILL
    assert names_in(store.root / "runs") == []
    assert not store.is_complete(spec)
    assert store.ensure(spec) == "built"
    assert store.result(spec, dict) == {"letters": 1, "found": "step 5"}
    assert (store.path(spec) / "word.txt").read_text() == "a"
    (orphan,) = (store.root / "scratch").iterdir()
    assert store.collect_garbage(older_than_hours=1.0) == []
    assert store.collect_garbage(older_than_hours=0.0) == [orphan]
    assert not orphan.exists()
    assert store.is_complete(spec)


def test_a_run_is_built_once_however_many_processes_need_it(tmp_path: Path) -> None:
    store, spec = small_store(tmp_path), word_spec()
    with subprocess.Popen([sys.executable, "-c", KILLED, str(store.root)], stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout.readline().strip() == spec.id
        assert store.is_being_built(spec)
        with ThreadPoolExecutor(1) as pool:
            second = pool.submit(store.ensure, spec)
            time.sleep(0.5)
            assert not second.done(), "the second must wait for the first"
            assert store.collect_garbage(older_than_hours=0.0) == [], "a run that is being built must not be collected"
            first.send_signal(signal.SIGKILL)
            assert second.result(timeout=10) == "built", "the second must take over when the first dies"
    assert store.ensure(spec) == "reused"


def test_runs_being_built_by_another_thread_are_left_to_it_while_the_others_are_built(tmp_path: Path) -> None:
    first_builds, go_on = threading.Event(), threading.Event()
    recorder = Recorder()

    def slow(context: StageContext) -> dict[str, Any]:
        first_builds.set()
        assert go_on.wait(timeout=10)
        return write_word(context)

    def together(contexts: list[StageContext]) -> list[dict[str, Any]]:
        go_on.set()
        return [recorder(context) for context in contexts]

    specs = [word_spec(label=str(seed), config=Seeded(seed=seed)) for seed in range(3)]
    stages = {"word": Stage(version=1, build=recorder, build_together=together)}
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(small_store(tmp_path, slow).ensure, specs[0])
        assert first_builds.wait(timeout=10)
        store = Store(tmp_path / "artifacts", stages, stack=3)
        assert store.ensure_all(specs) == ["reused", "built", "built"]
        assert first.result() == "built"
    assert recorder.built == ["1", "2"]
    assert all(store.is_complete(spec) for spec in specs)
    assert names_in(store.root / "scratch") == []


def test_without_file_locks_every_builder_uses_its_own_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    folders = []

    def build(context: StageContext) -> dict[str, Any]:
        folders.append(context.scratch)
        return write_word(context)

    monkeypatch.setattr("perturb.locks.fcntl.flock", no_locks)
    store, spec = small_store(tmp_path, build), word_spec()
    assert store.ensure(spec) == "built"
    assert folders[0] != store.scratch(spec)
    assert not folders[0].exists()
    assert "cannot be locked (Function not implemented): work may be done twice there" in caplog.text


def test_a_full_disk_is_reported_in_one_sentence_and_the_run_resumes_once_there_is_room(tmp_path: Path) -> None:
    def build(context: StageContext) -> dict[str, Any]:
        (context.scratch / "checkpoint").write_text("step 5")
        (context.out / "large.bin").write_bytes(bytes(2_000_000))
        return write_word(context)

    with small_disk(tmp_path / "artifacts", megabytes=1):
        store, spec = small_store(tmp_path, build), word_spec(label="restart 1")
        with pytest.raises(UserError, match=r"^restart 1: the disk of .* is full; 0\.001 GB were free when this began"):
            store.ensure(spec)
        assert names_in(store.root / "runs") == []
        assert names_in(store.root / "scratch") == [spec.id]
        subprocess.run(["mount", "-o", "remount,size=8m", store.root], check=True)
        assert store.ensure(spec) == "built"
        assert names_in(store.root / "scratch") == []
