"""JSON as evidence: nothing that a parser would repair in silence is let through.

The parsers at hand take the last of two equal keys, accept NaN, turn 1e999 into infinity and
`0.40` into 0.4. Each of these changes what a hospital sent without a word. `loads` refuses the
first three and keeps the fourth as `decimal.Decimal`; `dumps` writes a decimal's own digits.

Source of the grammar: RFC 8259. Stricter than it: duplicate keys, depth, length and range of
numbers, lone surrogates, NUL.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable
from decimal import Decimal
from itertools import accumulate
from json.encoder import encode_basestring
from typing import Any, NamedTuple

from rwd_platform.core.safe_names import is_safe_name

MAX_DEPTH = 64
MAX_DIGITS = 100

_BOM = "\ufeff"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_KEEP = b'[]{}"'
_DROP = bytes(byte for byte in range(256) if byte not in _KEEP)
_STEP = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_ODD_ESCAPE = re.compile(r"\\u(?:[dD][89a-fA-F]|0000)")
_ODD_CHARACTER = re.compile("[\ud800-\udfff\0]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_CHINESE = re.compile("[\u4e00-\u9fff]")
# Beyond this many places after the point a decimal is written with an exponent, not with zeros.
_PLAIN_PLACES = 40
_INFINITE = (float("inf"), float("-inf"))


class Text(NamedTuple):
    """What a refusal says: what happened, and the next step."""

    zh: str
    en: str
    next_zh: str
    next_en: str


_SEND_AGAIN_ZH, _SEND_AGAIN_EN = "请重新导出该文件后再上传。", "Export the file again and send it again."
_FIX_ZH, _FIX_EN = "请在源系统更正后重新上传该行。", "Correct it at the source and send this line again."

REFUSALS: dict[str, Text] = {
    "json.truncated": Text(
        "JSON 在中途中断，没有写完。",
        "The JSON breaks off before its end.",
        "传输或导出可能中断。" + _SEND_AGAIN_ZH,
        "An export or a transfer was cut. " + _SEND_AGAIN_EN,
    ),
    "json.syntax": Text(
        "第 {at} 个字符处不是合法的 JSON。",
        "Not JSON at character {at}.",
        _FIX_ZH,
        _FIX_EN,
    ),
    "json.extra": Text(
        "第 {at} 个字符起，一个 JSON 之后还有其他内容。",
        "From character {at} something follows the JSON.",
        "每行只放一个资源。",
        "Put one resource on each line.",
    ),
    "json.control_character": Text(
        "第 {at} 个字符是字符串中不允许的控制字符(如 NUL 或换行)。",
        "Character {at} is a control character (such as NUL or a line break) inside a string.",
        _FIX_ZH,
        _FIX_EN,
    ),
    "json.duplicate_key": Text(
        "同一个对象中{key_zh}出现两次，无法判断以哪个为准。",
        "{key_en} stands twice in one object: which one is meant cannot be known.",
        "请只保留一个。",
        "Keep only one of them.",
    ),
    "json.not_a_number": Text(
        "含有 NaN 或 Infinity,它们不是 JSON 数值。",
        "NaN or Infinity is not a number of JSON.",
        "缺失的数值请省略该元素。",
        "Leave the element out when its number is missing.",
    ),
    "json.number_range": Text(
        "有数值超出可表示的范围。",
        "A number is beyond what can be represented.",
        _FIX_ZH,
        _FIX_EN,
    ),
    "json.number_length": Text(
        "有数值超过 100 位数字。",
        "A number has more than 100 digits.",
        _FIX_ZH,
        _FIX_EN,
    ),
    "json.depth": Text(
        "嵌套超过 64 层。",
        "It is nested more than 64 levels deep.",
        _FIX_ZH,
        _FIX_EN,
    ),
    "json.character": Text(
        "字符串中含有 NUL 或不成对的 UTF-16 代理项。",
        "A string holds NUL or half of a surrogate pair.",
        _FIX_ZH,
        _FIX_EN,
    ),
    "encoding.utf8": Text(
        "第 {at} 个字节处不是 UTF-8 编码。",
        "Not UTF-8 at byte {at}.",
        "请另存为 UTF-8 编码后重新上传。",
        "Save it as UTF-8 and send it again.",
    ),
    "encoding.gb18030": Text(
        "第 {at} 个字节处不是 UTF-8 编码，看起来是 GB18030(GBK)。",
        "Not UTF-8 at byte {at}; it looks like GB18030 (GBK).",
        "FHIR 的 JSON 必须是 UTF-8，请另存为 UTF-8 后重新上传。",
        "JSON of FHIR must be UTF-8: save it as UTF-8 and send it again.",
    ),
    "encoding.utf16": Text(
        "内容是 UTF-16 或 UTF-32 编码。",
        "The text is UTF-16 or UTF-32.",
        "FHIR 的 JSON 必须是 UTF-8，请另存为 UTF-8 后重新上传。",
        "JSON of FHIR must be UTF-8: save it as UTF-8 and send it again.",
    ),
    "encoding.byte_order_mark": Text(
        "文件中间出现字节顺序标记(BOM)。",
        "A byte order mark (BOM) stands in the middle of the file.",
        "可能由多个文件拼接而成，请去掉 BOM 后重新上传。",
        "Files were probably joined: remove the mark and send it again.",
    ),
}


class JsonRefused(ValueError):
    """Text that is not JSON as evidence.

    `rule` is a key of REFUSALS. Texts name places (characters, bytes and keys count from 1) and names of
    elements that may be shown (core/safe_names.py), never values.
    """

    def __init__(self, rule: str, **details: Any) -> None:
        text = REFUSALS[rule]
        self.rule = rule
        self.zh = text.zh.format(**details)
        self.en = text.en.format(**details)
        self.next_zh = text.next_zh
        self.next_en = text.next_en
        super().__init__(f"{rule}: {self.en}")


def loads(raw: bytes | str) -> Any:
    """The value of a JSON text; numbers with a point or an exponent are Decimals.

    Raises JsonRefused. A byte order mark is refused: whoever opens a file takes off the one that
    stands at its start.
    """
    text = _as_text(raw)
    _refuse_depth(text)
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise _syntax_refusal(error, text) from None
    if _ODD_ESCAPE.search(text) and _has_odd_character(value):
        raise JsonRefused("json.character")
    return value


def dumps(value: Any) -> str:
    """Compact JSON in the order of the keys. Raises ValueError for NaN and infinity."""
    try:
        return _ENCODER.encode(value)
    except _DecimalMet:
        parts: list[str] = []
        _write(value, parts.append)
        return "".join(parts)


# --- reading ---------------------------------------------------------------------------------


def _as_text(raw: bytes | str) -> str:
    if isinstance(raw, str):
        if _SURROGATE.search(raw):
            raise JsonRefused("json.character")
        text = raw
    else:
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            if error.end == len(raw) and error.reason == "unexpected end of data":
                raise JsonRefused("json.truncated") from None
            raise encoding_refusal(raw, error.start) from None
        if b"\0" in raw[:4]:
            raise JsonRefused("encoding.utf16")
    if text.startswith(_BOM):
        raise JsonRefused("encoding.byte_order_mark")
    return text


def encoding_refusal(raw: bytes, start: int = 0) -> JsonRefused:
    """Which encoding the bytes probably have instead; `start` is where UTF-8 ended."""
    if raw[:2] in _UTF16_MARKS or b"\0" in raw[:4]:
        return JsonRefused("encoding.utf16")
    # Western text in Latin-1 often decodes as rare characters of GB18030, common ones are GB 2312.
    try:
        guess = codecs.getincrementaldecoder("gb2312")().decode(raw[start : start + 4096])
    except UnicodeDecodeError:
        guess = ""
    return JsonRefused("encoding.gb18030" if _CHINESE.search(guess) else "encoding.utf8", at=start + 1)


def _refuse_depth(text: str) -> None:
    """Before parsing, because a parser of JSON recurses: depth 100,000 must not reach it.

    Most resources have fewer than 64 brackets in all, which is seen at the speed of counting.
    For the others everything but brackets and quotes is thrown away, then the strings.
    """
    if text.count("{") + text.count("[") <= MAX_DEPTH:
        return
    if "\\" in text:
        text = text.replace("\\\\", "").replace('\\"', "")
    outside = b"".join(text.encode("utf-8", "replace").translate(None, _DROP).split(b'"')[::2])
    if outside and max(accumulate(map(_STEP.__getitem__, outside))) > MAX_DEPTH:
        raise JsonRefused("json.depth")


def _syntax_refusal(error: json.JSONDecodeError, text: str) -> JsonRefused:
    rest = text[error.pos :].strip(" \t\r\n")
    if error.msg.startswith("Extra data"):
        return JsonRefused("json.extra", at=error.pos + 1)
    if error.msg.startswith("Invalid control character"):
        return JsonRefused("json.control_character", at=error.pos + 1)
    broke_off = (
        not rest
        or error.msg.startswith("Unterminated string")
        or rest == "-"
        or (error.msg.startswith("Invalid \\") and len(rest) < len('\\u0000"'))
        or any(word.startswith(rest) for word in ("true", "false", "null"))
    )
    if broke_off:
        return JsonRefused("json.truncated")
    if rest.startswith(_BOM):
        return JsonRefused("encoding.byte_order_mark")
    return JsonRefused("json.syntax", at=error.pos + 1)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for position, (key, _) in enumerate(pairs, start=1):
            if key in seen:
                raise JsonRefused("json.duplicate_key", **_key_shown(key, position))
            seen.add(key)
    return found


def _key_shown(key: str, position: int) -> dict[str, str]:
    """A key that is no element's name may be anything, a patient's name included."""
    if is_safe_name(key):
        return {"key_zh": f"键 {key} ", "key_en": f"The key {key}"}
    return {
        "key_zh": f"有一个键（名称不予显示，第 {position} 个）",
        "key_en": f"A key whose name is not shown (position {position})",
    }


def _decimal(text: str) -> Decimal:
    mantissa, _, exponent = text.lower().partition("e")
    if len(mantissa) > MAX_DIGITS + len("-."):
        raise JsonRefused("json.number_length")
    # The exponent is judged as text: one of thirty digits breaks Decimal itself.
    if len(exponent) > len("+000") or float(text) in _INFINITE:
        raise JsonRefused("json.number_range")
    number = Decimal(text)
    if number and not float(text):
        raise JsonRefused("json.number_range")
    return number


def _integer(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise JsonRefused("json.number_length")
    return int(text)


def _constant(_text: str) -> Any:
    raise JsonRefused("json.not_a_number")


def _has_odd_character(value: Any) -> bool:
    if isinstance(value, str):
        return _ODD_CHARACTER.search(value) is not None
    if isinstance(value, dict):
        return any(_has_odd_character(part) for pair in value.items() for part in pair)
    if isinstance(value, list):
        return any(_has_odd_character(part) for part in value)
    return False


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=_decimal, parse_int=_integer, parse_constant=_constant
)


# --- writing ---------------------------------------------------------------------------------


class _DecimalMet(Exception):
    """The encoder of the standard library met a Decimal, which it cannot write as a number."""


def _met(value: Any) -> Any:
    if isinstance(value, Decimal):
        raise _DecimalMet
    raise TypeError(f"{type(value).__name__} is not a JSON value")


_ENCODER = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_met, check_circular=False
)


def decimal_text(number: Decimal) -> str:
    """Its own digits: trailing zeros stay, and an exponent is used only where zeros would be added.

    Raises ValueError for NaN and infinity.
    """
    if not number.is_finite():
        raise ValueError("not a number of JSON")
    exponent = number.as_tuple().exponent
    if isinstance(exponent, int) and -_PLAIN_PLACES <= exponent <= 0:
        return format(number, "f")
    return str(number)


def _write(value: Any, put: Callable[[str], None]) -> None:
    if isinstance(value, str):
        put(encode_basestring(value))
    elif isinstance(value, Decimal):
        put(decimal_text(value))
    elif isinstance(value, dict):
        put("{")
        for position, (key, part) in enumerate(value.items()):
            put("," if position else "")
            put(_ENCODER.encode(str(key)))
            put(":")
            _write(part, put)
        put("}")
    elif isinstance(value, list | tuple):
        put("[")
        for position, part in enumerate(value):
            put("," if position else "")
            _write(part, put)
        put("]")
    else:
        put(_ENCODER.encode(value))
