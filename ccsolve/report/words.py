"""How numbers are written on a page; `assets/base.js` writes them alike."""

import math

DASH = "–"
THIN = "\u202f"
"""A narrow space, at which no line breaks."""

RESOURCES = {
    "macs": "MACs",
    "params": "parameters",
    "latency": "latency",
    "memory": "memory",
}
_UNITS = {"latency": "µs", "memory": "B"}
_PREFIXES = ((1e12, 1e12, "T"), (1e9, 1e9, "G"), (1e6, 1e6, "M"), (1e4, 1e3, "k"))
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def resource(name: str) -> str:
    """Give a resource's name for readers."""
    return RESOURCES.get(name, name)


def amount(value: float | None, name: str = "") -> str:
    """Give an amount in three digits with a prefix, and the resource's unit."""
    if value is None or not math.isfinite(value):
        return DASH
    unit = _UNITS.get(name, "")
    for least, size, prefix in _PREFIXES:
        if abs(value) >= least:
            return f"{_digits(value / size)}{THIN}{prefix}{unit}"
    return f"{value:,.0f}".replace(",", THIN) + (unit and THIN + unit)


def percent(share: float | None, digits: int = 1) -> str:
    """Give a share in per cent."""
    if share is None or not math.isfinite(share):
        return DASH
    return f"{100 * share:.{digits}f}{THIN}%"


def gap(value: float | None) -> str:
    """Give a relative gap in per cent; "none proven" where it is infinite."""
    if value is None or not math.isfinite(value):
        return "none proven"
    if value == 0:
        return f"0{THIN}%"
    return percent(value) if value >= 0.0005 else f"under 0.05{THIN}%"


def number(value: float | None) -> str:
    """Give three significant digits; a power of ten where it is tiny or huge."""
    if value is None or not math.isfinite(value):
        return DASH
    if value == 0:
        return "0"
    if 1e-4 <= abs(value) < 1e6:
        return _digits(value)
    mantissa, _, power = f"{value:.2e}".partition("e")
    return f"{mantissa}·10{str(int(power)).translate(_SUPERSCRIPTS)}"


def price(value: float, dense: float, name: str, loss: float) -> str:
    """Say what one per cent more of a resource buys, at a price per unit of it."""
    step = 0.01 * dense
    what = f"1{THIN}% more {resource(name)} ({amount(step, name)})"
    if not math.isfinite(value) or value <= 0:
        return f"{what} buys nothing that is predicted."
    fall = value * step
    part = f", {percent(fall / loss, 0)} of it" if loss > fall else ""
    return f"{what} buys a predicted loss lower by about {number(fall)}{part}."


def _digits(value: float) -> str:
    """Give three significant digits, zeros at the end included."""
    if value == 0:
        return "0"
    rounded = float(f"{value:.2e}")
    places = max(0, 2 - math.floor(math.log10(abs(rounded))))
    return f"{rounded:.{places}f}"
