"""Entries: validation with all reasons for a refusal, and what is computed from them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_entries import entry_as_json, made_entry, write_raw

from perturb.entries.entry import LARGEST_ENTRY, Entry, FileHash, could_see, rows_of, scores_of, write_entry
from perturb.entries.rules import check_entry, read_entry, reasons_against
from perturb.errors import UserError
from perturb.statistics.intervals import over_clusters

OTHER = "f" * 64
KNOWN = {
    "discs": (
        FileHash(variant="original", images_sha256=f"{0:064x}"),
        FileHash(variant="modified", images_sha256=f"{1:064x}", recipe_sha256="a" * 64),
    )
}


def _change(*path: str | int, to: Any) -> Callable[[dict], None]:
    def change(value: dict) -> None:
        for key in path[:-1]:
            value = value[key]
        value[path[-1]] = to

    return change


def _drop(*path: str | int) -> Callable[[dict], None]:
    def change(value: dict) -> None:
        for key in path[:-1]:
            value = value[key]
        del value[path[-1]]

    return change


def _without_original(value: dict) -> None:
    value["runs"] = [run for run in value["runs"] if run["variant"] != "original"]
    value["dataset"]["files"] = value["dataset"]["files"][1:]


BAD = {
    "unknown metric": (_change("metrics", 0, "name", to="fid"), "The metric fid is unknown; those there are: mig, dci"),
    "metric twice": (lambda e: e["metrics"].append(e["metrics"][0]), "The metric mig is listed 2 times."),
    "settings": (_change("metrics", 0, "settings", "num_bins", to=1), "The settings of mig cannot be used: `num_bins`"),
    "too high": (
        _change("runs", 0, "scores", "mig", to=1.2),
        "MIG on original, seed 0 is 1.2, and must lie between 0 and 1",
    ),
    "negative": (_change("runs", 3, "scores", "mig", to=-0.1), "MIG on modified, seed 1 is -0.1, and must lie"),
    "NaN": (_change("runs", 0, "scores", "mig", to=float("nan")), "`runs.0.scores.mig`: input should be a finite number"),
    "other scores": (
        _change("runs", 0, "scores", to={"dci": 0.1}),
        "must have mig, each either as a score or as refused, got dci.",
    ),
    "score and refusal": (
        _change("runs", 0, "refused", to={"mig": "too few rows"}),
        "must have mig, each either as a score or as refused, got mig, mig.",
    ),
    "neither": (_change("runs", 0, "scores", to=None), "original, seed 0 must have either scores or the reason"),
    "both": (_change("runs", 0, "failure", to="broke"), "original, seed 0 must have either scores or the reason"),
    "twice": (lambda e: e["runs"].append(e["runs"][2]), "The variant modified has 2 runs of seed 0."),
    "no original": (_without_original, "There are no runs on the original, with which all others are compared."),
    "no pairs": (_change("runs", 3, "seed", to=7), "`seeds` are 0, 1, and it has runs of 0, 7."),
    "seeds twice": (_change("seeds", to=[0, 1, 1]), "The numbers in `seeds` must differ."),
    "draw of the original": (
        lambda e: [e["runs"].append({**r, "draw": 1}) for r in e["runs"][:2]],
        "The original has no pattern to draw, so its runs must have draw 0, got 1.",
    ),
    "no hash": (_drop("dataset", "files", 1), "The variant modified has runs, and dataset.files has no hash of its images."),
    "hash without runs": (
        lambda e: e["dataset"]["files"].append({"variant": "noise", "images_sha256": OTHER}),
        "The variant noise is in dataset.files and has no runs.",
    ),
    "hash twice": (
        lambda e: e["dataset"]["files"].append(e["dataset"]["files"][0]),
        "dataset.files lists the variant original 2 times.",
    ),
    "images": (
        _change("dataset", "files", 1, "images_sha256", to=OTHER),
        f"images of discs's variant modified are not the published ones: their sha256 must be {1:064x}, got {OTHER}.",
    ),
    "images without a published recipe": (
        lambda e: e["dataset"]["files"][0].update(images_sha256=OTHER, recipe_sha256=None),
        "images of discs's variant original are not the published ones",
    ),
    "another draw": (
        lambda e: (e["dataset"]["files"][1].update(draw=1), [r.update(draw=1) for r in e["runs"][2:]]),
        "discs has no variant modified, pattern 1; your own images need another dataset name.",
    ),
    "ground truth": (
        lambda e: e["dataset"].update(name="dsprites", ground_truth="mini"),
        "dataset.ground_truth must be dsprites, as that benchmark's, got mini.",
    ),
    "images of another benchmark": (
        lambda e: e["dataset"].update(name="dsprites", ground_truth="dsprites"),
        "The images of dsprites's variant original are those of discs.",
    ),
    "no ε": (_change("dataset", "epsilon", to=0.0), "dataset.epsilon must be above 0, because there are images of other"),
    "level": (_change("confidence", "level", to=0.9), "confidence.level must be 0.95, as in all tables, got 0.9."),
    "unknown key": (_change("notes", to="hello"), "The key `notes` is unknown; remove it or correct its name."),
    "unknown key of a run": (_change("runs", 1, "loss", to=1.0), "The key `runs.1.loss` is unknown"),
    "missing key": (_drop("seeds"), "The key `seeds` is missing."),
    "no runs": (_change("runs", to=[]), "`runs`: tuple should have at least 1 item"),
    "format": (_change("format_version", to=2), "`format_version`: input should be 1, got 2."),
    "how": (_change("how", to="magic"), "`how`: input should be 'pipeline', 'fit', 'loop', 'encoder' or 'codes'"),
    "lines in a name": (_change("model", to="a\nb"), "`model`: must be one line of printable characters"),
    "long name": (_change("model", to="x" * 81), "`model`: string should have at most 80 characters"),
    "text as seed": (_change("runs", 0, "seed", to="0"), "`runs.0.seed`: input should be a valid integer"),
    "hash": (
        _change("dataset", "files", 0, "images_sha256", to="abc"),
        "`dataset.files.0.images_sha256`: string should match",
    ),
    "epsilon": (
        _change("dataset", "epsilon", to=1.5),
        "`dataset.epsilon`: input should be less than or equal to 1, got 1.5.",
    ),
}
"""A change to a valid entry, and part of the expected reason."""


@pytest.mark.parametrize("name", BAD)
def test_an_entry_that_breaks_a_rule_is_refused_with_the_reason(name: str, tmp_path: Path) -> None:
    change, reason = BAD[name]
    value = entry_as_json()
    change(value)
    entry, reasons = check_entry(write_raw(tmp_path / "e.json", value), KNOWN)
    assert entry is None
    assert any(reason in sentence for sentence in reasons), reasons
    assert all(sentence.endswith(".") and "\n" not in sentence for sentence in reasons)


def test_a_valid_entry_is_accepted_and_read_back_as_written(tmp_path: Path) -> None:
    path = write_raw(tmp_path / "e.json", entry_as_json())
    entry = read_entry(path, KNOWN)
    write_entry(path, entry)
    assert read_entry(path, KNOWN) == entry


def test_date_links_and_what_was_seen_are_optional_and_preserved(tmp_path: Path) -> None:
    about = {
        "date": "2026-11-27",
        "paper": "https://example.org/p",
        "code": "http://example.org:80/c?x#y",
        "sees": "pairs",
    }
    entry = read_entry(write_raw(tmp_path / "e.json", entry_as_json() | about), KNOWN)
    assert about.items() <= entry.model_dump(mode="json").items()
    assert not about.keys() & made_entry().model_dump(mode="json").keys()


BAD_LINKS = {
    "script": "javascript:alert(1)", "data": "data:text/html,x", "file": "file:///etc/passwd", "no scheme": "example.org",
    "no host": "https://", "user": "https://good.org@evil.org", "space": "https://a b.org", "line": "https://a.org/\nb",
    "quote": 'https://a.org/"onclick="x', "turned text": "https://a.org/\u202egro", "host": "http://[::1", "port": "http://a:99999",
    "long": f"https://a.org/{'x' * 600}", "number": 7,
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_LINKS)
@pytest.mark.parametrize("field", ["paper", "code"])
def test_only_web_addresses_are_accepted_as_links(field: str, name: str, tmp_path: Path) -> None:
    entry, reasons = check_entry(write_raw(tmp_path / "e.json", entry_as_json() | {field: BAD_LINKS[name]}), KNOWN)
    assert entry is None
    assert len(reasons) == 1
    assert reasons[0].startswith(f"`{field}`: ")


@pytest.mark.parametrize("change", [{"date": "27.11.2026"}, {"date": "2026-02-30"}, {"sees": "everything"}])
def test_invalid_dates_and_unknown_values_of_sees_are_refused(change: dict[str, str], tmp_path: Path) -> None:
    entry, reasons = check_entry(write_raw(tmp_path / "e.json", entry_as_json() | change), KNOWN)
    assert entry is None
    assert reasons[0].startswith(f"`{next(iter(change))}`: ")


def test_all_reasons_are_reported_at_once(tmp_path: Path) -> None:
    value = entry_as_json()
    for name in ("too high", "no pairs", "level", "images"):
        BAD[name][0](value)
    path = write_raw(tmp_path / "e.json", value)
    _, reasons = check_entry(path, KNOWN)
    assert len(reasons) == 4
    with pytest.raises(UserError) as caught:
        read_entry(path, KNOWN)
    assert str(caught.value) == f"{path} is not an entry that can be used: {' '.join(reasons)}"


def test_only_the_first_of_many_reasons_are_reported(tmp_path: Path) -> None:
    value = entry_as_json(original=[2.0] * 50)
    _, reasons = check_entry(write_raw(tmp_path / "e.json", value))
    assert len(reasons) == 21
    assert reasons[-1] == "There are 30 more reasons."


def test_images_from_another_machine_are_accepted_by_the_hash_of_their_recipe(tmp_path: Path) -> None:
    value = entry_as_json()
    value["dataset"]["files"][1] |= {"images_sha256": OTHER, "recipe_sha256": "a" * 64}
    assert check_entry(write_raw(tmp_path / "e.json", value), KNOWN)[1] == []


def test_images_of_an_unknown_benchmark_are_accepted(tmp_path: Path) -> None:
    value = entry_as_json()
    value["dataset"] |= {"name": "someone's"}
    assert check_entry(write_raw(tmp_path / "e.json", value), KNOWN)[1] == []


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{", "The file is not JSON: EOF while parsing an object"),
        (b"\xff\xfe", "The file is not JSON: "),
        (b"[1]", "``: input should be an object"),
        (b"[" * 100_000, "The file is not JSON: recursion limit exceeded"),
        (
            b'{"runs": [' + b"1," * 20_000 + b"1]}",
            "The file does not have the form of an entry: 20,010 of its values are wrong.",
        ),
        (
            b" " * (LARGEST_ENTRY + 1),
            f"The file cannot be read (it has more than {LARGEST_ENTRY:,} bytes).",
        ),
        (None, "The file cannot be read (No such file or directory)."),
    ],
    ids=["torn", "binary", "list", "deep", "many problems", "large", "absent"],
)
def test_an_invalid_entry_file_is_refused(content: bytes | None, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "e.json"
    if content is not None:
        path.write_bytes(content)
    entry, reasons = check_entry(path)
    assert entry is None
    assert reason in reasons[0]


def test_rows_are_the_paired_differences_of_the_entrys_runs() -> None:
    original, modified = rows_of(made_entry(original=[0.6, 0.5, 0.4], modified=[0.3, 0.1, None]))
    assert (original.n, original.mean, original.difference) == (3, pytest.approx(0.5), None)
    assert (modified.n, modified.failed, modified.pairs) == (2, 1, 2)
    assert modified.difference == pytest.approx(-0.35)
    assert (modified.ci_low, modified.ci_high) == pytest.approx(over_clusters(np.array([[-0.3, -0.4]])).interval)


def test_runs_on_another_pattern_count_together_with_those_on_the_first() -> None:
    value = made_entry().model_dump()
    value["runs"] += tuple({**run, "draw": 1} for run in value["runs"] if run["variant"] == "modified")
    value["dataset"]["files"] += ({**value["dataset"]["files"][1], "draw": 1},)
    original, modified = rows_of(Entry.model_validate(value))
    assert (original.draws, modified.draws) == (1, 2)
    assert modified.n == 2 * original.n


def test_each_seed_may_be_trained_on_its_own_pattern() -> None:
    value = made_entry().model_dump()
    value["runs"] = tuple({**run, "draw": run["seed"] if run["variant"] == "modified" else 0} for run in value["runs"])
    value["dataset"]["files"] += ({**value["dataset"]["files"][1], "draw": 1},)
    assert reasons_against(Entry.model_validate(value), {}) == []


@pytest.mark.parametrize(
    ("said", "expected"),
    [({}, False), ({"over_pruned": True}, True), ({"pruned_units": 2}, True), ({"pruned_units": 0}, False)],
    ids=["nothing", "over-pruned", "units, as before", "no units, as before"],
)
def test_a_run_is_over_pruned_if_the_entry_says_so(said: dict[str, Any], expected: bool) -> None:
    value = made_entry().model_dump()
    value["runs"] = tuple(run | said for run in value["runs"])
    assert {score.over_pruned for score in scores_of(Entry.model_validate(value))} == {expected}


def test_the_resampling_settings_of_older_entries_are_read_but_no_longer_written(tmp_path: Path) -> None:
    value = entry_as_json() | {"confidence": {"level": 0.95, "resamples": 10_000, "seed": 3}}
    older, newer = Entry.model_validate_json(json.dumps(value)), made_entry()
    assert rows_of(older) == rows_of(newer)
    write_entry(tmp_path / "entry.json", newer)
    assert json.loads((tmp_path / "entry.json").read_text(encoding="utf-8"))["confidence"] == {"level": 0.95}


def test_a_run_may_state_why_it_has_no_value_of_a_metric(tmp_path: Path) -> None:
    value = entry_as_json()
    value["metrics"].append({"name": "mcc", "settings": {"num_train": 10_000}})
    for run in value["runs"]:
        run["refused"] = {"mcc": "one latent"}
    entry = read_entry(write_raw(tmp_path / "e.json", value))
    rows = {(row.metric, row.variant): row for row in rows_of(entry)}
    assert (rows["mcc", "modified"].refused, rows["mcc", "modified"].failed, rows["mcc", "modified"].mean) == (2, 0, None)
    assert (rows["mig", "modified"].refused, rows["mig", "modified"].n) == (0, 2)
    assert Entry.model_validate_json(entry.model_dump_json()) == entry


@pytest.mark.parametrize(
    ("how", "settings", "seen"),
    [
        ("fit", {}, "labels"),
        ("loop", {}, "images"),
        ("codes", {"objective": {"kind": "beta_vae"}}, "not known"),
        ("pipeline", {"objective": {"kind": "beta_vae"}}, "images"),
        ("pipeline", {"objective": {"kind": "slow_vae"}}, "pairs"),
        ("pipeline", {"objective": {"kind": "weakly_supervised_gan"}}, "labels"),
        ("pipeline", {"objective": ["no", "kind"]}, "not known"),
    ],
)
def test_what_a_training_could_see_follows_from_how_it_was_made(how: str, settings: dict, seen: str) -> None:
    assert could_see(made_entry().model_copy(update={"how": how, "settings": settings})) == seen
