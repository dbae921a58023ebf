"""Templates: a FHIR resource as a person writes it, with `{column}` where a cell goes.

`"{病案号}"` alone becomes the cell's value with its type (a number stays a number); inside a longer text it
becomes text. `{{` and `}}` are braces. An object whose placeholders are all empty is left out, with
everything constant in it: a telecom without a number says nothing.

    {$id: [c, "{病案号}", surgery]}        an id, always the same for the same key
    {$ref: [Patient, c, "{病案号}"]}       `Patient/` and that id
    {$const: "{nodes}"}                    the text as it stands
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ingestion.mapping.functions import Value
from ingestion.mapping.yaml_text import Node
from rwd_platform.core.canonical import sha256_of

Cells = Mapping[str, Value]
Build = Callable[[Cells], Any]

_PIECE = re.compile(r"\{\{|\}\}|\{([^{}]+)\}|[^{}]+|.", re.DOTALL)
_TYPE_NAME = re.compile(r"[A-Z][A-Za-z]{1,63}")
_LITERAL_PART = re.compile(r"[A-Za-z0-9.-]{1,32}")
# No hyphen: it joins the parts, and two keys must never give one id.
_READABLE = re.compile(r"[A-Za-z0-9.]+")
_LONGEST_ID = 64


@dataclass(frozen=True)
class Template:
    """A compiled piece of a template. `build` gives None when nothing is left of it."""

    build: Build
    columns: frozenset[str]


def resource_id(parts: tuple[str, ...], keys: tuple[bool, ...]) -> str:
    """The parts joined by hyphens where that is a valid and unambiguous FHIR id, else a hash of them.

    `keys` says which parts came from cells. 160 bits of SHA-256 keep two keys from ever meeting.
    """
    joined = "-".join(parts)
    readable = all(_READABLE.fullmatch(part) for part, is_key in zip(parts, keys, strict=True) if is_key)
    if readable and len(joined) <= _LONGEST_ID:
        return joined
    return f"h.{sha256_of(list(parts))[:40]}"


def compile_template(node: Node, columns: frozenset[str]) -> Template:
    """Any part of a template. `columns` are the names that placeholders may use."""
    match node.value:
        case dict() if any(key.startswith("$") for key in node.value):
            return _function(node, columns)
        case dict():
            return _object(node, columns)
        case list():
            return _list(node, columns)
        case str():
            return _text(node, columns)
        case bool() | int() | Decimal():
            constant = node.value
            return Template(lambda _cells: constant, frozenset())
    raise node.refuse("空值或不支持的值", "it is empty or of a kind that is not supported")


def _object(node: Node, columns: frozenset[str]) -> Template:
    parts = {key: compile_template(child, columns) for key, child in node.pairs()}
    if not parts:
        raise node.refuse("对象是空的", "the object is empty")
    used = _columns_of(parts.values())

    def build(cells: Cells) -> Any:
        if used and all(cells[column] is None for column in used):
            return None
        made = {key: part.build(cells) for key, part in parts.items()}
        return {key: value for key, value in made.items() if value is not None} or None

    return Template(build, used)


def _list(node: Node, columns: frozenset[str]) -> Template:
    parts = [compile_template(child, columns) for child in node.items()]

    def build(cells: Cells) -> Any:
        made = [part.build(cells) for part in parts]
        return [value for value in made if value is not None] or None

    return Template(build, _columns_of(parts))


def _columns_of(parts: Iterable[Template]) -> frozenset[str]:
    return frozenset(column for part in parts for column in part.columns)


def _text(node: Node, columns: frozenset[str]) -> Template:
    if not node.value:
        raise node.refuse("文字是空的", "the text is empty")
    pieces = _pieces(node, node.value, columns)
    used = frozenset(text for text, is_column in pieces if is_column)
    if len(pieces) == 1 and pieces[0][1]:
        column = pieces[0][0]
        return Template(lambda cells: cells[column], used)
    if not used:
        constant = "".join(text for text, _ in pieces)
        return Template(lambda _cells: constant, used)

    def build(cells: Cells) -> str | None:
        texts = [cells[text] if is_column else text for text, is_column in pieces]
        return None if None in texts else "".join(str(text) for text in texts)

    return Template(build, used)


def _pieces(node: Node, text: str, columns: frozenset[str]) -> list[tuple[str, bool]]:
    """(text or column, whether it is a column)."""
    found: list[tuple[str, bool]] = []
    for match in _PIECE.finditer(text):
        piece, column = match.group(), match.group(1)
        if column is not None:
            if column not in columns:
                raise node.refuse(f"没有列“{column}”", f"there is no column `{column}`")
            found.append((column, True))
        elif piece in {"{{", "}}"}:
            found.append((piece[0], False))
        elif piece in {"{", "}"}:
            raise node.refuse(
                "大括号不成对；要写大括号请写两个", "a brace stands alone; write two for a brace"
            )
        else:
            found.append((piece, False))
    return found


def _function(node: Node, columns: frozenset[str]) -> Template:
    name, argument = next(node.pairs())
    if len(node.value) != 1 or name not in _FUNCTIONS:
        known = list(_FUNCTIONS)
        raise node.refuse(
            f"没有函数 {name}，或它旁边还有别的键；可用：{'、'.join(known)}",
            f"there is no function {name}, or other keys stand beside it; available: {', '.join(known)}",
        )
    return _FUNCTIONS[name](argument, columns)


def _const(node: Node, _columns: frozenset[str]) -> Template:
    constant = node.text()
    return Template(lambda _cells: constant, frozenset())


def _id(node: Node, columns: frozenset[str]) -> Template:
    return _id_of(node, node.items(), columns)


def _id_of(node: Node, items: list[Node], columns: frozenset[str]) -> Template:
    parts = [_id_part(item, columns) for item in items]
    used = _columns_of(parts)
    if not used:
        raise node.refuse(
            "编号须含有至少一列，否则每行都相同", "an id needs a column, or all rows would share it"
        )
    keys = tuple(bool(part.columns) for part in parts)

    def build(cells: Cells) -> str | None:
        texts = [part.build(cells) for part in parts]
        return None if None in texts else resource_id(tuple(str(text) for text in texts), keys)

    return Template(build, used)


def _id_part(node: Node, columns: frozenset[str]) -> Template:
    part = _text(Node(node.text(), node.path), columns)
    if not part.columns and not _LITERAL_PART.fullmatch(node.text()):
        raise node.refuse(
            "只能用字母、数字、点和连字符", "it may have letters, digits, dots and hyphens only"
        )
    return part


def _ref(node: Node, columns: frozenset[str]) -> Template:
    items = node.items()
    kind = items[0].text()
    if not _TYPE_NAME.fullmatch(kind) or len(items) < 2:
        raise node.refuse("应为 [资源类型, 编号的各部分]", "it must be [resource type, the parts of the id]")
    inner = _id_of(node, items[1:], columns)

    def build(cells: Cells) -> str | None:
        found = inner.build(cells)
        return None if found is None else f"{kind}/{found}"

    return Template(build, inner.columns)


_FUNCTIONS: dict[str, Callable[[Node, frozenset[str]], Template]] = {
    "$id": _id,
    "$ref": _ref,
    "$const": _const,
}
