"""The primitive types of FHIR R4, checked as written: nothing is coerced.

Patterns: http://hl7.org/fhir/R4/datatypes.html. Where the page's text is stricter than its pattern
(a calendar day that exists, base64 of whole groups, no control characters) the text is followed.
A check gets a parsed JSON value and returns None, or a Fault that says of what kind it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Any, NamedTuple


class Fault(Enum):
    """What is wrong with a primitive value."""

    JSON_TYPE = "fhir.json_type"
    VALUE = "fhir.value"
    EMPTY = "fhir.empty"
    TOO_LONG = "fhir.too_long"


Check = Callable[[Any], Fault | None]


class Primitive(NamedTuple):
    """A primitive type; `json_*` and `expected_*` say to a person how it is written."""

    name: str
    check: Check
    json_zh: str
    json_en: str
    expected_zh: str
    expected_en: str


MAX_STRING = 1024 * 1024
MAX_ID = 64
_MAX_INT = 2**31 - 1
_MAX_INT64 = 2**63 - 1

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")
_DATE = r"(?!0000)[0-9]{4}(?:-(?:0[1-9]|1[0-2])(?:-(?:0[1-9]|[12][0-9]|3[01]))?)?"
_DAY = r"(?!0000)[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
_CLOCK = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]+)?"
_ZONE = r"(?:Z|[+-](?:(?:0[0-9]|1[0-3]):[0-5][0-9]|14:00))"
_FULL_DATE_LENGTH = len("2024-01-31")
_BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")


def _string(value: Any) -> Fault | None:
    if value.__class__ is not str:
        return Fault.JSON_TYPE
    if not value:
        return Fault.EMPTY
    if len(value) > MAX_STRING:
        return Fault.TOO_LONG
    if not value.isprintable() and _CONTROL.search(value):
        return Fault.VALUE
    return None


def _xhtml(value: Any) -> Fault | None:
    """As a string, but may be empty; what it may hold is a matter for whoever shows it."""
    return None if value == "" else _string(value)


def _matching(pattern: str) -> Check:
    fits = re.compile(pattern).fullmatch

    def check(value: Any) -> Fault | None:
        if value.__class__ is not str:
            return Fault.JSON_TYPE
        if fits(value):
            return None
        return Fault.VALUE if value else Fault.EMPTY

    return check


def _id(value: Any) -> Fault | None:
    if value.__class__ is str and len(value) > MAX_ID:
        return Fault.TOO_LONG
    return _id_text(value)


_id_text = _matching(r"[A-Za-z0-9\-.]{1,64}")


def _on_a_real_day(pattern: str) -> Check:
    matches = _matching(pattern)

    def check(value: Any) -> Fault | None:
        fault = matches(value)
        if fault is None and len(value) >= _FULL_DATE_LENGTH:
            try:
                date.fromisoformat(value[:_FULL_DATE_LENGTH])
            except ValueError:
                return Fault.VALUE
        return fault

    return check


def _base64(value: Any) -> Fault | None:
    if value.__class__ is not str:
        return Fault.JSON_TYPE
    letters = "".join(value.split())
    if not letters:
        return Fault.EMPTY
    return None if _BASE64.fullmatch(letters) else Fault.VALUE


def _boolean(value: Any) -> Fault | None:
    return None if value is True or value is False else Fault.JSON_TYPE


def _integer(lowest: int, highest: int) -> Check:
    def check(value: Any) -> Fault | None:
        if value.__class__ is not int:
            return Fault.JSON_TYPE
        return None if lowest <= value <= highest else Fault.VALUE

    return check


def _integer64(value: Any) -> Fault | None:
    """R5 writes it as a JSON string, since JavaScript loses digits beyond 2**53."""
    fault = _integer64_text(value)
    if fault is None and abs(int(value)) > _MAX_INT64:
        return Fault.VALUE
    return fault


_integer64_text = _matching(r"0|[+-]?[1-9][0-9]{0,18}")


def _decimal(value: Any) -> Fault | None:
    if value.__class__ is Decimal or value.__class__ is int:
        return None
    # A caller's own float can be infinite, JSON cannot.
    return None if value.__class__ is float and abs(value) < float("inf") else Fault.JSON_TYPE


_TEXT = ("字符串", "a string")
_NUMBER = ("数值", "a number")
_DATE_ZH = "YYYY、YYYY-MM 或 YYYY-MM-DD，且日期存在"
_DATE_EN = "YYYY, YYYY-MM or YYYY-MM-DD, a day that exists"
_TRUTH = "true / false"
_INSTANT = "YYYY-MM-DDThh:mm:ss+zz:zz"


_STRING_ZH, _STRING_EN = "不含控制字符的文字", "text without control characters"
_URI_ZH, _URI_EN = "不含空格的 URI", "a URI without spaces"

_ALL: tuple[Primitive, ...] = (
    Primitive("string", _string, *_TEXT, _STRING_ZH, _STRING_EN),
    Primitive("markdown", _string, *_TEXT, _STRING_ZH, _STRING_EN),
    Primitive("xhtml", _xhtml, *_TEXT, _STRING_ZH, _STRING_EN),
    Primitive(
        "code",
        _matching(r"[^\s]+(?: [^\s]+)*"),
        *_TEXT,
        "首尾无空格、中间只有单个空格的代码",
        "a code without leading, trailing or double spaces",
    ),
    Primitive("id", _id, *_TEXT, "1–64 个字母、数字、- 或 .", "1-64 letters, digits, - or ."),
    Primitive("uri", _matching(r"\S+"), *_TEXT, _URI_ZH, _URI_EN),
    Primitive("url", _matching(r"\S+"), *_TEXT, _URI_ZH, _URI_EN),
    Primitive("canonical", _matching(r"\S+"), *_TEXT, _URI_ZH, _URI_EN),
    Primitive(
        "oid",
        _matching(r"urn:oid:[0-2](?:\.(?:0|[1-9][0-9]*))+"),
        *_TEXT,
        "urn:oid: 加数字",
        "urn:oid: and numbers",
    ),
    Primitive(
        "uuid",
        _matching(r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"),
        *_TEXT,
        "urn:uuid: 加小写的 UUID",
        "urn:uuid: and a UUID in lower case",
    ),
    Primitive("base64Binary", _base64, *_TEXT, "base64 编码", "base64"),
    Primitive("boolean", _boolean, "布尔值 true 或 false", "true or false", _TRUTH, _TRUTH),
    Primitive(
        "integer",
        _integer(-_MAX_INT - 1, _MAX_INT),
        "整数",
        "an integer",
        "−2147483648 到 2147483647 的整数",
        "an integer from -2147483648 to 2147483647",
    ),
    Primitive(
        "positiveInt",
        _integer(1, _MAX_INT),
        "整数",
        "an integer",
        "1 到 2147483647 的整数",
        "an integer from 1 to 2147483647",
    ),
    Primitive(
        "unsignedInt",
        _integer(0, _MAX_INT),
        "整数",
        "an integer",
        "0 到 2147483647 的整数",
        "an integer from 0 to 2147483647",
    ),
    Primitive("integer64", _integer64, *_TEXT, "64 位整数", "an integer of 64 bits"),
    Primitive("decimal", _decimal, *_NUMBER, "数值", "a number"),
    Primitive("date", _on_a_real_day(_DATE), *_TEXT, _DATE_ZH, _DATE_EN),
    Primitive(
        "dateTime",
        _on_a_real_day(f"{_DATE}|{_DAY}T{_CLOCK}{_ZONE}"),
        *_TEXT,
        f"{_DATE_ZH}；有时刻时为 {_INSTANT}，时区必填",
        f"{_DATE_EN}; with a time {_INSTANT}, with its time zone",
    ),
    Primitive("instant", _on_a_real_day(f"{_DAY}T{_CLOCK}{_ZONE}"), *_TEXT, _INSTANT, _INSTANT),
    Primitive("time", _matching(_CLOCK), *_TEXT, "hh:mm:ss", "hh:mm:ss"),
)

PRIMITIVES: Mapping[str, Primitive] = {primitive.name: primitive for primitive in _ALL}
