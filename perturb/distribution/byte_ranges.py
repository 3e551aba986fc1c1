"""The Range header of HTTP, RFC 9110 section 14: single ranges of bytes."""

from re import fullmatch


class UnsatisfiableRange(Exception):
    """The range lies beyond the file: status 416."""


def requested_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Return which bytes are asked for.

    Args:
        header: value of Range.
        size: of the file, in bytes.

    Returns:
        (first, end), end exclusive; None for the whole file: no header, another unit, a malformed one, several ranges. The
        RFC lets a server ignore what it does not support.

    Raises:
        UnsatisfiableRange: no byte of the file lies in it.

    """
    found = fullmatch(r"bytes=\s*([0-9]{0,19})-([0-9]{0,19})\s*", header or "")
    if not found or not (found[1] or found[2]):
        return None
    if not found[1]:
        first, end = max(0, size - int(found[2])), size
    else:
        first, end = int(found[1]), min(size, int(found[2] or size) + 1)
        if found[2] and int(found[2]) < first:
            return None
    if first >= size:
        raise UnsatisfiableRange
    return first, end
