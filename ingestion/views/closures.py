"""An expression into a Python closure: compiled once, called for every resource.

A closure takes the collection that the expression is about and a scope, and returns a new
collection. Choice elements (`value[x]`) are found through the table in choice_elements.json, which
lists each choice element of FHIR R4 with its types.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ingestion.views import values
from ingestion.views.functions import FUNCTIONS, Evaluate, Scope, Site
from ingestion.views.operators import binary, negate
from ingestion.views.problems import EvaluationRefused, ExpressionRefused
from ingestion.views.syntax import (
    Binary,
    Call,
    Expression,
    Index,
    Literal,
    Member,
    Negate,
    Nothing,
    This,
    Variable,
)
from ingestion.views.values import Collection

# A JSON key, and where to look when it is not there.
Step = tuple[str, Callable[[dict[str, Any]], Any] | None]

_WHOLE_RESOURCE = frozenset({"resource", "context", "rootResource"})
_SAME_TYPE = frozenset({"first", "last", "where"})


def compile_expression(
    expression: Expression,
    constants: Mapping[str, Literal],
    resource_type: str = "",
    declared_type: str | None = None,
) -> Evaluate:
    """`constants` are the view's; `declared_type` is the type of the column that the expression fills."""
    return _Compiler(constants, resource_type, declared_type).closure(expression)


class _Compiler:
    def __init__(
        self, constants: Mapping[str, Literal], resource_type: str, declared_type: str | None
    ) -> None:
        self._constants = constants
        self._resource_type = resource_type
        self._declared_type = declared_type

    def closure(self, expression: Expression) -> Evaluate:
        match expression:
            case Literal():
                value = [expression.value]
                return lambda _about, _scope: value
            case Nothing():
                return lambda _about, _scope: []
            case This():
                return lambda about, _scope: about
            case Variable():
                return self._variable(expression)
            case Member():
                return self._member(expression)
            case Call():
                return self._call(expression)
            case Index():
                return self._index(expression)
            case Negate():
                return negate(self.closure(expression.operand))
            case Binary():
                return binary(
                    expression.operator, self.closure(expression.left), self.closure(expression.right)
                )

    def _variable(self, variable: Variable) -> Evaluate:
        if variable.name in self._constants:
            return self.closure(self._constants[variable.name])
        if variable.name == "rowIndex":
            return lambda _about, scope: [scope.row_index]
        if variable.name in _WHOLE_RESOURCE:
            return lambda _about, scope: [scope.resource]
        raise ExpressionRefused(
            f"没有名为 %{variable.name} 的常量", f"there is no constant named %{variable.name}"
        )

    def _member(self, member: Member) -> Evaluate:
        if member.source is None and member.name == self._resource_type:
            return lambda about, _scope: [item for item in about if _is_resource(item, member.name)]
        return self._path(member)

    def _path(self, expression: Expression) -> Evaluate:
        """`a.b.c` and `value.ofType(Quantity).code` in one closure: most of a view is such paths."""
        steps: list[Step] = []
        here: Expression | None = expression
        while here is not None and (found := self._step_of(here)) is not None:
            step, here = found
            steps.append(step)
        walk = _walk(tuple(reversed(steps)))
        if here is None:
            return walk
        source = self.closure(here)
        return lambda about, scope: walk(source(about, scope), scope)

    def _step_of(self, expression: Expression) -> tuple[Step, Expression | None] | None:
        """The step that an expression takes and what it is taken from; None when it is not a step."""
        if isinstance(expression, Member):
            if expression.source is None and expression.name == self._resource_type:
                return None
            return _step(expression.name), expression.source
        if isinstance(expression, Call) and expression.name == "ofType" and len(expression.arguments) == 1:
            # `value.ofType(Quantity)` reads the JSON key `valueQuantity`.
            kind, member = _type_name(expression.arguments[0]), expression.source
            if isinstance(member, Member) and kind in choice_types().get(member.name, {}).values():
                return _choice_step(member.name, str(kind)), member.source
        return None

    def _call(self, call: Call) -> Evaluate:
        function = FUNCTIONS.get(call.name)
        if function is None:
            raise ExpressionRefused(
                f"视图不支持函数 {call.name}()；可用：{'、'.join(FUNCTIONS)}",
                f"views do not support the function {call.name}(); available: {', '.join(FUNCTIONS)}",
            )
        if not function.fewest <= len(call.arguments) <= function.most:
            raise ExpressionRefused(
                f"函数 {call.name}() 的参数个数不对", f"{call.name}() has the wrong number of arguments"
            )
        if self._step_of(call) is not None:
            return self._path(call)
        apply = function.build(self._site(call))
        if call.source is None:
            return lambda about, scope: apply(about, about, scope)
        source = self.closure(call.source)
        return lambda about, scope: apply(source(about, scope), about, scope)

    def _site(self, call: Call) -> Site:
        type_names = tuple(_type_name(argument) for argument in call.arguments)
        named_type_only = call.name in {"ofType", "getReferenceKey"}
        arguments = () if named_type_only else tuple(self.closure(argument) for argument in call.arguments)
        if named_type_only and call.arguments:
            arguments = (lambda _about, _scope: [],)
        source_type = _static_type(call.source) if call.source is not None else None
        return Site(call.name, arguments, type_names, source_type, self._declared_type)

    def _index(self, index: Index) -> Evaluate:
        source, position = self.closure(index.source), self.closure(index.index)

        def item(about: Collection, scope: Scope) -> Collection:
            wanted = values.single(position(about, scope), "下标", "the index")
            if wanted is None:
                return []
            if not isinstance(wanted, int) or isinstance(wanted, bool):
                raise EvaluationRefused("下标不是整数", "the index is not a whole number")
            return source(about, scope)[wanted : wanted + 1] if wanted >= 0 else []

        return item


@cache
def choice_types() -> dict[str, dict[str, str]]:
    """Choice element -> JSON key -> FHIR type: `{"value": {"valueQuantity": "Quantity", ...}}`."""
    listed = json.loads(Path(__file__).with_name("choice_elements.json").read_text(encoding="utf-8"))
    return {
        element: {element + kind[0].upper() + kind[1:]: kind for kind in kinds}
        for element, kinds in listed.items()
    }


def _walk(steps: tuple[Step, ...]) -> Evaluate:
    """Along the steps, repeating elements unfolded. A null in a list is a primitive with extensions only."""

    def walk(items: Collection, _scope: Scope) -> Collection:
        for key, fallback in steps:
            found: Collection = []
            for item in items:
                if type(item) is not dict:
                    continue
                value = item.get(key)
                if value is None and (fallback is None or (value := fallback(item)) is None):
                    continue
                if type(value) is list:
                    found += [one for one in value if one is not None]
                else:
                    found.append(value)
            if not found:
                return found
            items = found
        return items

    if len(steps) > 1:
        return walk
    only_key, only_fallback = steps[0]

    def step(items: Collection, scope: Scope) -> Collection:
        # Nearly always one object is asked for one element that does not repeat.
        if len(items) == 1 and type(items[0]) is dict:
            value = items[0].get(only_key)
            if value is None:
                value = None if only_fallback is None else only_fallback(items[0])
            if value is None:
                return []
            if type(value) is not list:
                return [value]
        return walk(items, scope)

    return step


def _step(name: str) -> Step:
    """To the element `name`; a choice element by whichever of its types is there."""
    choices = choice_types().get(name)
    if choices is None:
        return name, None
    return name, lambda item: next((item[key] for key in item if key in choices), None)


def _choice_step(name: str, kind: str) -> Step:
    def plain(item: dict[str, Any]) -> Any:
        value = item.get(name)
        if value is None:
            return None
        return [one for one in (value if isinstance(value, list) else [value]) if values.fits(one, kind)]

    return name + kind[0].upper() + kind[1:], plain


def _is_resource(item: Any, kind: str) -> bool:
    return isinstance(item, dict) and item.get("resourceType") == kind


def _type_name(argument: Expression) -> str | None:
    """`Patient`, `FHIR.Patient` and `System.String` are type names where a type is wanted."""
    if not isinstance(argument, Member):
        return None
    if argument.source is None or argument.source == Member(None, "FHIR"):
        return argument.name
    if argument.source == Member(None, "System"):
        return argument.name[0].lower() + argument.name[1:]
    return None


def _static_type(expression: Expression) -> str | None:
    """The FHIR type of an expression's items, where the expression itself says it."""
    match expression:
        case Literal():
            return expression.kind
        case Call(name="ofType"):
            return _type_name(expression.arguments[0])
        case Call(source=source) if expression.name in _SAME_TYPE and source is not None:
            return _static_type(source)
        case Index():
            return _static_type(expression.source)
    return None
