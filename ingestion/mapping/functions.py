"""The functions that read a cell: a closed set, so that a mapping is data and never a program.

Each is built once from its place in the YAML and then called for every cell that is not empty.
`required` is the only one that sees empty cells.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from ingestion.mapping.codemaps import PARTS, CodeMap
from ingestion.mapping.problems import BAD_DATE, BAD_DECIMAL, BAD_INTEGER, MISSING_VALUE, CellRefused
from ingestion.mapping.yaml_text import Node

Value = str | int | Decimal | None
Read = Callable[[str], Value]

# Blanks that Excel exports carry and no eye sees, beyond what str.strip removes.
_INVISIBLE = "\ufeff\u200b\u200c\u200d\u2060"
_FULL_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3000: 0x20}
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_DECIMAL = re.compile(r"[+-]?[0-9]{1,18}(\.[0-9]{1,18})?")
_FHIR_INTEGER = range(-(2**31), 2**31)
_DATE_TOKEN = re.compile(r"YYYY|MM|DD|M|D|[-/.年月日]")
_DATE_PARTS = {
    "YYYY": "(?P<year>[0-9]{4})",
    "MM": "(?P<month>[0-9]{2})",
    "M": "(?P<month>[0-9]{1,2})",
    "DD": "(?P<day>[0-9]{2})",
    "D": "(?P<day>[0-9]{1,2})",
}


def trim(text: str) -> str:
    """Without blanks around it, full-width and invisible ones included."""
    while (shorter := text.strip().strip(_INVISIBLE)) != text:
        text = shorter
    return text


def half_width(text: str) -> str:
    """Full-width letters, digits and signs as their ordinary selves; Chinese characters stay."""
    return text.translate(_FULL_WIDTH)


def whole_number(text: str) -> int:
    if not _INTEGER.fullmatch(text) or int(text) not in _FHIR_INTEGER:
        raise CellRefused(BAD_INTEGER)
    return int(text)


def decimal_number(text: str) -> Decimal:
    """With the digits as written: 0.40 stays 0.40."""
    if not _DECIMAL.fullmatch(text):
        raise CellRefused(BAD_DECIMAL)
    return Decimal(text)


def date_reader(formats: tuple[str, ...], node: Node) -> Read:
    """To `YYYY-MM-DD`, or `YYYY-MM` and `YYYY` where a format says no more. The first that fits decides."""
    patterns = [_date_pattern(one, node) for one in formats]
    listed = ", ".join(formats)

    def read(text: str) -> str:
        for pattern in patterns:
            match = pattern.fullmatch(text)
            if match and (found := _iso(match.groupdict())):
                return found
        raise CellRefused(BAD_DATE, formats=listed)

    return read


def _date_pattern(text: str, node: Node) -> re.Pattern[str]:
    tokens = _DATE_TOKEN.findall(text)
    parts = [token[0] for token in tokens if token in _DATE_PARTS]
    if "".join(tokens) != text or parts not in (["Y", "M", "D"], ["Y", "M"], ["Y"]):
        raise node.refuse(
            "日期格式由 YYYY、M 或 MM、D 或 DD 和分隔符组成，如 YYYY/M/D",
            "a date format is made of YYYY, M or MM, D or DD and separators, such as YYYY/M/D",
        )
    return re.compile("".join(_DATE_PARTS.get(token, re.escape(token)) for token in tokens))


def _iso(parts: Mapping[str, str]) -> str | None:
    numbers = [int(parts[name]) for name in ("year", "month", "day") if name in parts]
    try:
        date(*[*numbers, 1, 1][:3])
    except ValueError:
        return None
    return "-".join(f"{number:0{width}d}" for number, width in zip(numbers, (4, 2, 2), strict=False))


@dataclass(frozen=True)
class CellReader:
    """How one column is read: null tokens first, then each function in turn."""

    column: str
    steps: tuple[Read, ...]
    required: bool
    null_tokens: frozenset[str]

    def read(self, text: str) -> Value:
        """None for an empty cell. Raises `CellRefused`."""
        value: Any = text
        if half_width(trim(text)) in self.null_tokens:
            value = ""
        for step in self.steps:
            if value == "":
                break
            value = step(value)
        if value != "":
            return value  # type: ignore[no-any-return]
        if self.required:
            raise CellRefused(MISSING_VALUE)
        return None


def read_steps(node: Node, codemaps: Mapping[str, CodeMap]) -> tuple[tuple[Read, ...], bool]:
    """The functions of a `types` entry, and whether `required` is among them."""
    steps: list[Read] = []
    required = False
    for item in node.items():
        name, argument = _name_and_argument(item)
        if name == "required" and argument is None:
            required = True
        elif name in _PLAIN and argument is None:
            steps.append(_PLAIN[name])
        elif name in _WITH_ARGUMENT and argument is not None:
            steps.append(_WITH_ARGUMENT[name](argument, codemaps))
        else:
            raise _unknown(item, name)
    return tuple(steps), required


def _name_and_argument(node: Node) -> tuple[str, Node | None]:
    if isinstance(node.value, dict) and len(node.value) == 1:
        return next(node.pairs())
    return node.text(), None


def _unknown(node: Node, name: str) -> Exception:
    known = [*_PLAIN, "required", *(f"{one}: ..." for one in _WITH_ARGUMENT)]
    return node.refuse(
        f"没有函数 {name}，或参数写法不对；可用：{'、'.join(known)}",
        f"there is no function {name}, or not with this argument; available: {', '.join(known)}",
    )


def _date(argument: Node, _codemaps: Mapping[str, CodeMap]) -> Read:
    return date_reader(argument.texts(), argument)


def _lookup(argument: Node, codemaps: Mapping[str, CodeMap]) -> Read:
    """`lookup: sex`, or `lookup: [sex, display]`."""
    if isinstance(argument.value, list):
        items = argument.items()
        name, part = items[0], items[1].one_of(*PARTS) if len(items) == 2 else ""
    else:
        name, part = argument, "code"
    if not part:
        raise argument.refuse("应为 [对照表, code 或 display]", "it must be [code map, code or display]")
    codemap = codemaps.get(name.text())
    if codemap is None:
        raise name.refuse(f"没有对照表 {name.value}", f"there is no code map {name.value}")
    return codemap.lookup(part)


_PLAIN: dict[str, Read] = {
    "trim": trim,
    "halfwidth": half_width,
    "int": whole_number,
    "decimal": decimal_number,
}
_WITH_ARGUMENT: dict[str, Callable[[Node, Mapping[str, CodeMap]], Read]] = {"date": _date, "lookup": _lookup}
