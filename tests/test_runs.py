"""The store: what identifies a run, the order in which runs are built, and what is stored of them."""

import math
import os
import time
from pathlib import Path
from typing import Any

import pytest
from small_runs import Recorder, Seeded, Word, names_in, small_store, word_spec, write_word

from perturb.files import read_json, sha256_of
from perturb.locks import LOCK
from perturb.runs import MANIFEST, StageContext, read_result


@pytest.mark.parametrize(
    "changed",
    [
        {"kind": "image"},
        {"version": 2},
        {"config": Word(text="b")},
        {"config": Word(size=2)},
        {"inputs": {}},
        {"inputs": {"before": word_spec("y")}},
        {"inputs": {"after": word_spec("x")}},
        {"inputs": {"before": word_spec("x", {"deep": word_spec("z")})}},
    ],
    ids=["kind", "version", "config", "default", "no input", "other input", "name of the input", "input of the input"],
)
def test_the_id_depends_on_everything_that_determines_the_run(changed: dict[str, Any]) -> None:
    inputs = {"before": word_spec("x")}
    assert word_spec(inputs=inputs).id != word_spec(**{"inputs": inputs} | changed).id


def test_the_id_does_not_depend_on_label_cost_and_order_of_the_inputs() -> None:
    x, y = word_spec("x"), word_spec("y")
    one = word_spec(inputs={"x": x, "y": y}, label="one", cost=1.0)
    assert one.id == word_spec(inputs={"y": y, "x": x}, label="another", cost=99.0).id


def test_the_id_never_changes() -> None:
    # SHA-256 of {"config":{"size":1,"text":"a"},"inputs":{},"kind":"word","version":1}
    assert word_spec().id == "word-8b83997c980deab7"


def test_inputs_are_built_first_and_only_once(tmp_path: Path) -> None:
    recorder = Recorder()
    store = small_store(tmp_path, recorder)
    root = word_spec("r")
    top = word_spec("t", {"left": word_spec("a", {"root": root}), "right": word_spec("b", {"root": root})})
    assert store.ensure(top) == "built"
    assert recorder.built == ["r", "a", "b", "t"]
    assert (store.path(top) / "word.txt").read_text() == "rarbt"
    assert store.ensure(top) == "reused"
    assert store.ensure(root) == "reused"
    assert recorder.built == ["r", "a", "b", "t"]


def test_another_store_on_the_same_folder_reuses_its_runs(tmp_path: Path) -> None:
    small_store(tmp_path).ensure(word_spec())
    recorder = Recorder()
    assert small_store(tmp_path, recorder).ensure(word_spec(label="other words")) == "reused"
    assert recorder.built == []


def test_the_manifest_lists_the_inputs_and_every_output_file(tmp_path: Path) -> None:
    def build(context: StageContext) -> dict[str, Any]:
        (context.out / "deep").mkdir()
        (context.out / "deep" / "b.bin").write_bytes(bytes(1_000))
        return write_word(context) | {"score": 0.25}

    store, first = small_store(tmp_path, build), word_spec("x")
    spec = word_spec("a", {"before": first}, label="a label")
    store.ensure(spec)
    found, folder = read_json(store.path(spec) / MANIFEST), store.path(spec)
    assert names_in(folder) == ["deep", MANIFEST, "word.txt"]
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
    assert store.result(spec, dict) == found["result"]
    assert found["built"]["device"] == "cpu"


def test_a_finished_run_leaves_no_scratch_folder(tmp_path: Path) -> None:
    def build(context: StageContext) -> dict[str, Any]:
        (context.scratch / "checkpoint").write_text("weights")
        return write_word(context)

    store = small_store(tmp_path, build)
    store.ensure(word_spec())
    assert names_in(store.root / "scratch") == []
    assert names_in(store.root / "runs") == [word_spec().id]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_builder_that_raises_leaves_no_run_but_its_scratch_folder_for_the_next_try(
    tmp_path: Path, error: type[BaseException]
) -> None:
    def build(context: StageContext) -> dict[str, Any]:
        checkpoint = context.scratch / "checkpoint"
        if checkpoint.exists():
            return write_word(context) | {"found": checkpoint.read_text()}
        checkpoint.write_text("step 5")
        (context.out / "word.txt").write_text("ha")
        raise error

    store, spec = small_store(tmp_path, build), word_spec()
    with pytest.raises(error):
        store.ensure(spec)
    assert not store.is_complete(spec)
    assert names_in(store.root / "runs") == []
    assert names_in(store.root / "scratch") == [spec.id]
    assert names_in(store.scratch(spec)) == ["checkpoint", LOCK]
    assert not store.is_being_built(spec)
    assert store.ensure(spec) == "built"
    assert store.result(spec, dict) == {"letters": 1, "found": "step 5"}
    assert names_in(store.root / "scratch") == []


def test_an_input_that_raises_prevents_the_run_from_being_built(tmp_path: Path) -> None:
    def build(context: StageContext) -> dict[str, Any]:
        if context.spec.label == "broken":
            raise RuntimeError("no")
        return write_word(context)

    store = small_store(tmp_path, build)
    sound, top = word_spec("x"), word_spec("a", {"first": word_spec("x"), "second": word_spec("broken")})
    with pytest.raises(RuntimeError, match="no"):
        store.ensure(top)
    assert names_in(store.root / "runs") == [sound.id]


def test_a_result_that_is_not_valid_json_creates_no_run(tmp_path: Path) -> None:
    store = small_store(tmp_path, lambda context: write_word(context) | {"score": math.nan})
    with pytest.raises(ValueError, match="not JSON compliant"):
        store.ensure(word_spec())
    assert names_in(store.root / "runs") == []


def test_a_result_with_integer_keys_is_read_back_with_string_keys(tmp_path: Path) -> None:
    scores = {number: number / 20 for number in range(12)}  # 2 sorts before 10, but "10" before "2"
    store, spec = small_store(tmp_path, lambda context: write_word(context) | {"scores": scores}), word_spec()
    store.ensure(spec)
    assert read_result(store.path(spec), dict)["scores"] == {str(number): score for number, score in scores.items()}


def test_a_run_directory_without_a_manifest_is_not_complete(tmp_path: Path) -> None:
    store, spec = small_store(tmp_path), word_spec()
    store.path(spec).mkdir(parents=True)
    assert not store.is_complete(spec)
    assert store.ensure(spec) == "built"
    assert store.is_complete(spec)


def _touch(path: Path, *, hours_ago: float) -> None:
    os.utime(path, (time.time() - hours_ago * 3600,) * 2)


def test_only_scratch_folders_without_recent_changes_are_garbage(tmp_path: Path) -> None:
    store = small_store(tmp_path)
    store.ensure(word_spec())
    scratch = store.root / "scratch"
    for name in ("stale", "empty", "fresh", "fresh-deep-inside"):
        (scratch / name / "deep").mkdir(parents=True)
        (scratch / name / "deep" / "checkpoint").write_text("weights")
    (scratch / "empty" / "deep" / "checkpoint").unlink()
    for path in [*scratch.rglob("*"), scratch, *store.path(word_spec()).rglob("*"), store.path(word_spec())]:
        _touch(path, hours_ago=3)
    _touch(scratch / "fresh", hours_ago=1)
    _touch(scratch / "fresh-deep-inside" / "deep" / "checkpoint", hours_ago=1)
    assert sorted(path.name for path in store.collect_garbage(older_than_hours=2)) == ["empty", "stale"]
    assert names_in(scratch) == ["fresh", "fresh-deep-inside"]
    assert store.is_complete(word_spec())


def test_there_is_no_garbage_where_nothing_ever_ran(tmp_path: Path) -> None:
    assert small_store(tmp_path).collect_garbage(older_than_hours=0) == []
    assert not (tmp_path / "artifacts").exists()


def test_runs_of_a_family_differ_only_in_their_seeds_and_those_of_their_inputs() -> None:
    patterns = [word_spec("pattern", config=Seeded(seed=seed)) for seed in range(2)]
    trainings = [word_spec(config=Seeded(seed=seed), inputs={"images": patterns[seed]}) for seed in range(2)]
    assert trainings[0].family == trainings[1].family
    other = word_spec(config=Seeded(text="another pattern", seed=0))
    assert word_spec(config=Seeded(seed=0), inputs={"images": other}).family != trainings[0].family
    assert word_spec(config=Seeded(seed=0), inputs={"pictures": patterns[0]}).family != trainings[0].family
