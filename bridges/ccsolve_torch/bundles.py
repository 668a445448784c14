"""Bundles: a smaller model in a folder, weights beside the recipe that rebuilds it.

`weights.safetensors` holds the tensors, `recipe.json` what surgery did to the model
that the user's own code makes. Nothing in a bundle is executed or unpickled.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import ccsolve
from ccsolve.errors import InvalidFile, InvalidProblem, Unsupported
from ccsolve_torch.bundling.bundle_files import (
    KIND,
    RECIPE,
    SCHEMA,
    WEIGHTS,
    Recipe,
    new_folder,
    read_recipe,
    read_weights,
    write_recipe,
    write_weights,
)
from ccsolve_torch.bundling.recording import Surgery
from ccsolve_torch.bundling.replay import materialised, replay
from ccsolve_torch.bundling.specs import unknown
from ccsolve_torch.factoring.factor_report import FactorReport
from ccsolve_torch.identity import Structure, difference, form, structure, tensors
from ccsolve_torch.report import Report


def save(model: nn.Module, path: str | Path, *, overwrite: bool = False) -> None:
    """Write a smaller model into a folder: its weights, and how to rebuild it.

    The folder is written under another name and renamed when it is complete.

    Parameters
    ----------
    model
        A result of `apply` or `compress`, trained further or not.
    path
        The folder; it must not exist, or be empty.
    overwrite
        Replace the bundle that is there. Other folders are never replaced.

    Raises
    ------
    InvalidProblem
        The model is no result of `apply`, was changed since, or has weights that are
        not finite.
    Unsupported
        Surgery put modules into it that data cannot describe.
    InvalidFile
        The folder cannot be written, or holds other things.
    """
    surgery, state = _present(model), _state(model)
    first = _first_names(state)
    held = {name: state[name] for name in dict.fromkeys(first.values())}
    with new_folder(Path(path), overwrite) as folder:
        digest = write_weights(folder, held)
        recipe = Recipe(
            schema=SCHEMA,
            kind=KIND,
            ccsolve=ccsolve.__version__,
            torch=str(torch.__version__),
            weights=digest,
            training=model.training,
            shared={name: one for name, one in first.items() if name != one},
            surgery=replace(surgery, result=structure(model)),
            report=_attribute(model, "report", Report),
            factor_report=_attribute(model, "factor_report", FactorReport),
        )
        write_recipe(folder, recipe)


def load(
    model_factory: Callable[[], nn.Module],
    path: str | Path,
    *,
    device: torch.device | str | None = None,
) -> nn.Module:
    """Give the model that `save` wrote, with its `report`, in its mode.

    The surgery is done again on a fresh model, without export or example inputs, and
    the weights are read. It computes, bit by bit, what the saved model computed on
    the same device and version of torch.

    Parameters
    ----------
    model_factory
        Makes a model of the original, uncompressed structure; its weights do not
        matter.
    path
        The folder.
    device
        Where the model shall lie; default where `model_factory` puts it.

    Raises
    ------
    InvalidProblem
        `model_factory` gives a model of another structure; the message names the
        first tensor that differs.
    InvalidFile
        The folder is no bundle, or damaged, or of a newer schema.
    """
    folder = Path(path)
    recipe = read_recipe(folder)
    surgery = recipe.surgery
    model = _fresh(model_factory, surgery, folder)
    model = _replayed(model, surgery, folder / RECIPE)
    _take(model, recipe, folder)
    model.train(recipe.training)
    for name in ("report", "factor_report"):
        if getattr(recipe, name) is not None:
            setattr(model, name, getattr(recipe, name))
    model.surgery = surgery  # pyright: ignore[reportArgumentType]
    return model if device is None else model.to(device)


def _present(model: nn.Module) -> Surgery:
    """Give the model's surgery, after checking that it is still what that made."""
    surgery = getattr(model, "surgery", None)
    if not isinstance(surgery, Surgery):
        raise InvalidProblem(
            f"model: a {type(model).__name__} that `apply` has not made; save it with "
            f"torch, or give the result of apply or compress itself, not a wrapper"
        )
    if changed := difference(surgery.result, structure(model)):
        raise InvalidProblem(
            f"model: changed since apply made it: {changed}; a bundle holds what apply "
            f"gave, trained further or not"
        )
    for step in surgery.steps:
        for path, spec in step.replaced.items():
            if kind := unknown(spec):
                raise Unsupported(
                    f"model: {path} became a {kind}, which a bundle cannot describe"
                )
    return surgery


def _attribute(model: nn.Module, name: str, kind: type) -> Any:
    """Give the attribute where it is ours: a model may have its own of that name."""
    value = getattr(model, name, None)
    return value if isinstance(value, kind) else None


def _state(model: nn.Module) -> dict[str, Tensor]:
    """Give the state, after checking that it is tensors with finite values."""
    state = model.state_dict()
    for name, value in state.items():
        if not isinstance(value, Tensor) or value.is_meta:
            raise Unsupported(
                f"model: its state {name!r} holds no values that a bundle can take; "
                f"expected tensors on a CPU or an accelerator"
            )
    _check_finite(model, "model", InvalidProblem)
    return state


def _check_finite(model: nn.Module, where: str, error: type[Exception]) -> None:
    """Refuse NaN, and infinity in parameters: in buffers it may be a mask."""
    for name, value in tensors(model):
        if value.is_floating_point():
            mask = not isinstance(value, nn.Parameter)
            bad = value.isnan() if mask else ~value.isfinite()
            if bool(bad.any()):
                raise error(f"{where}: {name} is not finite; expected finite weights")


def _first_names(state: Mapping[str, Tensor]) -> dict[str, str]:
    """Give for every name the first name of the same memory."""
    found: dict[Any, str] = {}
    return {
        name: found.setdefault(_memory(value) if value.numel() else name, name)
        for name, value in state.items()
    }


def _memory(value: Tensor) -> tuple[Any, ...]:
    return (value.device, value.data_ptr(), value.dtype, value.shape, value.stride())


def _fresh(
    model_factory: Callable[[], nn.Module], surgery: Surgery, folder: Path
) -> nn.Module:
    if isinstance(model_factory, nn.Module) or not callable(model_factory):
        raise InvalidProblem(
            f"model_factory: a {type(model_factory).__name__}; expected a function "
            f"that makes a new model, such as the class or lambda: Net(...)"
        )
    model = model_factory()
    if not isinstance(model, nn.Module):
        raise InvalidProblem(
            f"model_factory gave a {type(model).__name__}; expected a torch module"
        )
    if any(value.is_meta for _, value in tensors(model)):
        raise InvalidProblem("model_factory gave a model on the device meta")
    if wrong := difference(surgery.original, structure(model)):
        raise InvalidProblem(
            f"model_factory gave another model than the one that was compressed into "
            f"{folder}: {wrong}"
        )
    return model


def _replayed(model: nn.Module, surgery: Surgery, path: Path) -> nn.Module:
    try:
        small = replay(model, surgery.steps)
    except InvalidFile as error:
        raise InvalidFile(f"{path}: {error}") from None
    if wrong := difference(surgery.result, structure(small)):
        raise InvalidFile(f"{path}: its steps do not lead to its result: {wrong}")
    return small


def _take(model: nn.Module, recipe: Recipe, folder: Path) -> None:
    """Give the model the weights, in the types that the saved model had."""
    state, path = model.state_dict(), folder / WEIGHTS
    held = read_weights(folder, recipe.weights)
    given = {name: held.get(recipe.shared.get(name, name)) for name in state}
    extra = {name: value for name, value in held.items() if name not in given}
    found = _forms({**given, **extra})
    if wrong := difference(_forms(state), found):
        raise InvalidFile(f"{path}: does not fit the recipe: {wrong}")
    for name, value in tensors(materialised(model)):
        value.data = value.data.to(
            getattr(torch, recipe.surgery.result.tensors[name][0])
        )
    model.load_state_dict(given)
    _check_finite(model, str(path), InvalidFile)
    for module in model.modules():
        if isinstance(module, nn.RNNBase):
            module.flatten_parameters()


def _forms(state: Mapping[str, Tensor | None]) -> Structure:
    forms = {name: form(t, name) for name, t in state.items() if t is not None}
    return Structure("state", forms)
