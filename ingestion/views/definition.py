"""A ViewDefinition as read: its parts, checked, with the path of whatever is wrong.

Source: SQL on FHIR v2, the ViewDefinition logical model. Elements that a person reads but a view
does not need (url, publisher, ...) are allowed; an element that is not in the model is refused,
because a misspelt `where` would let every resource in.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ingestion.views import temporal, values
from ingestion.views.problems import Refused
from ingestion.views.syntax import Literal
from ingestion.views.values import SCALAR_TYPES

_METADATA = frozenset(
    {
        "resourceType", "url", "identifier", "name", "title", "meta", "status", "experimental", "publisher",
        "contact", "description", "useContext", "copyright", "fhirVersion", "version", "date", "id", "text",
        "extension", "jurisdiction", "purpose", "copyrightLabel", "profile", "versionAlgorithmString",
        "versionAlgorithmCoding",
    }
)  # fmt: skip
_VIEW_ELEMENTS = _METADATA | {"resource", "constant", "select", "where"}
_SELECT_ELEMENTS = frozenset({"column", "select", "forEach", "forEachOrNull", "repeat", "unionAll"})
_COLUMN_ELEMENTS = frozenset({"name", "path", "type", "collection", "description", "tag"})
_ITERATIONS = ("forEach", "forEachOrNull", "repeat")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,127}")
_RESOURCE = re.compile(r"[A-Z][A-Za-z]{1,63}")
_MAX_NESTING = 16


class DefinitionRefused(Refused):
    """Something in the definition is wrong, at `path`."""

    def __init__(self, path: str, zh: str, en: str) -> None:
        super().__init__(zh, en)
        self.path = path


@dataclass(frozen=True)
class ColumnDefinition:
    """One column: the expression that fills it, and what a reader is told about it."""

    name: str
    path: str
    type: str | None
    collection: bool
    description: str
    tags: Mapping[str, str]
    at: str


@dataclass(frozen=True)
class SelectDefinition:
    """One select. `iteration` is "", forEach, forEachOrNull or repeat; `paths` are its expressions."""

    iteration: str
    paths: tuple[str, ...]
    columns: tuple[ColumnDefinition, ...]
    selects: tuple[SelectDefinition, ...]
    unions: tuple[SelectDefinition, ...]
    at: str


@dataclass(frozen=True)
class ViewDefinition:
    """A whole view, not yet compiled."""

    name: str
    version: str
    title: str
    resource: str
    constants: Mapping[str, Literal]
    where: tuple[tuple[str, str], ...]  # (path in the definition, expression)
    select: SelectDefinition


def read_definition(content: Any) -> ViewDefinition:
    """Checks and types a parsed ViewDefinition. Raises `DefinitionRefused`."""
    view = _object(content, "", _VIEW_ELEMENTS)
    resource = _text(view, "resource", "")
    if not _RESOURCE.fullmatch(resource):
        raise DefinitionRefused("resource", "不是资源类型名", "it is not the name of a resource type")
    where = [_criterion(one, f"where[{number}]") for number, one in enumerate(_list(view, "where", ""))]
    selects = _selects(view, "select", "", 0)
    if not selects:
        raise DefinitionRefused("select", "缺少 select", "select is missing")
    return ViewDefinition(
        name=_name(view["name"], "name") if "name" in view else "view",
        version=str(view.get("version", "")),
        title=str(view.get("title", "")),
        resource=resource,
        constants=_constants(view),
        where=tuple(where),
        select=SelectDefinition("", (), (), selects, (), ""),
    )


def _criterion(content: Any, at: str) -> tuple[str, str]:
    return f"{at}.path", _text(_object(content, at, {"path", "description"}), "path", at)


def _selects(parent: Mapping[str, Any], element: str, at: str, depth: int) -> tuple[SelectDefinition, ...]:
    if depth > _MAX_NESTING:
        raise DefinitionRefused(at, "select 嵌套过深", "selects are nested too deeply")
    return tuple(
        _select(one, _join(at, f"{element}[{number}]"), depth)
        for number, one in enumerate(_list(parent, element, at))
    )


def _select(content: Any, at: str, depth: int) -> SelectDefinition:
    select = _object(content, at, _SELECT_ELEMENTS)
    used = [name for name in _ITERATIONS if name in select]
    if len(used) > 1:
        raise DefinitionRefused(
            at,
            "forEach、forEachOrNull、repeat 只能有一个",
            "only one of forEach, forEachOrNull and repeat may stand here",
        )
    iteration = used[0] if used else ""
    found = SelectDefinition(
        iteration=iteration,
        paths=_iteration_paths(select, iteration, at),
        columns=tuple(
            _column(one, _join(at, f"column[{number}]"))
            for number, one in enumerate(_list(select, "column", at))
        ),
        selects=_selects(select, "select", at, depth + 1),
        unions=_selects(select, "unionAll", at, depth + 1),
        at=at,
    )
    if not (found.columns or found.selects or found.unions):
        raise DefinitionRefused(at, "没有任何列", "it has no columns")
    return found


def _iteration_paths(select: Mapping[str, Any], iteration: str, at: str) -> tuple[str, ...]:
    if not iteration:
        return ()
    if iteration != "repeat":
        return (_text(select, iteration, at),)
    paths = _list(select, "repeat", at)
    if not paths or not all(isinstance(path, str) for path in paths):
        raise DefinitionRefused(_join(at, "repeat"), "应为表达式的列表", "it must be a list of expressions")
    return tuple(paths)


def _column(content: Any, at: str) -> ColumnDefinition:
    column = _object(content, at, _COLUMN_ELEMENTS)
    collection = column.get("collection", False)
    if not isinstance(collection, bool):
        raise DefinitionRefused(_join(at, "collection"), "应为 true 或 false", "it must be true or false")
    kind = column.get("type")
    if kind is not None and not (isinstance(kind, str) and re.fullmatch(r"[A-Za-z0-9:/.#\-]+", kind)):
        raise DefinitionRefused(_join(at, "type"), "应为 FHIR 类型名", "it must be the name of a FHIR type")
    tags: dict[str, str] = {}
    for number, one in enumerate(_list(column, "tag", at)):
        tag_at = _join(at, f"tag[{number}]")
        tag = _object(one, tag_at, {"name", "value"})
        tags[_text(tag, "name", tag_at)] = _text(tag, "value", tag_at)
    return ColumnDefinition(
        name=_name(column.get("name"), _join(at, "name")),
        path=_text(column, "path", at),
        type=kind,
        collection=collection,
        description=str(column.get("description", "")),
        tags=tags,
        at=at,
    )


def _constants(view: Mapping[str, Any]) -> dict[str, Literal]:
    found: dict[str, Literal] = {}
    for number, content in enumerate(_list(view, "constant", "")):
        at = f"constant[{number}]"
        constant = _object(content, at, None)
        name = _name(constant.get("name"), f"{at}.name")
        given = [key for key in constant if key.startswith("value")]
        if len(given) != 1 or set(constant) - {"name", given[0]}:
            raise DefinitionRefused(
                at, "常量应有且只有一个 value[x]", "a constant has a name and exactly one value[x]"
            )
        if name in found:
            raise DefinitionRefused(f"{at}.name", "常量名重复", "this name is already taken")
        kind = given[0][len("value") :]
        kind = kind[:1].lower() + kind[1:]
        found[name] = _constant(constant[given[0]], kind, f"{at}.{given[0]}")
    return found


def _constant(value: Any, kind: str, at: str) -> Literal:
    if isinstance(value, float):
        value = Decimal(repr(value))
    if kind in {"date", "dateTime", "instant", "time"} and isinstance(value, str):
        moment = temporal.read(value, kind == "time")
        if moment is not None:
            return Literal(moment, kind)
    elif kind in SCALAR_TYPES and not isinstance(value, float) and values.fits(value, kind):
        return Literal(value, kind)
    raise DefinitionRefused(
        at,
        "常量的值与类型不符，或类型不支持",
        "the value does not fit its type, or the type is not supported",
    )


def _object(content: Any, at: str, allowed: frozenset[str] | set[str] | None) -> Mapping[str, Any]:
    if not isinstance(content, Mapping):
        raise DefinitionRefused(at, "应为 JSON 对象", "it must be a JSON object")
    unknown = sorted(str(key) for key in content if allowed is not None and key not in allowed)
    if unknown:
        raise DefinitionRefused(
            _join(at, unknown[0]), "ViewDefinition 没有这个元素", "a ViewDefinition has no such element"
        )
    return content


def _list(parent: Mapping[str, Any], element: str, at: str) -> list[Any]:
    content = parent.get(element, [])
    if not isinstance(content, list):
        raise DefinitionRefused(_join(at, element), "应为列表", "it must be a list")
    return content


def _text(parent: Mapping[str, Any], element: str, at: str) -> str:
    content = parent.get(element)
    if content is None:
        raise DefinitionRefused(_join(at, element), "缺少该元素", "it is missing")
    if not isinstance(content, str):
        raise DefinitionRefused(_join(at, element), "应为文字", "it must be a text")
    return content


def _name(content: Any, at: str) -> str:
    if not isinstance(content, str) or not _NAME.fullmatch(content):
        raise DefinitionRefused(
            at,
            "名称应以字母开头，只含字母、数字和下划线",
            "a name starts with a letter and has letters, digits and _ only",
        )
    return content


def _join(at: str, element: str) -> str:
    return f"{at}.{element}" if at else element
