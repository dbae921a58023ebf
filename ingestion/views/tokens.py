"""Text of an expression into tokens (FHIRPath's lexical grammar, as far as views use it)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ingestion.views.problems import ExpressionRefused

MAX_LENGTH = 4096
MAX_TOKENS = 400  # also bounds how deep a compiled expression can call itself

_TOKEN = re.compile(
    r"""
      (?P<space>\s+ | //[^\n]* | /\*.*?\*/)
    | (?P<temporal>@(?:T[0-9:.]+ | [0-9]{4}[0-9T:.\-]*(?:Z|[+\-][0-9]{2}:[0-9]{2})?))
    | (?P<number>[0-9]+(?:\.[0-9]+)?)
    | (?P<string>'(?:[^'\\]|\\.)*')
    | (?P<quoted>`(?:[^`\\]|\\.)*`)
    | (?P<variable>%(?:[A-Za-z_][A-Za-z0-9_\-]* | `[^`]+`))
    | (?P<special>\$[a-z]+)
    | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<operator><=|>=|!=|!~|[.,()\[\]{}+\-*/&|=~<>])
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|.)", re.DOTALL)
_ESCAPES = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}
_PLAIN = "'\"`\\/"


@dataclass(frozen=True)
class Token:
    """`kind` is a group of the pattern above, or `end`; `at` counts characters from 1."""

    kind: str
    text: str
    at: int


def tokens_of(text: str) -> list[Token]:
    """All tokens and a last one of kind `end`. Raises `ExpressionRefused` where a character fits nothing."""
    if len(text) > MAX_LENGTH:
        raise ExpressionRefused(
            f"表达式超过 {MAX_LENGTH} 个字符", f"the expression is longer than {MAX_LENGTH} characters"
        )
    found: list[Token] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise ExpressionRefused(
                f"表达式第 {position + 1} 个字符处无法识别",
                f"the expression cannot be read at character {position + 1}",
            )
        kind = str(match.lastgroup)
        if kind != "space":
            found.append(Token(kind, _content(kind, match.group()), position + 1))
        position = match.end()
    if len(found) > MAX_TOKENS:
        raise ExpressionRefused(
            f"表达式超过 {MAX_TOKENS} 个词", f"the expression has more than {MAX_TOKENS} tokens"
        )
    found.append(Token("end", "", len(text) + 1))
    return found


def _content(kind: str, text: str) -> str:
    if kind in {"string", "quoted"}:
        return _ESCAPE.sub(_unescape, text[1:-1])
    if kind == "variable":
        return text[1:].strip("`")
    if kind in {"temporal", "special"}:
        return text[1:]
    return text


def _unescape(match: re.Match[str]) -> str:
    code = match.group(1)
    if len(code) == 5:
        return chr(int(code[1:], 16))
    if code in _ESCAPES:
        return _ESCAPES[code]
    if code in _PLAIN:
        return code
    raise ExpressionRefused("字符串里有未知的转义", "a text has an escape that FHIRPath does not know")
