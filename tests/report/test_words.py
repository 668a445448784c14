"""Numbers as a page writes them."""

import math

import pytest

from ccsolve.report import words

T = words.THIN


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0.0, "0"),
        (0.0047963, "0.00480"),
        (1.5, "1.50"),
        (0.99968, "1.00"),
        (999.9, "1000"),
        (123.4, "123"),
        (9.32e-5, "9.32·10⁻⁵"),
        (-2e9, "-2.00·10⁹"),
        (math.inf, words.DASH),
        (None, words.DASH),
    ],
)
def test_numbers_have_three_digits(value: float | None, said: str):
    assert words.number(value) == said


@pytest.mark.parametrize(
    ("value", "name", "said"),
    [
        (62_742_848, "macs", f"62.7{T}M"),
        (4_089_284_608, "macs", f"4.09{T}G"),
        (16_242, "params", f"16.2{T}k"),
        (9_999, "params", f"9{T}999"),
        (2_500_000, "memory", f"2.50{T}MB"),
        (812, "latency", f"812{T}µs"),
        (0, "macs", "0"),
        (None, "macs", words.DASH),
    ],
)
def test_amounts_have_prefixes_and_units(value: float | None, name: str, said: str):
    assert words.amount(value, name) == said


def test_gaps_say_what_is_proven():
    assert words.gap(0.0) == f"0{T}%"
    assert words.gap(1e-5).startswith("under")
    assert words.gap(0.0601) == f"6.0{T}%"
    assert words.gap(math.inf) == "none proven"


def test_a_price_is_told_as_what_one_per_cent_buys():
    said = words.price(2e-6, 1e5, "macs", 0.02)
    assert f"(1{T}000)" in said and "0.00200" in said and f"10{T}% of it" in said
    assert "buys nothing" in words.price(0.0, 1e5, "macs", 0.02)
    # More than the whole loss is no share of it.
    assert "of it" not in words.price(1.0, 1e5, "macs", 0.02)
