"""The state of a compression on disk, so that a killed one goes on where it was.

A folder holds `compress.json`, what was asked for, and for every finished step
`step-N.json`, its plan for the original model, and `step-N.safetensors`, the weights
where they were trained. The plan is written last, each file under another name first.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ccsolve.errors import InvalidFile, InvalidProblem
from ccsolve.io.atomic import replacing
from ccsolve.io.strict_json import dump_json, parse_json, plain
from ccsolve.plans import Plan

SCHEMA = 1
ASKED = "compress.json"


@dataclass(frozen=True)
class Store:
    """The folder of one compression."""

    folder: Path

    @classmethod
    def open(cls, folder: str | Path, asked: Mapping[str, Any]) -> "Store":
        """Give the folder's store; a new folder takes `asked` down, an old is compared.

        InvalidProblem where another model, other samples or options began in it.
        """
        store = cls(Path(folder))
        store.folder.mkdir(parents=True, exist_ok=True)
        wanted = {"schema": SCHEMA, "kind": "compress", **plain(asked)}
        path = store.folder / ASKED
        if path.exists():
            _compare(parse_json(path.read_bytes(), str(path)), wanted, store.folder)
        elif any(store.folder.iterdir()):
            raise InvalidProblem(
                f"folder {store.folder} holds other files; expected an empty one, or "
                f"that of the compression to go on with"
            )
        else:
            _write(path, dump_json(wanted, indent=1))
        return store

    def last(self, steps: int) -> tuple[int, Plan | None]:
        """Give the last finished step and its plan; 0 and None before the first."""
        for step in range(steps, 0, -1):
            if self._plan(step).exists():
                return step, Plan.load(self._plan(step))
        return 0, None

    def write(self, step: int, plan: Plan, trained: nn.Module | None) -> None:
        """Take down a finished step, with the weights of a model that was trained."""
        if trained is not None:
            with replacing(self._weights(step)) as temporary:
                save_file(_state(trained), str(temporary))
        plan.save(self._plan(step))

    def restore(self, step: int, model: nn.Module) -> None:
        """Read the weights of a step into a model of its shapes."""
        path = self._weights(step)
        try:
            held = load_file(str(path))
        except Exception as error:  # safetensors raises errors of its own
            raise InvalidFile(f"{path}: not readable ({error})") from None
        state = _state(model)
        if {k: v.shape for k, v in state.items()} != {
            k: v.shape for k, v in held.items()
        }:
            raise InvalidFile(f"{path}: tensors of another model; empty the folder")
        with torch.no_grad():
            for name, tensor in _tensors(model).items():
                tensor.copy_(held[name])

    def _plan(self, step: int) -> Path:
        return self.folder / f"step-{step}.json"

    def _weights(self, step: int) -> Path:
        return self.folder / f"step-{step}.safetensors"


def _compare(found: dict[str, Any], wanted: dict[str, Any], folder: Path) -> None:
    # What was written went through JSON: lists for tuples, null for None.
    for name in dict.fromkeys([*wanted, *found]):
        if found.get(name) != wanted.get(name):
            raise InvalidProblem(
                f"folder {folder}: begun with {name} = {found.get(name)!r:.60}, now "
                f"{wanted.get(name)!r:.60}; give what it was begun with, or another "
                f"folder"
            )


def _write(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def _tensors(model: nn.Module) -> dict[str, Tensor]:
    """Give parameters and buffers by their first names, buffers not saved included."""
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}


def _state(model: nn.Module) -> dict[str, Tensor]:
    return {
        name: tensor.detach().cpu().contiguous().clone()
        for name, tensor in _tensors(model).items()
    }
