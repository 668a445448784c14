"""What an import costs and what the package promises by name."""

import importlib
import pkgutil
import subprocess
import sys

import pytest

import ccsolve

HEAVY = ("scipy", "numba", "cvxpy", "torch", "safetensors", "typer", "rich", "joblib")


def fresh(code: str) -> str:
    """Run code in a fresh interpreter and give what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return done.stdout


def test_import_loads_numpy_alone():
    code = "import sys, ccsolve; print(*(m.partition('.')[0] for m in sys.modules))"
    loaded = set(fresh(code).split())
    assert "numpy" in loaded
    assert not loaded & set(HEAVY)


def submodules() -> list[str]:
    walked = pkgutil.walk_packages(ccsolve.__path__, "ccsolve.")
    return [module.name for module in walked if not module.name.endswith("__main__")]


@pytest.mark.parametrize("name", submodules())
def test_every_module_imports_alone_and_says_what_it_is(name: str):
    assert importlib.import_module(name).__doc__


def test_no_module_shadows_a_public_name():
    for name in submodules():
        importlib.import_module(name)
    for name in ccsolve.__all__:
        value = getattr(ccsolve, name)
        assert callable(value) or name == "errors", f"ccsolve.{name} is {value!r}"


def test_the_public_names_are_listed():
    assert set(ccsolve.__all__) <= set(dir(ccsolve))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = ccsolve.nothing  # pyright: ignore[reportAttributeAccessIssue]
