"""Named arrays in a `.npz` file (a zip of `.npy`), read with distrust.

Both the zip directory and each array's header state sizes that a damaged or malicious
file can choose freely. They are checked against each other and against the length of
the file before anything of that size is allocated. Nothing is ever unpickled: only
booleans, integers, floats and text have a type that is read.
"""

import math
import re
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ccsolve.errors import InvalidFile
from ccsolve.io.atomic import replacing

SIZE_LIMIT = 16 * 2**30
"""Most bytes that the arrays of one file may take."""

_ENTRY_LIMIT = 10_000
_HEADER_LIMIT = 4096
# No deflated stream expands by more than 1032: beyond that the directory lies.
_EXPANSION_LIMIT = 1032
_HEADER = re.compile(
    rb"\{\s*'descr':\s*'(?P<descr>[<|](?:b1|[iuf][1248]|U\d{1,9}))',"
    rb"\s*'fortran_order':\s*(?P<order>True|False),"
    rb"\s*'shape':\s*\((?P<shape>[\d, ]*)\),?\s*\}\s*"
)
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    OSError,
    EOFError,
    ValueError,
    struct.error,
    NotImplementedError,
    RuntimeError,
    OverflowError,
)


def read_arrays(path: str | Path) -> dict[str, np.ndarray]:
    """Give the arrays of a file by name, read-only.

    Raises
    ------
    InvalidFile
        The file is no `.npz`, is damaged or truncated, holds other types than
        booleans, integers, floats and text, or states sizes that it cannot hold.
    """
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            _check_directory(path, archive)
            return {
                entry.filename.removesuffix(".npy"): _read_entry(path, archive, entry)
                for entry in archive.infolist()
            }
    except InvalidFile:
        raise
    except _DAMAGE as error:
        raise InvalidFile(f"{path}: not readable as .npz ({error})") from None


def write_arrays(path: str | Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write the arrays, uncompressed and atomically."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)  # pyright: ignore[reportArgumentType]


def _check_directory(path: Path, archive: zipfile.ZipFile) -> None:
    """Refuse a directory whose sizes the file cannot hold."""
    entries, length = archive.infolist(), path.stat().st_size
    if len({entry.filename for entry in entries}) != len(entries):
        raise InvalidFile(f"{path}: an entry stands twice; expected unique names")
    if len(entries) > _ENTRY_LIMIT:
        raise InvalidFile(
            f"{path}: {len(entries)} entries; expected at most {_ENTRY_LIMIT}"
        )
    for entry in entries:
        most = length
        if entry.compress_type != zipfile.ZIP_STORED:
            most = _EXPANSION_LIMIT * min(entry.compress_size, length)
        if entry.file_size > most:
            raise InvalidFile(
                f"{path}: entry {entry.filename!r} claims {entry.file_size} bytes; "
                f"expected at most {most} (damaged or truncated?)"
            )
    total = sum(entry.file_size for entry in entries)
    if total > SIZE_LIMIT:
        raise InvalidFile(
            f"{path}: arrays of {total} bytes; expected at most {SIZE_LIMIT}"
        )


def _read_entry(
    path: Path, archive: zipfile.ZipFile, entry: zipfile.ZipInfo
) -> np.ndarray:
    where = f"{path}: array {entry.filename!r}"
    with archive.open(entry) as file:
        dtype, fortran, shape, start = _parse_header(file.read(_HEADER_LIMIT), where)
        claimed, held = math.prod(shape) * dtype.itemsize, entry.file_size - start
        if claimed != held:
            raise InvalidFile(
                f"{where}: shape {shape} of {dtype} takes {claimed} bytes; found {held}"
            )
    data = archive.read(entry)
    flat = np.frombuffer(data, dtype, offset=start) if claimed else np.empty(0, dtype)
    return flat.reshape(shape, order="F" if fortran else "C")


def _parse_header(
    start: bytes, where: str
) -> tuple[np.dtype, bool, tuple[int, ...], int]:
    """Give type, order and shape of an array and where its data begin."""
    if start[:6] != b"\x93NUMPY" or start[6:7] not in (b"\x01", b"\x02", b"\x03"):
        raise InvalidFile(f"{where}: no .npy header; expected magic and version 1 to 3")
    prefix = "<H" if start[6] == 1 else "<I"
    begin = 8 + struct.calcsize(prefix)
    end = begin + struct.unpack_from(prefix, start, 8)[0]
    header = _HEADER.fullmatch(start[begin:end])
    if end > len(start) or header is None:
        raise InvalidFile(
            f"{where}: header {start[begin : begin + 60]!r}; expected the shape of an "
            "array of booleans, integers, floats or text (objects are never read)"
        )
    shape = tuple(int(length) for length in header["shape"].replace(b",", b" ").split())
    dtype = np.dtype(header["descr"].decode())
    return dtype, header["order"] == b"True", shape, end
