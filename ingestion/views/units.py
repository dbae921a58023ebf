"""Numbers in a common unit: only where the factor is exact, so that nothing is rounded on the way.

The factors are ingestion/valuesets/ucum_conversions.csv, which an informatician reviews.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ingestion.views import values

_CONVERSIONS = Path(__file__).parents[1] / "valuesets" / "ucum_conversions.csv"
_UCUM = "http://unitsofmeasure.org"
# A product that needs more digits than this is not converted: it would have to be rounded.
_EXACT = Context(prec=60, traps=[Inexact, InvalidOperation, Overflow])


@cache
def conversions() -> Mapping[str, tuple[str, Decimal]]:
    """UCUM code -> the common unit's code, and the exact factor into it."""
    with _CONVERSIONS.open(encoding="utf-8", newline="") as stream:
        lines = csv.DictReader((line for line in stream if not line.startswith("#")), strict=True)
        return MappingProxyType({row["unit"]: (row["common_unit"], Decimal(row["factor"])) for row in lines})


def in_common_unit(quantity: Any) -> tuple[Decimal, str] | None:
    """A FHIR Quantity in its common unit; None without a UCUM unit that has an exact factor, or a number."""
    if not isinstance(quantity, dict) or quantity.get("system") != _UCUM:
        return None
    code, value = quantity.get("code"), quantity.get("value")
    known = conversions().get(code) if isinstance(code, str) else None
    if known is None or not values.is_number(value):
        return None
    number = values.as_decimal(value)
    if not number.is_finite():
        return None
    try:
        product = number if known[1] == 1 else _EXACT.multiply(number, known[1])
    except (Inexact, InvalidOperation, Overflow):
        return None
    return product, known[0]
