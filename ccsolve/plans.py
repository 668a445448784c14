"""Plan: what to do to a network, what was asked for and what it achieves."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccsolve.errors import InvalidFile, InvalidProblem
from ccsolve.factors import Factor, factor_of
from ccsolve.io.atomic import replacing
from ccsolve.io.strict_json import dump_json, parse_json, plain
from ccsolve.problems.records import reduced
from ccsolve.solution import relative_gap

SCHEMA = 3
KIND = "plan"

# Fields that files of an earlier schema lack, with what those files meant.
_ADDED: Mapping[int, Mapping[str, Any]] = {
    1: {"factors": {}, "primary": {}},
    2: {"primary": {}},
}

_AMOUNTS = ("given", "asked", "achieved", "original", "prices")
_SIZE_LIMIT = 256 * 2**20


@dataclass(frozen=True, eq=False, kw_only=True)
class Plan:
    """Which channel classes of every group remain, what layers become, and why.

    Parameters
    ----------
    recipe
        The recipe that made it.
    keep
        Group name -> sorted classes that remain, int64.
    sizes
        Group name -> number of classes of the dense network.
    factors
        Layer name -> how its weight is factored, a `Factor` (or a mapping of its
        fields). Ranks are of the layer as it is after channels were removed.
    primary
        Convolution name -> how many of its filters are primary; the others are made of
        them (LinearConv). Of the layer as it is after channels were removed.
    given
        The budgets as they were given: fractions or absolute amounts.
    asked, achieved, original
        By resource ("macs", "params"): what may remain, what does remain, and what
        the dense network takes; all absolute. achieved <= asked for every asked one.
    objective
        The program's objective; NaN where the recipe solves no program.
    bound
        A rigorous lower bound on it, -inf without one. `provenance` says over what.
    prices
        By resource: the fall of the optimum per unit of budget added, >= 0.
    resolution
        Differences between objective and bound up to this are rounding.
    fingerprint
        Of the network that the statistics came from.
    provenance
        How the plan came about: options, methods, ... (JSON data).
    """

    recipe: str
    keep: Mapping[str, Any]
    sizes: Mapping[str, int]
    factors: Mapping[str, Any] = field(default_factory=dict)
    primary: Mapping[str, int] = field(default_factory=dict)
    given: Mapping[str, float] = field(default_factory=dict)
    asked: Mapping[str, float] = field(default_factory=dict)
    achieved: Mapping[str, float] = field(default_factory=dict)
    original: Mapping[str, float] = field(default_factory=dict)
    objective: float = math.nan
    bound: float = -math.inf
    prices: Mapping[str, float] = field(default_factory=dict)
    resolution: float = 0.0
    fingerprint: str = ""
    provenance: Mapping[str, Any] = field(default_factory=dict)

    __reduce__ = reduced

    def __post_init__(self) -> None:
        """Check every field; raise InvalidProblem on the first misfit."""
        parts: dict[str, Any] = {name: _amounts(self, name) for name in _AMOUNTS}
        parts["sizes"] = _sizes(self.sizes)
        parts["keep"] = _kept(self.keep, parts["sizes"])
        parts["factors"] = _factors(self.factors)
        parts["primary"] = _primary(self.primary, parts["factors"])
        parts["provenance"] = MappingProxyType(_json_data(self.provenance))
        for name, value in parts.items():
            object.__setattr__(self, name, value)
        _check_budgets_hold(self)
        _check_value(self)

    @property
    def gap(self) -> float:
        """Relative gap between objective and bound; inf without a bound."""
        return relative_gap(self.objective, self.bound, self.resolution)

    @property
    def widths(self) -> dict[str, int]:
        """Group name -> how many classes remain."""
        return {name: len(classes) for name, classes in self.keep.items()}

    def mask(self, group: str) -> NDArray[np.bool_]:
        """Give the (size,) selection of one group: True where a class remains."""
        z = np.zeros(self.sizes[group], dtype=bool)
        z[self.keep[group]] = True
        return z

    def save(self, path: str | Path) -> None:
        """Write JSON: to a temporary file first, then renamed."""
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        fields["factors"] = {
            name: asdict(value) for name, value in self.factors.items()
        }
        text = dump_json({"schema": SCHEMA, "kind": KIND, **fields}, indent=1)
        with replacing(path) as temporary:
            temporary.write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> "Plan":
        """Read JSON that `save` wrote; InvalidFile says which field of it is wrong."""
        fields = parse_json(_contents(Path(path)), str(path))
        fields = _brought_up(fields, str(path))
        fields["objective"] = _or_default(fields["objective"], math.nan)
        fields["bound"] = _or_default(fields["bound"], -math.inf)
        try:
            return cls(**fields)
        except InvalidProblem as error:
            raise InvalidFile(f"{path}: {error}") from None


def _contents(path: Path) -> bytes:
    try:
        if path.stat().st_size > _SIZE_LIMIT:
            raise InvalidFile(
                f"{path}: {path.stat().st_size} bytes; expected at most {_SIZE_LIMIT}"
            )
        return path.read_bytes()
    except OSError as error:
        raise InvalidFile(f"{path}: not readable ({error.strerror})") from None


def _brought_up(fields: dict[str, Any], where: str) -> dict[str, Any]:
    """Give the fields of the present schema; InvalidFile for another kind or schema."""
    kind, schema = fields.pop("kind", None), fields.pop("schema", None)
    known = isinstance(schema, int) and not isinstance(schema, bool)
    if kind != KIND or not known or schema not in (*_ADDED, SCHEMA):
        raise InvalidFile(
            f"{where}: kind {kind!r}, schema {schema!r}; expected kind {KIND!r}, "
            f"schema {SCHEMA} or older"
        )
    added = _ADDED.get(schema, {})
    _check_fields(fields, set(Plan.__dataclass_fields__) - set(added), where)
    return {**fields, **added}


def _check_fields(fields: Mapping[str, Any], wanted: set[str], where: str) -> None:
    if set(fields) != wanted:
        missing, unknown = sorted(wanted - set(fields)), sorted(set(fields) - wanted)
        raise InvalidFile(
            f"{where}: fields missing {missing}, unknown {unknown}; expected a plan"
        )


def _or_default(value: Any, default: float) -> Any:
    return default if value is None else value


def _amounts(plan: Plan, name: str) -> Mapping[str, float]:
    amounts = _mapping(getattr(plan, name), name)
    for key, value in amounts.items():
        if not _is_real(value) or not math.isfinite(value) or value < 0:
            raise InvalidProblem(
                f"{name}[{key!r}] = {value!r}; expected a finite number >= 0"
            )
    return MappingProxyType(plain(amounts))


def _sizes(sizes: object) -> Mapping[str, int]:
    checked = _mapping(sizes, "sizes")
    for name, size in checked.items():
        if not isinstance(size, int | np.integer) or isinstance(size, bool) or size < 1:
            raise InvalidProblem(
                f"sizes[{name!r}] = {size!r}; expected an integer >= 1"
            )
    return MappingProxyType({name: int(size) for name, size in checked.items()})


def _kept(keep: object, sizes: Mapping[str, int]) -> Mapping[str, NDArray[np.int64]]:
    checked = _mapping(keep, "keep")
    if set(checked) != set(sizes):
        raise InvalidProblem(
            f"keep names {len(checked)} groups, sizes {len(sizes)}, not the same; "
            "expected one entry of each for every group"
        )
    classes = {name: _classes(checked[name], name, sizes[name]) for name in checked}
    return MappingProxyType(classes)


def _classes(value: object, name: str, size: int) -> NDArray[np.int64]:
    where = f"keep[{name!r}]"
    try:
        given = np.asarray(value)
    except ValueError:
        raise InvalidProblem(f"{where} is ragged; expected a list of classes") from None
    if given.size == 0 and given.ndim == 1:
        given = given.astype(np.int64)
    if given.ndim != 1 or given.dtype.kind not in "iu":
        raise InvalidProblem(
            f"{where}: {given.dtype} of shape {given.shape}; expected a list of classes"
        )
    classes = given.astype(np.int64)
    if (np.diff(classes) <= 0).any() or (
        classes.size and not 0 <= classes[0] <= classes[-1] < size
    ):
        raise InvalidProblem(
            f"{where} is not sorted, repeats a class or leaves 0 to {size - 1}; "
            "expected sorted, distinct classes"
        )
    classes.flags.writeable = False
    return classes


def _factors(factors: object) -> Mapping[str, Factor]:
    checked = _mapping(factors, "factors")
    return MappingProxyType(
        {
            name: factor_of(value, f"factors[{name!r}]")
            for name, value in checked.items()
        }
    )


def _primary(primary: object, factors: Mapping[str, Factor]) -> Mapping[str, int]:
    checked = _mapping(primary, "primary")
    for name, count in checked.items():
        whole = isinstance(count, int | np.integer) and not isinstance(count, bool)
        if not whole or count < 1:
            raise InvalidProblem(
                f"primary[{name!r}] = {count!r}; expected an integer >= 1, how many "
                "filters the others are made of"
            )
        if name in factors:
            raise InvalidProblem(
                f"primary and factors both name {name!r}; expected one of them"
            )
    return MappingProxyType({name: int(count) for name, count in checked.items()})


def _check_budgets_hold(plan: Plan) -> None:
    for name, asked in plan.asked.items():
        achieved = plan.achieved.get(name, math.inf)
        if achieved > asked:
            raise InvalidProblem(
                f"achieved[{name!r}] = {achieved:g} is above what was asked, "
                f"{asked:g}; a plan keeps its budgets"
            )


def _check_value(plan: Plan) -> None:
    for name in ("objective", "bound", "resolution"):
        if not _is_real(getattr(plan, name)):
            raise InvalidProblem(f"{name} = {getattr(plan, name)!r}; expected a number")
    if not plan.resolution >= 0:
        raise InvalidProblem(f"resolution = {plan.resolution}; expected >= 0")
    if math.isnan(plan.bound) or plan.bound > plan.objective + plan.resolution:
        raise InvalidProblem(
            f"bound {plan.bound:g} is above the objective {plan.objective:g}"
        )
    for name in ("recipe", "fingerprint"):
        if not isinstance(getattr(plan, name), str):
            raise InvalidProblem(f"{name} = {getattr(plan, name)!r}; expected text")


def _mapping(value: object, name: str) -> dict[str, Any]:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise InvalidProblem(
            f"{name} is a {type(value).__name__}; expected a mapping of names"
        )
    return dict(value)


def _json_data(value: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return plain(_mapping(value, "provenance"))
    except TypeError as error:
        raise InvalidProblem(f"provenance: {error}; expected JSON data") from None


def _is_real(value: object) -> bool:
    number = isinstance(value, int | float | np.integer | np.floating)
    return number and not isinstance(value, bool)
