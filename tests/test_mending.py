"""Damaged runs are detected when they are read, set aside and rebuilt. Files that are not read are not verified."""

import json
import logging
import os
import pickle
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from damage import DAMAGES, flip
from small_runs import Recorder, names_in, small_store, word_spec

from perturb import proofs
from perturb.errors import UserError
from perturb.files import read_json, write_json
from perturb.manifests import DamagedRun, read_manifest, read_result, run_file, run_files
from perturb.runs import MANIFEST, RunSpec, Stage, StageContext, Store

Damage = Callable[[Path], None]


def _write_proved(context: StageContext) -> dict[str, Any]:
    """Write the words of the inputs, read as stages read them, followed by the word of this run."""
    before = "".join(run_file(folder, "word.txt").read_text() for folder in context.inputs.values())
    (context.out / "word.txt").write_text(before + context.spec.config.text)
    return {"letters": len(before) + 1}


class Proving(Recorder):
    """Stage that builds runs from verified inputs and records their labels."""

    def __call__(self, context: StageContext) -> dict[str, Any]:
        found = _write_proved(context)
        self.built.append(context.spec.label)
        return found


def _chain() -> tuple[RunSpec, RunSpec, RunSpec]:
    first = word_spec("a")
    second = word_spec("b", {"before": first})
    return first, second, word_spec("c", {"before": second})


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_input_is_set_aside_and_rebuilt(damage: Damage, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    recorder = Proving()
    store, (_, second, third) = small_store(tmp_path, recorder), _chain()
    store.ensure(second)
    whole = (store.path(second) / "word.txt").read_bytes()
    damage(store.path(second) / "word.txt")
    assert store.ensure(third) == "built"
    assert recorder.built == ["a", "b", "b", "c"]
    assert (store.path(third) / "word.txt").read_text() == "abc"
    assert (store.path(second) / "word.txt").read_bytes() == whole
    (aside,) = (store.root / "damaged").glob("*/*")
    (message,) = caplog.messages
    assert message.startswith(f"{store.path(second) / 'word.txt'} ")
    assert message.endswith(f": the run is set aside in {aside} and will be rebuilt.")
    assert names_in(store.root / "scratch") == []


def test_damage_further_upstream_is_found_when_a_damaged_run_is_rebuilt(tmp_path: Path) -> None:
    recorder = Proving()
    store, (first, second, third) = small_store(tmp_path, recorder), _chain()
    store.ensure(second)
    for spec in (first, second):
        flip(store.path(spec) / "word.txt")
    store.ensure(third)
    assert recorder.built == ["a", "b", "a", "b", "c"]
    assert (store.path(third) / "word.txt").read_text() == "abc"


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.write_text("{"),
        lambda path: path.write_text("[]"),
        lambda path: path.write_bytes(b"\xff\x00"),
        lambda path: path.write_text("[" * 100_000),
        lambda path: path.write_text(path.read_text().replace('"letters": 2', '"letters": 3')),
        lambda path: path.write_text(path.read_text().replace('"text": "b"', '"text": "x"')),
    ],
    ids=["torn", "a list", "not UTF-8", "nested too deeply", "result changed", "config changed"],
)
def test_an_unreadable_or_altered_manifest_counts_as_damage(change: Damage, tmp_path: Path) -> None:
    recorder = Proving()
    store, (_, second, third) = small_store(tmp_path, recorder), _chain()
    store.ensure(second)
    change(store.path(second) / MANIFEST)
    with pytest.raises(DamagedRun):
        store.result(second, dict)
    store.ensure(third)
    assert recorder.built == ["a", "b", "b", "c"]
    assert store.result(second, dict) == {"letters": 2}


def test_the_manifest_of_another_run_counts_as_damage(tmp_path: Path) -> None:
    store, other = small_store(tmp_path), word_spec("z")
    store.ensure_all([word_spec(), other])
    (store.path(other) / MANIFEST).write_bytes((store.path(word_spec()) / MANIFEST).read_bytes())
    with pytest.raises(DamagedRun, match=f"belongs to {word_spec().id}"):
        store.result(other, dict)


def test_reformatted_manifests_and_old_manifests_without_a_hash_are_accepted(tmp_path: Path) -> None:
    store, spec = small_store(tmp_path), word_spec()
    store.ensure(spec)
    path = store.path(spec) / MANIFEST
    content = read_json(path)
    path.write_text(json.dumps(content))
    assert store.result(spec, dict) == {"letters": 1}
    del content["sha256"]
    write_json(path, content)
    assert read_result(store.path(spec), dict) == {"letters": 1}
    assert run_files(store.path(spec)) == ["word.txt"]


def test_only_files_that_are_read_are_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, (first, second, third) = small_store(tmp_path, _write_proved), _chain()
    store.ensure(third)
    flip(store.path(second) / "word.txt")
    assert store.ensure(third) == "reused"
    assert store.result(second, dict) == {"letters": 2}
    monkeypatch.setattr(proofs, "sha256_of", None)
    store.set_aside_damaged([first, second, third])
    assert read_manifest(store.path(second))["kind"] == "word"


def test_runs_that_will_be_read_whole_can_be_verified_in_advance(tmp_path: Path) -> None:
    store, (first, second, third) = small_store(tmp_path, _write_proved), _chain()
    store.ensure(third)
    flip(store.path(second) / "word.txt")
    flip(store.path(third) / "word.txt")
    store.set_aside_damaged([first, second, third], whole=[third])
    assert [store.is_complete(spec) for spec in (first, second, third)] == [True, True, False]


def test_a_file_pattern_must_match_exactly_one_file_of_the_run(tmp_path: Path) -> None:
    def build(context: StageContext) -> dict[str, Any]:
        for name in ("one.h5", "two.h5"):
            (context.out / name).write_text(name)
        return {}

    store = small_store(tmp_path, build)
    store.ensure(word_spec())
    run = store.path(word_spec())
    (run / "stray.npy").write_text("not part of the run")
    assert run_file(run, "two.h5") == run / "two.h5"
    assert run_files(run) == ["one.h5", "two.h5"]
    for pattern in ("*.h5", "*.npy"):
        with pytest.raises(DamagedRun, match="must list one file"):
            run_file(run, pattern)


def test_damage_found_outside_a_build_is_reported_with_the_remedy(tmp_path: Path) -> None:
    store, spec = small_store(tmp_path), word_spec()
    store.ensure(spec)
    flip(store.path(spec) / "word.txt")
    run = store.path(spec)
    with pytest.raises(UserError) as caught:
        run_file(run, "word.txt")
    expected = (
        f"{run}/word.txt does not have the bytes that were recorded when it was written, so this run is damaged; remove the "
        f"folder {run} and run the same command again to rebuild it."
    )
    assert str(caught.value) == expected
    travelled = pickle.loads(pickle.dumps(caught.value))
    assert (str(travelled), travelled.run, travelled.file) == (expected, run, "word.txt")


def test_rebuilding_is_given_up_if_the_rebuilt_run_is_damaged_too(tmp_path: Path) -> None:
    def build(context: StageContext) -> dict[str, Any]:
        return _write_proved(context)

    class Rotten(Store):
        def _publish(self, out: Path, final: Path) -> None:
            super()._publish(out, final)
            if final.name == word_spec("a").id:
                flip(final / "word.txt")

    store = Rotten(tmp_path / "artifacts", {"word": Stage(version=1, build=build)})
    with pytest.raises(DamagedRun, match=r"word\.txt"):
        store.ensure(word_spec("b", {"before": word_spec("a")}))
    assert len(names_in(store.root / "damaged")) == 1


def test_concurrent_readers_of_a_damaged_run_rebuild_it_once(tmp_path: Path) -> None:
    recorder, first = Proving(), word_spec("a")
    small_store(tmp_path, recorder).ensure(first)
    flip(tmp_path / "artifacts" / "runs" / first.id / "word.txt")
    readers = [word_spec(text, {"before": first}) for text in "xyz"]
    threads = [threading.Thread(target=small_store(tmp_path, recorder).ensure, args=(spec,)) for spec in readers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    store = small_store(tmp_path)
    assert [(store.path(spec) / "word.txt").read_text() for spec in readers] == ["ax", "ay", "az"]
    assert recorder.built.count("a") == 2
    assert len(names_in(store.root / "damaged")) == 1


def test_a_rebuild_with_different_content_warns_about_runs_made_from_the_old_content(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    words = iter(["one", "two"])

    def build(context: StageContext) -> dict[str, Any]:
        if context.inputs:
            return _write_proved(context)
        (context.out / "word.txt").write_text(next(words))
        return {}

    store, first = small_store(tmp_path, build), word_spec("a")
    second, third = (word_spec(text, {"before": first}) for text in "bc")
    store.ensure(second)
    flip(store.path(first) / "word.txt")
    store.ensure(third)
    assert (store.path(third) / "word.txt").read_text() == "twoc"
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warnings[1] == (
        f"{store.path(first)}: rebuilt, but word.txt differs from the record, as can happen with another device, stack or "
        f"version; finished runs made from the earlier content are kept: {second.id}. Remove them to have them rebuilt."
    )


def test_an_input_run_that_disappears_during_a_build_is_rebuilt(tmp_path: Path) -> None:
    store, first = small_store(tmp_path), word_spec("a")
    removed = []

    def build(context: StageContext) -> dict[str, Any]:
        if context.inputs and not removed:
            removed.append(True)
            os.rename(context.inputs["before"], tmp_path / "elsewhere")
        return _write_proved(context)

    store = small_store(tmp_path, build)
    store.ensure(word_spec("b", {"before": first}))
    assert store.is_complete(first)
