"""A ViewDefinition into a function from one resource to its rows.

Everything that can be known without a resource is checked here: expressions, names of columns, and
that the branches of a unionAll have the same columns. Rows are tuples until the end, so that a cross
product of selects is a concatenation.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import product
from typing import Any

from ingestion.views import values
from ingestion.views.closures import compile_expression
from ingestion.views.definition import (
    ColumnDefinition,
    DefinitionRefused,
    SelectDefinition,
    ViewDefinition,
    read_definition,
)
from ingestion.views.functions import Evaluate, Scope
from ingestion.views.parser import parse
from ingestion.views.problems import EvaluationRefused, Refused, bad_value, bad_view
from ingestion.views.temporal import Temporal
from ingestion.views.values import Collection
from rwd_platform.core.canonical import sha256_of
from rwd_platform.core.units import Resource

Rows = list[tuple[Any, ...]]
MakeRows = Callable[[Collection, Scope], Rows]

_WHOLE = frozenset({"integer", "positiveInt", "unsignedInt", "integer64"})
_STORAGE_TAG, _SINCE_TAG = "ansi/type", "rwd/since"
FIRST_VERSION = "1.0.0"
_VERSION = re.compile(r"[0-9]{1,4}\.[0-9]{1,4}\.[0-9]{1,4}")
_DOUBLE = "DOUBLE PRECISION"


@dataclass(frozen=True)
class Column:
    """A column of a lake table. `type` is its FHIR type; `storage` what a store keeps it as."""

    name: str
    type: str
    zh: str
    en: str
    storage: str  # text, boolean, integer, decimal or double
    collection: bool = False
    since: str = FIRST_VERSION  # the version of the tables that brought it


@dataclass(frozen=True)
class View:
    """A compiled view. Its identity is name + version + SHA-256 of the definition's canonical JSON."""

    name: str
    version: str
    sha256: str
    resource: str
    zh: str
    en: str
    columns: tuple[Column, ...]
    _passes: Callable[[Resource], bool]
    _make: MakeRows

    def rows(self, resource: Resource) -> list[dict[str, Any]]:
        """The rows that this resource gives: none, one or several. Raises PlatformError `views.value`."""
        if resource.get("resourceType") != self.resource or not self._passes(resource):
            return []
        names = [column.name for column in self.columns]
        return [dict(zip(names, row, strict=True)) for row in self._make([resource], Scope(resource))]


@dataclass(frozen=True)
class _Part:
    """A compiled select: the columns it gives, in order, and how to make their rows."""

    columns: tuple[Column, ...]
    make: MakeRows
    may_be_empty: bool = False


def compile_view(content: Mapping[str, Any]) -> View:
    """The view that a parsed ViewDefinition says. Raises PlatformError `views.definition` with the place."""
    name = str(content.get("name", "view")) if isinstance(content, Mapping) else "view"
    try:
        definition = read_definition(content)
        part = _Compiler(definition).select(definition.select)
        _check_names(part.columns)
        passes = _compile_where(definition)
    except DefinitionRefused as refused:
        raise bad_view(name, refused.path, refused.why) from None
    title_zh, title_en = two_languages(definition.title)
    return View(
        name=definition.name,
        version=definition.version,
        sha256=sha256_of(_without_decimals(content)),
        resource=definition.resource,
        zh=title_zh,
        en=title_en,
        columns=part.columns,
        _passes=passes,
        _make=part.make,
    )


def two_languages(text: str) -> tuple[str, str]:
    """`中文 · English`; a text without the dot stands for both."""
    zh, dot, en = text.partition(" · ")
    return (zh.strip(), en.strip()) if dot else (text, text)


class _Compiler:
    def __init__(self, view: ViewDefinition) -> None:
        self._view = view

    def select(self, select: SelectDefinition) -> _Part:
        parts = [self._columns(select.columns)] if select.columns else []
        parts += [self.select(one) for one in select.selects]
        if select.unions:
            parts.append(self._union(select))
        body = _cross(parts)
        return _Part(
            body.columns, self._iterate(select, body.make), body.may_be_empty or bool(select.iteration)
        )

    def _columns(self, columns: tuple[ColumnDefinition, ...]) -> _Part:
        cells = [
            (self._expression(column.path, f"{column.at}.path", column.type), _converter(column))
            for column in columns
        ]
        view_name = self._view.name

        def make(items: Collection, scope: Scope) -> Rows:
            row: list[Any] = []
            try:
                for evaluate, convert in cells:
                    row.append(convert(evaluate(items, scope)))
            except EvaluationRefused as refused:
                raise bad_value(view_name, columns[len(row)].name, refused.why) from None
            return [tuple(row)]

        return _Part(tuple(_describe(column) for column in columns), make)

    def _union(self, select: SelectDefinition) -> _Part:
        branches = [self.select(branch) for branch in select.unions]
        names = [tuple(column.name for column in branch.columns) for branch in branches]
        for number, branch_names in enumerate(names):
            if branch_names != names[0]:
                raise DefinitionRefused(
                    select.unions[number].at,
                    "unionAll 各分支的列名和顺序必须相同",
                    "all branches of a unionAll must have the same columns in the same order",
                )
        makers = [branch.make for branch in branches]

        def make(items: Collection, scope: Scope) -> Rows:
            return [row for maker in makers for row in maker(items, scope)]

        return _Part(branches[0].columns, make, all(branch.may_be_empty for branch in branches))

    def _iterate(self, select: SelectDefinition, make: MakeRows) -> MakeRows:
        if not select.iteration:
            return make
        paths = [self._expression(path, f"{select.at}.{select.iteration}", None) for path in select.paths]
        view_name, place = self._view.name, f"{select.at}.{select.iteration}"
        find = _descend(paths) if select.iteration == "repeat" else paths[0]
        or_null = select.iteration == "forEachOrNull"

        def iterate(items: Collection, scope: Scope) -> Rows:
            try:
                found = find(items, scope)
            except EvaluationRefused as refused:
                raise bad_value(view_name, place, refused.why) from None
            if not found and or_null:
                return make([], Scope(scope.resource, 0))
            return [
                row for index, item in enumerate(found) for row in make([item], Scope(scope.resource, index))
            ]

        return iterate

    def _expression(self, text: str, at: str, declared_type: str | None) -> Evaluate:
        return _compile_path(self._view, text, at, declared_type)


def _compile_path(view: ViewDefinition, text: str, at: str, declared_type: str | None) -> Evaluate:
    try:
        return compile_expression(parse(text), view.constants, view.resource, declared_type)
    except Refused as refused:
        raise DefinitionRefused(at, refused.why.zh, refused.why.en) from None


def _compile_where(view: ViewDefinition) -> Callable[[Resource], bool]:
    criteria = [(at, _compile_path(view, text, at, "boolean")) for at, text in view.where]

    def passes(resource: Resource) -> bool:
        scope = Scope(resource)
        for at, criterion in criteria:
            answer = criterion([resource], scope)
            if not answer:
                return False
            if len(answer) > 1 or not isinstance(answer[0], bool):
                why = EvaluationRefused("条件的结果不是真或假", "the condition is neither true nor false").why
                raise bad_value(view.name, at, why)
            if not answer[0]:
                return False
        return True

    def checked(resource: Resource) -> bool:
        try:
            return passes(resource)
        except EvaluationRefused as refused:
            raise bad_value(view.name, "where", refused.why) from None

    return checked


def _descend(paths: list[Evaluate]) -> Evaluate:
    """Each path from here, then from each thing found, and so on down: parents before their children.

    A thing is visited once, so that a path that leads back up (`%resource`) comes to an end.
    """

    def find(items: Collection, scope: Scope) -> Collection:
        found: Collection = []
        visited = {id(item) for item in items}
        waiting = _children(paths, items, scope)
        while waiting:
            item = waiting.pop()
            if id(item) in visited:
                continue
            found.append(item)
            if isinstance(item, dict):
                visited.add(id(item))
                waiting.extend(_children(paths, [item], scope))
        return found

    return find


def _children(paths: list[Evaluate], items: Collection, scope: Scope) -> Collection:
    """Last one first, ready to be taken from the end of a list."""
    return [child for path in paths for child in path(items, scope)][::-1]


def _cross(parts: list[_Part]) -> _Part:
    if len(parts) == 1:
        return parts[0]
    columns = tuple(column for part in parts for column in part.columns)
    makers = [part.make for part in parts]
    # Parts that may give no row go first: then nothing else needs to be made.
    in_turn = sorted(range(len(parts)), key=lambda position: not parts[position].may_be_empty)

    def make(items: Collection, scope: Scope) -> Rows:
        made: list[Rows] = [[]] * len(makers)
        for position in in_turn:
            made[position] = makers[position](items, scope)
            if not made[position]:
                return []
        return [tuple([value for piece in pieces for value in piece]) for pieces in product(*made)]

    return _Part(columns, make, any(part.may_be_empty for part in parts))


def _check_names(columns: tuple[Column, ...]) -> None:
    seen: set[str] = set()
    for column in columns:
        if column.name in seen:
            raise DefinitionRefused(
                "select", f"列名 {column.name} 重复", f"the column {column.name} stands twice"
            )
        seen.add(column.name)


def _describe(column: ColumnDefinition) -> Column:
    zh, en = two_languages(column.description)
    kind = column.type or "string"
    since = column.tags.get(_SINCE_TAG, FIRST_VERSION)
    if not _VERSION.fullmatch(since):
        raise DefinitionRefused(
            f"{column.at}.tag", "rwd/since 应为 1.2.3 形式的版本", "rwd/since is no version such as 1.2.3"
        )
    return Column(column.name, kind, zh, en, _storage(column), column.collection, since)


def _storage(column: ColumnDefinition) -> str:
    if column.tags.get(_STORAGE_TAG) == _DOUBLE:
        return "double"
    if column.type == "boolean":
        return "boolean"
    if column.type in _WHOLE:
        return "integer"
    return "decimal" if column.type == "decimal" else "text"


def _converter(column: ColumnDefinition) -> Callable[[Collection], Any]:
    """From what the expression found to what the cell holds, refusing what does not fit the declared type."""
    kind, as_double = column.type, _storage(column) == "double"

    is_text = kind in values.TEXT_TYPES

    def one(value: Any) -> Any:
        if kind is not None and kind in values.SCALAR_TYPES and not values.fits(value, kind):
            raise EvaluationRefused(f"值不是 {kind} 类型", f"the value is not a {kind}")
        if isinstance(value, Temporal):
            return value.text
        if as_double:
            return float(values.as_decimal(value))
        return value

    if column.collection:
        return lambda items: [one(item) for item in items]

    def only(items: Collection) -> Any:
        if not items:
            return None
        if len(items) > 1:
            raise EvaluationRefused("有多个值", "there is more than one value")
        value = items[0]
        return value if is_text and type(value) is str else one(value)

    return only


def _without_decimals(content: Any) -> Any:
    """The definition with decimals as text, so that canonical JSON can be made of it."""
    if isinstance(content, Decimal):
        return str(content)
    if isinstance(content, Mapping):
        return {str(key): _without_decimals(value) for key, value in content.items()}
    if isinstance(content, list):
        return [_without_decimals(value) for value in content]
    return content
