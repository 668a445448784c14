"""The examples in docstrings are run: what they show is what happens."""

import doctest
import importlib
import pkgutil

import pytest

import ccsolve


def modules() -> list[str]:
    walked = pkgutil.walk_packages(ccsolve.__path__, "ccsolve.")
    names = [module.name for module in walked if not module.name.endswith("__main__")]
    return ["ccsolve", *names]


@pytest.mark.parametrize("name", modules())
def test_examples_show_what_happens(name: str):
    outcome = doctest.testmod(importlib.import_module(name))
    assert not outcome.failed
