"""What was predicted and what was measured: points, models, and the one chosen."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccsolve.errors import InvalidFile, InvalidProblem
from ccsolve.io.atomic import replacing
from ccsolve.io.strict_json import dump_json, parse_json, plain
from ccsolve.problems.records import reduced
from ccsolve.validation.fit import log_error, rank_correlation
from ccsolve.validation.models import LossModel

SCHEMA = 1
KIND = "validation"

_SIZE_LIMIT = 64 * 2**20

Array = NDArray[np.float64]


@dataclass(frozen=True)
class PathPoint:
    """One point of a model's path: a network, and how far its loss rises.

    Attributes
    ----------
    model : whose program gave it, its place in `Validation.models`.
    remain : the budget as a share of the dense network; 1 is the dense network itself.
    cost : what the network takes of the resource.
    predicted : the rise of the loss, the optimum of the model's program.
    bound : a proven lower bound of that program; None without one.
    measured : the rise of the loss on the images of the measurement, channels closed
        and nothing else changed.
    error : standard error of `measured`, None where only means were measured.
    repaired : the same rise after a repair, None where it was not measured.
    widths : by group, what stays.
    """

    model: int
    remain: float
    cost: float
    predicted: float
    bound: float | None
    measured: float
    error: float | None
    repaired: float | None
    widths: Mapping[str, int]


@dataclass(frozen=True, eq=False)
class Validation:
    """Predicted against measured losses along the paths of several models.

    Attributes
    ----------
    resource : what the budgets are of, "macs", ...
    original : what the dense network takes of it.
    models : those compared.
    points : of all models, each model's from the dense network to the narrowest.
    predictions : (M, P) the rise that every model predicts for every point.
    behind : for each model, by how much its narrowest network's rise is above the
        chosen model's, and the standard error of this difference (None if unknown).
    by : what chose: "loss", "rank" or "error", see `validate`.
    chosen : the chosen model's place in `models`.
    fingerprint : of the network.
    """

    resource: str
    original: float
    models: tuple[LossModel, ...]
    points: tuple[PathPoint, ...]
    predictions: Array
    behind: tuple[tuple[float, float | None], ...]
    by: str
    chosen: int
    fingerprint: str = ""

    __reduce__ = reduced

    @property
    def model(self) -> LossModel:
        """The chosen model."""
        return self.models[self.chosen]

    def path(self, model: int) -> tuple[PathPoint, ...]:
        """Give the points of one model."""
        return tuple(point for point in self.points if point.model == model)

    def rank(self, model: int) -> float:
        """Give Spearman's correlation of a model's predictions with what was measured.

        Over the networks of all models: along its own path alone every model ranks
        well, for both curves rise.
        """
        return rank_correlation(*self._pairs(model))

    def log_error(self, model: int) -> float:
        """Give the mean of abs(log2(predicted / measured)) over all networks.

        Both are taken for no less than a thousandth of the largest measured rise.
        """
        return log_error(*self._pairs(model))

    def optimism(self, model: int) -> float:
        """Give measured / predicted at the end of a model's own path; inf at 0.

        An optimum is chosen for its low prediction, so this is above what the model's
        errors are elsewhere.
        """
        last = self.path(model)[-1]
        return last.measured / last.predicted if last.predicted > 0 else float("inf")

    def _pairs(self, model: int) -> tuple[Array, Array]:
        cut = np.array([point.remain < 1 for point in self.points])
        measured = np.array([point.measured for point in self.points])
        return self.predictions[model][cut], measured[cut]

    def data(self) -> dict[str, Any]:
        """Give all of it as JSON holds it, with each model's scores."""
        count = range(len(self.models))
        found = {name: getattr(self, name) for name in _FIELDS}
        return plain(
            {
                "schema": SCHEMA,
                "kind": KIND,
                **found,
                "models": [asdict(model) for model in self.models],
                "points": [asdict(point) for point in self.points],
                "scores": {
                    "rank": [self.rank(model) for model in count],
                    "log_error": [self.log_error(model) for model in count],
                    "optimism": [self.optimism(model) for model in count],
                },
            }
        )

    @classmethod
    def of_data(cls, data: Mapping[str, Any], where: str = "data") -> "Validation":
        """Give back what `data` gave; InvalidFile names what does not fit."""
        if data.get("kind") != KIND or data.get("schema") != SCHEMA:
            raise InvalidFile(
                f"{where}: kind {data.get('kind')!r}, schema {data.get('schema')!r}; "
                f"expected kind {KIND!r}, schema {SCHEMA}"
            )
        try:
            fields = {name: data[name] for name in _FIELDS}
            fields["models"] = tuple(LossModel(**each) for each in fields["models"])
            fields["points"] = tuple(PathPoint(**each) for each in fields["points"])
            fields["behind"] = tuple(tuple(pair) for pair in fields["behind"])
            fields["predictions"] = np.array(fields["predictions"], dtype=np.float64)
            return _checked(cls(**fields))
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidFile(f"{where}: not a validation ({error})") from None

    def save(self, path: str | Path) -> None:
        """Write a `.json` file: to a temporary file first, then renamed."""
        with replacing(path) as temporary:
            temporary.write_text(dump_json(self.data(), indent=1) + "\n", "utf-8")

    @classmethod
    def load(cls, path: str | Path) -> "Validation":
        """Read a `.json` file; InvalidFile says what is wrong with it."""
        path = Path(path)
        try:
            if path.stat().st_size > _SIZE_LIMIT:
                raise InvalidFile(f"{path}: expected at most {_SIZE_LIMIT} bytes")
            text = path.read_bytes()
        except OSError as error:
            raise InvalidFile(f"{path}: not readable ({error.strerror})") from None
        return cls.of_data(parse_json(text, str(path)), str(path))


_FIELDS = tuple(Validation.__dataclass_fields__)


def _checked(found: Validation) -> Validation:
    shape = (len(found.models), len(found.points))
    if found.predictions.shape != shape or not np.isfinite(found.predictions).all():
        raise InvalidProblem(
            f"predictions of shape {found.predictions.shape}; expected finite {shape}"
        )
    if len(found.behind) != shape[0] or not 0 <= found.chosen < shape[0]:
        raise InvalidProblem(
            f"{len(found.behind)} differences and model {found.chosen} chosen, of "
            f"{shape[0]} models"
        )
    for place in range(shape[0]):
        if not found.path(place):
            raise InvalidProblem(f"model {place} has no points")
    return found
