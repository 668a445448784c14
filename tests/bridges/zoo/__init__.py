"""Small networks, each with one structure in which channels must be found."""

from tests.bridges.zoo import (
    attention,
    blocks,
    chains,
    classic_attention,
    forms,
    joins,
    layouts,
    mobile,
    norms,
    recurrent,
    tokens,
    torch_attention,
    windows,
)
from tests.bridges.zoo.case import CASES, Case, randomised

__all__ = [
    "CASES",
    "Case",
    "attention",
    "blocks",
    "chains",
    "classic_attention",
    "forms",
    "joins",
    "layouts",
    "mobile",
    "norms",
    "randomised",
    "recurrent",
    "tokens",
    "torch_attention",
    "windows",
]
