"""Small real statistics that ship, made by `benchmarks/export_embedded.py`.

`resnet56_cifar10`: curvature blocks of the 27 inner channel groups of ResNet-56 on
CIFAR-10. `digits_resnet`: everything that can be collected, of a small residual
network that we trained on scikit-learn's digits.
"""

from pathlib import Path

from ccsolve.errors import InvalidProblem

_FOLDER = Path(__file__).parent
_SUFFIX = ".safetensors"


def names() -> list[str]:
    """Give the names of the statistics that ship."""
    return sorted(file.name[: -len(_SUFFIX)] for file in _FOLDER.glob(f"*{_SUFFIX}"))


def file_of(name: str) -> Path:
    """Give a file's path, or that of the shipped statistics of a name no file has."""
    given = Path(name)
    return path(name) if not given.exists() and name in names() else given


def path(name: str) -> Path:
    """Give the file of that name; `Statistics.load` reads it."""
    if name not in names():
        raise InvalidProblem(
            f"no embedded statistics {name!r}; expected {' or '.join(names())}"
        )
    return _FOLDER / f"{name}{_SUFFIX}"
