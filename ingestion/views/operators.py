"""Operators of FHIRPath as closures over their compiled sides (FHIRPath 2.0, chapter 6).

Logic has three values: true, false and the empty collection for "not known".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ingestion.views import values
from ingestion.views.functions import Evaluate, Scope
from ingestion.views.problems import EvaluationRefused
from ingestion.views.values import Collection


def negate(operand: Evaluate) -> Evaluate:
    def negated(about: Collection, scope: Scope) -> Collection:
        value = values.single(operand(about, scope), "负号后的表达式", "what follows the minus sign")
        if value is None:
            return []
        if not values.is_number(value):
            raise EvaluationRefused("负号后不是数", "what follows the minus sign is not a number")
        return [-value]

    return negated


def binary(operator: str, left: Evaluate, right: Evaluate) -> Evaluate:
    if operator in _LOGIC:
        return _logical(_LOGIC[operator], left, right)
    if operator in {"=", "!="}:
        return _equality(operator == "=", left, right)
    if operator in _ORDER:
        return _comparison(_ORDER[operator], left, right)
    if operator == "|":
        return _union(left, right)
    if operator == "&":
        return _concatenation(left, right)
    return _arithmetic(operator, left, right)


def _and(left: bool | None, right: bool | None) -> bool | None:
    if left is False or right is False:
        return False
    return None if left is None or right is None else True


def _or(left: bool | None, right: bool | None) -> bool | None:
    if left is True or right is True:
        return True
    return None if left is None or right is None else False


def _xor(left: bool | None, right: bool | None) -> bool | None:
    return None if left is None or right is None else left != right


def _implies(left: bool | None, right: bool | None) -> bool | None:
    return _or(None if left is None else not left, right)


_LOGIC: dict[str, Callable[[bool | None, bool | None], bool | None]] = {
    "and": _and,
    "or": _or,
    "xor": _xor,
    "implies": _implies,
}
_ORDER: dict[str, Callable[[int], bool]] = {
    "<": lambda order: order < 0,
    "<=": lambda order: order <= 0,
    ">": lambda order: order > 0,
    ">=": lambda order: order >= 0,
}


def _logical(
    decide: Callable[[bool | None, bool | None], bool | None], left: Evaluate, right: Evaluate
) -> Evaluate:
    def logical(about: Collection, scope: Scope) -> Collection:
        answer = decide(values.truth(left(about, scope)), values.truth(right(about, scope)))
        return [] if answer is None else [answer]

    return logical


def _equality(wanted: bool, left: Evaluate, right: Evaluate) -> Evaluate:
    def compare(about: Collection, scope: Scope) -> Collection:
        answer = values.equal(left(about, scope), right(about, scope))
        return [] if answer is None else [answer is wanted]

    return compare


def _operands(
    operator: str, left: Evaluate, right: Evaluate, about: Collection, scope: Scope
) -> tuple[Any, Any] | None:
    role_zh, role_en = f"运算 {operator} 的一侧", f"one side of `{operator}`"
    one = values.single(left(about, scope), role_zh, role_en)
    other = values.single(right(about, scope), role_zh, role_en)
    return None if one is None or other is None else (one, other)


def _comparison(accepts: Callable[[int], bool], left: Evaluate, right: Evaluate) -> Evaluate:
    def compare(about: Collection, scope: Scope) -> Collection:
        pair = _operands("<>", left, right, about, scope)
        order = values.order(*pair) if pair else None
        return [] if order is None else [accepts(order)]

    return compare


def _arithmetic(operator: str, left: Evaluate, right: Evaluate) -> Evaluate:
    def calculate(about: Collection, scope: Scope) -> Collection:
        pair = _operands(operator, left, right, about, scope)
        result = values.calculate(operator, *pair) if pair else None
        return [] if result is None else [result]

    return calculate


def _concatenation(left: Evaluate, right: Evaluate) -> Evaluate:
    def concatenate(about: Collection, scope: Scope) -> Collection:
        sides = [values.single(side(about, scope), "& 的一侧", "one side of `&`") for side in (left, right)]
        return ["".join(values.as_text(side) or "" for side in sides if side is not None)]

    return concatenate


def _union(left: Evaluate, right: Evaluate) -> Evaluate:
    def unite(about: Collection, scope: Scope) -> Collection:
        both = left(about, scope) + right(about, scope)
        if len(both) < 2:
            return both
        found: Collection = []
        for item in both:
            if not any(values.equal_items(item, known) for known in found):
                found.append(item)
        return found

    return unite
