"""The beginning and the end of the output of a run are kept."""

from pathlib import Path

from perturb.external.output import BEGINNING, END, excerpt_of, excerpt_of_file


def test_short_output_is_kept_whole(tmp_path: Path) -> None:
    path = tmp_path / "output.txt"
    path.write_bytes("ü\n".encode() * 100)
    assert excerpt_of_file(path) == excerpt_of("ü\n" * 100) == "ü\n" * 100


def test_long_output_keeps_its_beginning_and_end_and_counts_the_omitted_bytes(tmp_path: Path) -> None:
    path, size = tmp_path / "output.txt", 10_000_000
    path.write_bytes(b"a" * (size - END) + b"b" * END)
    expected = "a" * BEGINNING + f"\n[{size - BEGINNING - END:,} bytes are left out here]\n" + "b" * END
    assert excerpt_of_file(path) == excerpt_of(path.read_text()) == expected


def test_invalid_bytes_and_surrogates_in_the_output_are_made_visible(tmp_path: Path) -> None:
    path = tmp_path / "output.txt"
    path.write_bytes(b"a\xffb")
    assert excerpt_of_file(path) == "a\ufffdb"
    assert excerpt_of("a\ud800b") == "a\\ud800b"
