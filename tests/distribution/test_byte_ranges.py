import pytest

from perturb.distribution.byte_ranges import UnsatisfiableRange, requested_range


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=0-", (0, 10)),
        ("bytes=3-5", (3, 6)),
        ("bytes=3-9", (3, 10)),
        ("bytes=3-10000", (3, 10)),
        ("bytes= 9-", (9, 10)),
        ("bytes=-1", (9, 10)),
        ("bytes=-10", (0, 10)),
        ("bytes=-9999", (0, 10)),
    ],
)
def test_a_range_is_cut_to_the_file(header: str, expected: tuple[int, int]) -> None:
    assert requested_range(header, 10) == expected


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=10-12", "bytes=-0", "bytes=9999999999999999999-"])
def test_a_range_beyond_the_file_is_unsatisfiable(header: str) -> None:
    with pytest.raises(UnsatisfiableRange):
        requested_range(header, 10)


@pytest.mark.parametrize("header", ["bytes=0-", "bytes=-5"])
def test_an_empty_file_has_no_ranges(header: str) -> None:
    with pytest.raises(UnsatisfiableRange):
        requested_range(header, 0)


@pytest.mark.parametrize(
    "header",
    [None, "", "bytes", "bytes=", "bytes=-", "bytes=5-3", "bytes=0-1,3-4", "bytes=a-b", "bytes=1", "bytes=+1-2",
     "bytes=٣-", "lines=0-1", "bytes=0x1-2", "bytes=1.0-2", "bytes=--1", "bytes=" + "9" * 5000 + "-"],
)  # fmt: skip
def test_what_is_malformed_or_more_than_one_range_means_the_whole_file(header: str | None) -> None:
    assert requested_range(header, 10) is None
