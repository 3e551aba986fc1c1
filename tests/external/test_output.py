"""Of the output of a run, the beginning and the end are kept."""

from pathlib import Path

from perturb.external.output import BEGINNING, END, excerpt_of, excerpt_of_file


def test_short_output_is_kept_whole(tmp_path: Path) -> None:
    path = tmp_path / "output.txt"
    path.write_bytes("ü\n".encode() * 100)
    assert excerpt_of_file(path) == excerpt_of("ü\n" * 100) == "ü\n" * 100


def test_of_long_output_beginning_and_end_are_kept_and_the_rest_is_counted(tmp_path: Path) -> None:
    path, size = tmp_path / "output.txt", 10_000_000
    path.write_bytes(b"a" * (size - END) + b"b" * END)
    expected = "a" * BEGINNING + f"\n[{size - BEGINNING - END:,} bytes are left out here]\n" + "b" * END
    assert excerpt_of_file(path) == excerpt_of(path.read_text()) == expected


def test_what_is_no_text_is_shown_as_such(tmp_path: Path) -> None:
    path = tmp_path / "output.txt"
    path.write_bytes(b"a\xffb")
    assert excerpt_of_file(path) == "a\ufffdb"
    assert excerpt_of("a\ud800b") == "a\\ud800b"
