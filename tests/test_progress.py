"""Progress reported through the file system, and durations in words."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from small_runs import names_in

from perturb import progress
from perturb.progress import Progress, duration, read_fraction


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.4, "0 s"), (59.6, "1 min 00 s"), (185, "3 min 05 s"), (3599.6, "1 h 00 min"), (90_000, "25 h 00 min")],
)
def test_a_duration_is_formatted_in_words(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_progress_can_be_read_by_others_and_is_removed_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_WRITES", 0.0)
    with Progress(tmp_path) as reporter:
        assert read_fraction(tmp_path) == (0.0, "")
        reporter.report(3, 4, "step 3")
        assert read_fraction(tmp_path) == (0.75, "step 3")
        assert names_in(tmp_path) == [progress.FILE_NAME]
    assert names_in(tmp_path) == []


def test_progress_is_written_no_more_often_than_the_minimum_interval(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_WRITES", 3600.0)
    with Progress(tmp_path) as reporter:
        reporter.report(1, 2)
        assert read_fraction(tmp_path)[0] == 0.0


def test_two_threads_that_report_on_one_run_do_not_interfere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
    assert names_in(tmp_path) == [progress.FILE_NAME]
    assert read_fraction(tmp_path) == (299 / 300, "")


@pytest.mark.parametrize(
    "content",
    [b"", b'{"done": 3, "to', b"null", b"[3, 4]", b'{"done": 3}', b'{"done": "3", "total": 4, "note": ""}', b"\xff\xfe"],
)
def test_a_torn_progress_file_is_read_as_no_progress(tmp_path: Path, content: bytes) -> None:
    (tmp_path / progress.FILE_NAME).write_bytes(content)
    assert read_fraction(tmp_path) == (0.0, "")


def test_a_missing_progress_file_is_read_as_no_progress(tmp_path: Path) -> None:
    assert read_fraction(tmp_path) == (0.0, "")
    assert read_fraction(tmp_path / "absent") == (0.0, "")


@pytest.mark.parametrize(("done", "total", "fraction"), [(0, 4, 0.0), (4, 4, 1.0), (5, 4, 1.0), (0, 0, 0.0)])
def test_the_fraction_stays_between_zero_and_one(tmp_path: Path, done: int, total: int, fraction: float) -> None:
    (tmp_path / progress.FILE_NAME).write_text(json.dumps({"done": done, "total": total, "note": "n"}))
    assert read_fraction(tmp_path) == (fraction, "n")
