"""How values of FHIR compare, add up and answer yes or no (FHIRPath 2.0, chapters 4 and 6).

A collection is a list. The empty list is "no answer", and most operators answer nothing to nothing.
"""

from __future__ import annotations

from decimal import Decimal, DivisionByZero, InvalidOperation, Overflow
from typing import Any

from ingestion.views import temporal
from ingestion.views.problems import EvaluationRefused
from ingestion.views.temporal import Temporal

Collection = list[Any]

_WHOLE = frozenset({"integer", "positiveInt", "unsignedInt", "integer64"})
TEXT_TYPES = frozenset(
    {
        "string", "code", "id", "uri", "url", "uuid", "oid", "canonical", "markdown", "base64Binary",
        "date", "dateTime", "instant", "time", "xhtml",
    }
)  # fmt: skip
SCALAR_TYPES = TEXT_TYPES | _WHOLE | {"boolean", "decimal"}


def is_number(value: Any) -> bool:
    return isinstance(value, int | Decimal | float) and not isinstance(value, bool)


def fits(value: Any, kind: str) -> bool:
    """Whether a JSON value can be of this FHIR type. Raises where JSON alone cannot tell."""
    if kind == "boolean":
        return isinstance(value, bool)
    if kind in _WHOLE:
        return isinstance(value, int) and not isinstance(value, bool)
    if kind == "decimal":
        return is_number(value)
    if kind in TEXT_TYPES:
        return isinstance(value, str | Temporal)
    if not isinstance(value, dict):
        return False
    if "resourceType" in value:
        return bool(value["resourceType"] == kind)
    raise EvaluationRefused(
        f"无法判断该元素是否为 {kind} 类型，请把 ofType 直接写在可选类型元素之后",
        f"it cannot be known whether that element is a {kind}; write ofType right after the choice element",
    )


def single(items: Collection, role_zh: str, role_en: str) -> Any:
    """The only item, or None when there is none."""
    if len(items) > 1:
        raise EvaluationRefused(f"{role_zh}有多个值", f"{role_en} has more than one value")
    return items[0] if items else None


def truth(items: Collection) -> bool | None:
    """As a yes or no; a single thing that is not a boolean counts as yes (FHIRPath 2.0, 4.5)."""
    value = single(items, "逻辑运算的一侧", "one side of a logical operator")
    if value is None or isinstance(value, bool):
        return value
    return True


def equal_items(left: Any, right: Any) -> bool | None:
    """Whether two items are equal; None where the precision of dates leaves it open."""
    if isinstance(left, Temporal) or isinstance(right, Temporal):
        one, other = as_temporal(left), as_temporal(right)
        if one is None or other is None:
            return False
        order = temporal.compare(one, other)
        return None if order is None else order == 0
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if is_number(left) and is_number(right):
        return as_decimal(left) == as_decimal(right)
    return bool(left == right)


def equal(left: Collection, right: Collection) -> bool | None:
    """Equality of collections: same length, same items, same order."""
    if not left or not right:
        return None
    if len(left) != len(right):
        return False
    if len(left) == 1 and type(left[0]) is str and type(right[0]) is str:
        return bool(left[0] == right[0])
    answers = [equal_items(one, other) for one, other in zip(left, right, strict=True)]
    if False in answers:
        return False
    return None if None in answers else True


def order(left: Any, right: Any) -> int | None:
    """-1, 0, 1, or None when it cannot be known. Raises for things that have no order."""
    if is_number(left) and is_number(right):
        one, other = as_decimal(left), as_decimal(right)
        return (one > other) - (one < other)
    if isinstance(left, str | Temporal) and isinstance(right, str | Temporal):
        moments = as_temporal(left), as_temporal(right)
        if moments[0] is not None and moments[1] is not None:
            return temporal.compare(moments[0], moments[1])
        if isinstance(left, str) and isinstance(right, str):
            return (left > right) - (left < right)
        return None
    raise EvaluationRefused("两侧的类型不能比较大小", "the two sides are of kinds that have no order")


def as_temporal(value: Any) -> Temporal | None:
    """JSON writes dates as texts: a text that reads as one is one."""
    if isinstance(value, Temporal):
        return value
    return temporal.read(value) if isinstance(value, str) else None


def as_decimal(value: Any) -> Decimal:
    """Exact; a float stands for the shortest decimal that gives it."""
    return Decimal(repr(value)) if isinstance(value, float) else Decimal(value)


def as_text(value: Any) -> str | None:
    """A scalar as FHIR writes it; None for anything with parts. A decimal keeps its own digits."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Temporal):
        return value.text
    if is_number(value):
        return str(value)
    return value if isinstance(value, str) else None


def calculate(operator: str, left: Any, right: Any) -> Any:
    """`+ - * / div mod` on numbers, `+` on texts. None where there is no result, as after division by 0."""
    if operator == "+" and isinstance(left, str) and isinstance(right, str):
        return left + right
    if not (is_number(left) and is_number(right)):
        raise EvaluationRefused(f"运算 {operator} 的两侧不是数", f"`{operator}` needs a number on both sides")
    one, other = as_decimal(left), as_decimal(right)
    try:
        result = _calculate(operator, one, other)
    except (DivisionByZero, InvalidOperation, Overflow):
        return None
    whole = isinstance(left, int) and isinstance(right, int) and operator != "/"
    return int(result) if whole or operator == "div" else result


def _calculate(operator: str, left: Decimal, right: Decimal) -> Decimal:
    match operator:
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
        case "/":
            return left / right
        case "div":
            return left // right
        case _:
            return left % right


def decimal_boundary(value: Any, *, high: bool) -> Decimal:
    """Half a unit in the last written place above or below: 1.0 reaches from 0.95 to 1.05."""
    number = as_decimal(value)
    exponent = number.as_tuple().exponent
    half = Decimal(5).scaleb((exponent if isinstance(exponent, int) else 0) - 1)
    return number + half if high else number - half
