"""What a compression is recognised by: its model, its samples, its options, its code.

Functions have no values to compare. They are known by their names, the bytes of their
code, and the plain values that they were given or hold; what else they call is not
looked at.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, is_dataclass
from functools import partial
from hashlib import sha256
from types import CellType, CodeType
from typing import Any

import torch
from torch import Tensor, nn

from ccsolve.io.strict_json import plain
from ccsolve_torch.identity import fingerprint
from ccsolve_torch.running.ranks import everywhere
from ccsolve_torch.running.state import Loader, batches
from ccsolve_torch.stepwise.job import Job
from ccsolve_torch.stepwise.steps import GEOMETRIC

_PLAIN = (bool, int, float, complex, str, bytes, type(None), torch.dtype, torch.device)


def asked(job: Job) -> dict[str, Any]:
    """Give what the folder of a compression is recognised by; reads all samples.

    A collective call: the samples are those of all processes.
    """
    with job.random(0, "begin"):
        samples = digest(job.model, job.loader)
        beside = None if job.unseen is None else digest(job.model, job.unseen)
    return {
        "model": fingerprint(job.model),
        "samples": everywhere(samples),
        "budgets": dict(job.given),
        "steps": job.steps,
        "seed": job.seed,
        "recipe": job.recipe,
        "options": _marked(job.options),
        "repair": job.repair,
        "collecting": _marked(job.collecting),
        "declared": plain(asdict(job.declared)),
        "finetune": None if job.finetune is None else mark(job.finetune),
        # Folders begun before there was this option go on.
        **({"sequential": True} if job.sequential else {}),
        **({} if job.schedule == GEOMETRIC else {"schedule": job.schedule}),
        **({"nested": True} if job.nested else {}),
        **({} if beside is None else {"unseen": everywhere(beside)}),
    }


def digest(model: nn.Module, loader: Loader) -> str:
    """Give the SHA-256 of all inputs and targets in their order, in hex."""
    found = sha256()
    for inputs, targets in batches(model, loader):
        for value in (*inputs, targets):
            found.update(f"{tuple(value.shape)} {value.dtype};".encode())
            found.update(_bytes(value))
    return found.hexdigest()


def mark(function: Callable[..., Any]) -> str:
    """Give the name of a function, and a digest of its code and of what it holds."""
    name = getattr(function, "__qualname__", type(function).__qualname__)
    parts = sha256("\n".join(_parts(function)).encode())
    return f"{name} {parts.hexdigest()[:16]}"


def _parts(function: Any) -> Iterator[str]:
    """Give the code of a function and what it is called with, as text."""
    if isinstance(function, partial):
        yield from _parts(function.func)
        yield from map(_text, (*function.args, *sorted(function.keywords.items())))
        return
    inner = getattr(function, "__func__", function)  # of a bound method
    code = getattr(inner, "__code__", None)
    if code is None:  # an object that is called, or a function that is no Python
        inner = vars(type(function)).get("__call__")
        code = getattr(inner, "__code__", None)
    owner = getattr(function, "__self__", function)
    held = {} if owner is inner else getattr(owner, "__dict__", {})
    yield f"{type(function).__qualname__}"
    yield from _held(held)
    if code is not None:
        yield from _code(code)
        cells = getattr(inner, "__closure__", None) or ()
        yield from _held(dict(zip(code.co_freevars, map(_content, cells), strict=True)))
        yield _text(getattr(inner, "__defaults__", None))
        yield _text(getattr(inner, "__kwdefaults__", None))


def _held(values: Mapping[str, Any]) -> Iterator[str]:
    """Give names with their numbers, texts, functions; records grow as they run."""
    for name, value in sorted(values.items()):
        kept = isinstance(value, _PLAIN) or callable(value)
        yield f"{name} {_text(value) if kept else type(value).__qualname__}"


def _content(cell: CellType) -> Any:
    """Give what a cell holds; nothing where that comes later, or is the function."""
    try:
        return cell.cell_contents
    except ValueError:
        return None


def _code(code: CodeType) -> Iterator[str]:
    yield code.co_code.hex()
    yield " ".join(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _code(constant)
        else:
            yield _text(constant)


def _text(value: Any) -> str:
    """Give a text of plain values, the same in every process; of others their kind."""
    if isinstance(value, _PLAIN):
        return repr(value)
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(_text, value))}]"
    if isinstance(value, set | frozenset):
        return f"{{{', '.join(sorted(map(_text, value)))}}}"
    if isinstance(value, Mapping):
        return _text([(_text(key), _text(item)) for key, item in value.items()])
    if isinstance(value, Tensor):
        return sha256(_bytes(value)).hexdigest()
    if callable(value) and not isinstance(value, type | nn.Module):
        return getattr(value, "__qualname__", type(value).__qualname__)
    return type(value).__qualname__


def _bytes(value: Tensor) -> bytes:
    flat = value.detach().cpu().contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy().tobytes()


def _marked(options: Mapping[str, Any]) -> dict[str, Any]:
    """Give options as JSON holds them; functions by their marks, records by fields."""
    return {
        name: mark(value) if callable(value) else plain(_fields(value))
        for name, value in options.items()
    }


def _fields(value: Any) -> Any:
    return asdict(value) if is_dataclass(value) else value  # pyright: ignore
