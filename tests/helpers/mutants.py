"""Mutants of valid files, reproducible by their seed."""

import copy
import io
import json
import random
import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

DEEP = "deep"
"""Placeholder for nested lists or tables, too deep to be built as Python objects."""
Mutator = Callable[[bytes, random.Random], bytes]
TEXTS = (
    "", " ", "\x00", "\x1b[2J\x1b]52;c;eA==\x07", "[/nope][red]", "two\nlines", "\u202e", "ψ" * 50, "x" * 300, "x" * 70_000,
    "../../etc/passwd", "/dev/zero", "/proc/self/mem", "~", "1e400", "nan", "<script>", "=1+1", "%n%s", "{}", "0" * 64,
)  # fmt: skip
NUMBERS = (
    0, -1, 1, 2, 255, 256, 2**31 - 1, 2**31, 2**32, 2**53 + 1, 2**63 - 1, 2**63, 2**64, -(2**63), 10**30, 10**400,
    0.0, -0.0, 0.5, 1e-320, 1e308, float("inf"), float("-inf"), float("nan"),
)  # fmt: skip
BYTES = (
    b"\x00" * 8,
    b"\xff" * 8,
    b"\x7f" + b"\xff" * 7,
    b"\x00" * 7 + b"\x80",
    b"\xef\xbb\xbf",
    b"\r\n",
    b"<html>",
    b"PK\x03\x04",
)


def flipped(content: bytes, rng: random.Random) -> bytes:
    """Flip one or several bits."""
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 8, 64))):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def cut(content: bytes, rng: random.Random) -> bytes:
    """Cut off the end."""
    return content[: rng.randrange(len(content))]


def overwritten(content: bytes, rng: random.Random) -> bytes:
    """Overwrite a few bytes with extreme numbers or signatures of other formats."""
    what, start = rng.choice(BYTES), rng.randrange(len(content))
    return content[:start] + what + content[start + len(what) :]


def spliced(content: bytes, rng: random.Random) -> bytes:
    """Delete, duplicate or move a part."""
    first, last = sorted(rng.randrange(len(content)) for _ in range(2))
    place = rng.randrange(len(content))
    return rng.choice(
        (
            content[:first] + content[last:],
            content[:last] + content[first:],
            content[:place] + content[first:last] + content[place:],
        )
    )


BINARY: tuple[Mutator, ...] = (flipped, cut, overwritten, spliced)


def of_json(content: bytes, rng: random.Random) -> bytes:
    """Replace a value anywhere in JSON by a hostile one, or remove or rename a key."""
    value = json.loads(content)
    for _ in range(rng.choice((1, 1, 1, 3))):
        places = list(_places(value))
        holder, key = rng.choice(places)
        if isinstance(holder, dict) and rng.random() < 0.3:
            rng.choice((_without, _renamed))(holder, key, rng)
        else:
            holder[key] = hostile(rng, holder[key])
    depth = rng.choice((50, 900, 3_000, 100_000))
    nested = rng.choice(("[" * depth + "1" + "]" * depth, '{"a":' * depth + "1" + "}" * depth))
    return json.dumps(value).replace(f'"{DEEP}"', nested).encode()


def hostile(rng: random.Random, old: Any = None) -> Any:
    """A value that a program may not anticipate."""
    kind = rng.randrange(8)
    if kind == 0:
        return [old] * rng.choice((0, 1, 2, 1_000))
    if kind == 1:
        return {rng.choice(TEXTS): old}
    if kind == 2:
        return rng.choice((None, True, False, [], {}))
    if kind == 3:
        return DEEP
    return rng.choice(TEXTS) if rng.random() < 0.5 else rng.choice(NUMBERS)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in list(keys):
        yield value, key
        yield from _places(value[key])


def _without(holder: dict, key: str, rng: random.Random) -> None:
    del holder[key]


def _renamed(holder: dict, key: str, rng: random.Random) -> None:
    holder[rng.choice((*TEXTS, "Name", "name", "format", key.upper()))] = holder.pop(key)


def of_toml(content: bytes, rng: random.Random) -> bytes:
    """Replace a word, possibly by deeply nested tables, or shuffle and drop lines."""
    text = content.decode()
    words = list(re.finditer(r"[\w.βψ-]+", text))
    word = rng.choice(words)
    lines = text.splitlines()
    kind = rng.randrange(7)
    if kind == 0:
        other = rng.choice(words)[0]
    elif kind == 1:
        other = json.dumps(rng.choice(TEXTS), ensure_ascii=False).replace("\x00", "\\u0000")
    elif kind == 2:
        other = str(rng.choice(NUMBERS))
    elif kind == 3:
        depth = rng.choice((10, 500, 5_000, 100_000))
        other = rng.choice(("[" * depth + "]" * depth, ".".join("a" * depth) + " = 1", "{a=" * depth, "'''" * depth))
    elif kind == 4:
        other = rng.choice(
            ("1979-05-27", "07:32:00", "0x" + "f" * 5_000, "9" * 5_000, "1e999", "nan", "inf", "{}", "[]", "[[]]")
        )
    else:
        rng.shuffle(lines)
        return "\n".join(lines[: rng.randrange(len(lines) + 1)]).encode()
    return (text[: word.start()] + other + text[word.end() :]).encode("utf-8", "surrogatepass")


def of_npz(content: bytes, rng: random.Random) -> bytes:
    """Change an array, a header or the members of an archive."""
    with np.load(io.BytesIO(content)) as file:
        arrays = {name: file[name] for name in file.files}
    name, kind = rng.choice(list(arrays)), rng.randrange(5)
    if kind == 0:
        arrays[name] = _hostile_array(arrays[name], rng)
    if kind == 1:
        del arrays[name]
    members = {each: _saved(array) for each, array in arrays.items()}
    if kind in (2, 3) and name in members:
        header = f"{{'descr': {_descr(rng)}, 'fortran_order': {rng.choice(('False', 'True', '0', 'None'))}, 'shape': "
        members[name] = _with_header(members[name], header + f"{_shape(rng)}, }}\n", rng)
    if kind == 4:
        members[rng.choice(TEXTS[3:9])] = rng.choice(BYTES)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", rng.choice((0, 8, 8, 12, 14))) as archive:
        for each, data in members.items():
            archive.writestr(f"{each}.npy", data)
    return packed.getvalue()


def _descr(rng: random.Random) -> str:
    return rng.choice(
        ("'<f8'", "'<f4'", "'<i8'", "'|O'", "'|S0'", "'|S2147483647'", "'<U3'", "'<c16'", "'|b1'", "'<M8[s]'", "'>i2'",
         "[('a', '<f8')]", "[('a', '|O')]", "'(3,)<f8'", "'<f2'", "'<V9'", "'zz'", "1", "None", "[" * 400)
    )  # fmt: skip


def _shape(rng: random.Random) -> str:
    size = str(rng.choice((0, 1, -1, 60, 2**31, 2**40, 2**63, 10**18, "True", 1.5, "'a'", "1" * 4_500)))
    return rng.choice((f"({size},)", f"({size}, 3)", f"(60, {size})", f"(0, {size})", "()", size, "(1,)" * 40, "(" * 500))


def _saved(array: np.ndarray) -> bytes:
    packed = io.BytesIO()
    np.save(packed, array, allow_pickle=True)
    return packed.getvalue()


def _with_header(data: bytes, header: str, rng: random.Random) -> bytes:
    start = 10 + int.from_bytes(data[8:10], "little")
    length = rng.choice((len(header), len(header), len(header), 0, 65_535))
    return data[:8] + length.to_bytes(2, "little") + header.encode() + data[start:]


def _hostile_array(array: np.ndarray, rng: random.Random) -> np.ndarray:
    changed = array.copy()
    if changed.dtype.kind == "f":
        changed.flat[rng.randrange(changed.size)] = rng.choice((np.nan, np.inf, 1e38, -1e38, 1e-45))
    else:
        changed.flat[rng.randrange(changed.size)] = rng.choice((-1, 2**31, 2**62, 2**63 - 1, 10**9, 0))
    return rng.choice(
        (
            changed, changed, changed.astype(np.uint64), changed[:1], changed[:0], changed[:, :1], changed[:, :0], changed.T,
            changed.astype(np.complex128), changed.astype(str), changed.astype(object), changed.astype(np.float16),
            changed.astype(bool), changed[0], changed[..., None], np.zeros_like(changed), changed * 0 + 7, changed[:2],
        )
    )  # fmt: skip


def of_hdf5(content: bytes, rng: random.Random) -> bytes:
    """Change attributes or arrays of a benchmark file."""
    stored = io.BytesIO(content)
    with h5py.File(stored, "r+") as file:
        for _ in range(rng.choice((1, 1, 2))):
            rng.choice((_other_attribute, _other_attribute, _other_array))(file, rng)
    return stored.getvalue()


def _other_attribute(file: h5py.File, rng: random.Random) -> None:
    name = rng.choice(list(file.attrs))
    kind, space = rng.randrange(6), h5py.h5s.create(h5py.h5s.SCALAR)
    if kind == 0:
        del file.attrs[name]
    elif kind == 1:
        file.attrs[name] = rng.choice(TEXTS[:10]).replace("\x00", "\x01")[:2_000]
    elif kind == 2:
        file.attrs[name] = rng.choice([each for each in NUMBERS if isinstance(each, float) or abs(each) < 2**63])
    elif kind == 3:
        file.attrs[name] = np.zeros(rng.choice((0, 1, 5, 4_000)))
    else:
        del file.attrs[name]
        opaque = h5py.h5t.create(h5py.h5t.OPAQUE, 4)
        opaque.set_tag(rng.choice((b"NUMPY:garbage[[[", b"[/red]", b"NUMPY:<M8[s]")))
        h5py.h5a.create(file.id, name.encode(), rng.choice((h5py.h5t.UNIX_D32LE, opaque, h5py.h5t.STD_REF_OBJ)), space)


def _other_array(file: h5py.File, rng: random.Random) -> None:
    hard = [each for each in file if isinstance(file.get(each, getlink=True), h5py.HardLink)]
    name = rng.choice([each for each in hard if isinstance(file[each], h5py.Dataset)])
    old, kind = copy.copy(file[name][:2]), rng.randrange(6)
    shape = file[name].shape
    del file[name]
    if kind == 0:
        file[name] = old
    elif kind == 1:
        file.create_dataset(name, shape=(2**40, *shape[1:]), dtype=old.dtype, chunks=(1, *shape[1:]))
    elif kind == 2:
        file.create_dataset(name, shape=shape, dtype=rng.choice(("f4", "i8", "S5", "c16", h5py.string_dtype())))
    elif kind == 3:
        file.create_group(name)
    elif kind == 4:
        file[name] = h5py.ExternalLink(rng.choice(("/dev/zero", "absent.h5")), "/x")
    else:
        file[name] = h5py.SoftLink(f"/{name}")


def mutants(seeds: list[bytes], structured: Mutator | None, number: int, *, kind: str) -> Iterator[bytes]:
    """Yield `number` mutants of valid files, about 60 % of them by changing the format's structure if possible."""
    for count in range(number):
        rng = random.Random(f"{kind}-{count}")
        content = rng.choice(seeds)
        mutator = structured if structured is not None and rng.random() < 0.6 else rng.choice(BINARY)
        changed = mutator(content, rng)
        if rng.random() < 0.1 and changed:
            changed = rng.choice(BINARY)(changed, rng)
        yield changed


def written(folder: Path, content: bytes, name: str) -> Path:
    """Write a mutant to a file."""
    path = folder / name
    path.write_bytes(content)
    return path
