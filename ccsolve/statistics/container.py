"""Safetensors files with a JSON manifest, read with distrust.

The header of a safetensors file states where every tensor lies. A damaged or
malicious header can claim any size, so it is checked against the length of the
file before anything is allocated; only then does the library load it.
"""

import math
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from ccsolve.errors import InvalidFile
from ccsolve.io.atomic import replacing
from ccsolve.io.strict_json import dump_json, parse_json

MANIFEST_KEY = "ccsolve"
_HEADER_LIMIT = 64 * 2**20
_ITEM_SIZES = {"F32": 4, "F64": 8, "I32": 4, "I64": 8}

Tensors = dict[str, np.ndarray]


def read_container(path: str | Path) -> tuple[dict[str, Any], Tensors]:
    """Give the manifest and the read-only tensors of a file.

    InvalidFile if the file is damaged, truncated or longer than its header says,
    holds other types than float32, float64, int32, int64, or has no manifest.
    """
    path = Path(path)
    manifest = _checked_manifest(path)
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise InvalidFile(f"{path}: not readable as safetensors ({error})") from None
    for tensor in tensors.values():
        tensor.flags.writeable = False
    return manifest, tensors


def write_container(
    path: str | Path, manifest: Mapping[str, Any], tensors: Mapping[str, np.ndarray]
) -> None:
    """Write the manifest and the tensors, atomically."""
    metadata = {MANIFEST_KEY: dump_json(manifest)}
    arrays = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    with replacing(path) as temporary:
        save_file(arrays, temporary, metadata=metadata)


def _checked_manifest(path: Path) -> dict[str, Any]:
    header, data_size = _read_header(path)
    metadata = header.pop("__metadata__", None)
    if not isinstance(metadata, dict) or not isinstance(
        metadata.get(MANIFEST_KEY), str
    ):
        raise InvalidFile(
            f"{path}: no manifest; expected __metadata__[{MANIFEST_KEY!r}] in the "
            "header"
        )
    spans = sorted(_span(path, name, entry) for name, entry in header.items())
    end = 0
    for begin, stop in spans:
        if begin != end:
            raise InvalidFile(
                f"{path}: a tensor begins at byte {begin}; expected {end}, the end of "
                "the one before"
            )
        end = stop
    if end != data_size:
        raise InvalidFile(
            f"{path}: header claims {end} bytes of tensors; found {data_size}"
        )
    return parse_json(metadata[MANIFEST_KEY], f"{path}: manifest")


def _read_header(path: Path) -> tuple[dict[str, Any], int]:
    """Give the header and the number of bytes that follow it."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            prefix = file.read(8)
            length = struct.unpack("<Q", prefix)[0] if len(prefix) == 8 else size
            if length > min(size - 8, _HEADER_LIMIT):
                raise InvalidFile(
                    f"{path}: header claims {length} bytes in a file of {size} bytes; "
                    "expected a safetensors file (damaged or truncated?)"
                )
            text = file.read(length)
    except OSError as error:
        raise InvalidFile(f"{path}: not readable ({error.strerror})") from None
    return parse_json(text, f"{path}: header"), size - 8 - length


def _span(path: Path, name: str, entry: object) -> tuple[int, int]:
    """Give the checked byte range of one tensor."""
    where = f"{path}: tensor {name!r}"
    if not isinstance(entry, dict):
        raise InvalidFile(f"{where}: {entry!r}; expected dtype, shape, data_offsets")
    item = _ITEM_SIZES.get(str(entry.get("dtype")))
    if item is None:
        raise InvalidFile(
            f"{where}: dtype {entry.get('dtype')!r}; expected {', '.join(_ITEM_SIZES)}"
        )
    shape, offsets = entry.get("shape"), entry.get("data_offsets")
    if not _naturals(shape) or not _naturals(offsets) or len(offsets) != 2:
        raise InvalidFile(
            f"{where}: shape {shape!r}, data_offsets {offsets!r}; expected lists of "
            "integers >= 0"
        )
    claimed = item * math.prod(shape)
    if offsets[1] - offsets[0] != claimed:
        raise InvalidFile(
            f"{where}: shape {shape} of {entry['dtype']} takes {claimed} bytes; its "
            f"offsets {offsets} span {offsets[1] - offsets[0]}"
        )
    return offsets[0], offsets[1]


def _naturals(value: object) -> TypeGuard[list[int]]:
    return isinstance(value, list) and all(
        isinstance(item, int) and not isinstance(item, bool) and item >= 0
        for item in value
    )
