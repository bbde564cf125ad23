"""Cells of columns as evidence has them: None for what was never measured, and no more digits than they are worth."""

import math


def rounded(value: float, digits: int = 1) -> float | None:
    """Return a measured number; None where there is none."""
    return None if math.isnan(value) else round(float(value), digits)


def whole(value: float) -> int | None:
    """Return a count; None where there is none."""
    return None if math.isnan(value) else int(value)


def said(value: float) -> bool | None:
    """Return what a flag says; None where it was never read."""
    return None if math.isnan(value) else bool(value)
