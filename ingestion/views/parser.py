"""Tokens into an expression: a Pratt parser with FHIRPath's precedence.

One table says how tightly each operator binds; everything else follows from it.
"""

from __future__ import annotations

from decimal import Decimal

from ingestion.views import temporal
from ingestion.views.problems import ExpressionRefused
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
from ingestion.views.tokens import Token, tokens_of

MAX_DEPTH = 64

# Weakest first (FHIRPath 2.0, 8.1). A larger number binds more tightly.
_BINDING = {
    "implies": 1,
    "or": 2,
    "xor": 2,
    "and": 3,
    "=": 5,
    "!=": 5,
    "<": 6,
    "<=": 6,
    ">": 6,
    ">=": 6,
    "|": 7,
    "+": 9,
    "-": 9,
    "&": 9,
    "*": 10,
    "/": 10,
    "div": 10,
    "mod": 10,
}
_UNARY = 11
_OUTSIDE_THE_SUBSET = frozenset({"in", "contains", "is", "as", "~", "!~"})


def parse(text: str) -> Expression:
    """The expression that `text` says. Raises `ExpressionRefused` with the place and the reason."""
    if not text.strip():
        raise ExpressionRefused("表达式是空的", "the expression is empty")
    parser = _Parser(tokens_of(text))
    expression = parser.expression(0)
    parser.expect_end()
    return expression


class _Parser:
    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._next = 0
        self._depth = 0

    def expression(self, weakest: int) -> Expression:
        """Everything from here on that binds more tightly than `weakest`."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ExpressionRefused(
                f"表达式嵌套超过 {MAX_DEPTH} 层", f"the expression is nested more than {MAX_DEPTH} deep"
            )
        left = self._suffixes(self._prefix())
        while (binding := self._binding_of_next()) > weakest:
            operator = self._take().text
            left = Binary(operator, left, self.expression(binding))
        self._depth -= 1
        return left

    def expect_end(self) -> None:
        if self._peek().kind != "end":
            raise self._unexpected(self._peek())

    def _prefix(self) -> Expression:
        token = self._take()
        match token.kind:
            case "number" | "string" | "temporal":
                return _literal(token)
            case "variable":
                return Variable(token.text)
            case "special" if token.text == "this":
                return This()
            case "name" if token.text in {"true", "false"}:
                return Literal(token.text == "true", "boolean")
            case "name" | "quoted":
                return self._member_or_call(None, token)
            case "operator" if token.text == "(":
                inside = self.expression(0)
                self._expect(")")
                return inside
            case "operator" if token.text == "{":
                self._expect("}")
                return Nothing()
            case "operator" if token.text in {"+", "-"}:
                operand = self.expression(_UNARY)
                return Negate(operand) if token.text == "-" else operand
        raise self._unexpected(token)

    def _suffixes(self, left: Expression) -> Expression:
        while self._peek().kind == "operator" and self._peek().text in {".", "["}:
            if self._take().text == "[":
                left = Index(left, self.expression(0))
                self._expect("]")
                continue
            token = self._take()
            if token.kind not in {"name", "quoted"}:
                raise self._unexpected(token)
            left = self._member_or_call(left, token)
        return left

    def _member_or_call(self, source: Expression | None, token: Token) -> Expression:
        if token.kind == "quoted" or not self._at("("):
            return Member(source, token.text)
        self._take()
        arguments: list[Expression] = []
        while not self._at(")"):
            if arguments:
                self._expect(",")
            arguments.append(self.expression(0))
        self._take()
        return Call(source, token.text, tuple(arguments))

    def _binding_of_next(self) -> int:
        token = self._peek()
        if token.kind not in {"operator", "name"}:
            return 0
        if token.text in _OUTSIDE_THE_SUBSET:
            raise ExpressionRefused(
                f"视图不支持运算符 {token.text}", f"views do not support the operator {token.text}"
            )
        return _BINDING.get(token.text, 0)

    def _peek(self) -> Token:
        return self._tokens[self._next]

    def _at(self, text: str) -> bool:
        return self._peek().kind == "operator" and self._peek().text == text

    def _take(self) -> Token:
        token = self._tokens[self._next]
        self._next = min(self._next + 1, len(self._tokens) - 1)
        return token

    def _expect(self, text: str) -> None:
        if not self._at(text):
            raise self._unexpected(self._peek())
        self._take()

    def _unexpected(self, token: Token) -> ExpressionRefused:
        if token.kind == "end":
            return ExpressionRefused("表达式没有写完", "the expression breaks off")
        return ExpressionRefused(
            f"第 {token.at} 个字符处的“{token.text}”不应出现在这里",
            f"`{token.text}` at character {token.at} does not belong here",
        )


def _literal(token: Token) -> Literal:
    if token.kind == "string":
        return Literal(token.text, "string")
    if token.kind == "number":
        if "." in token.text:
            return Literal(Decimal(token.text), "decimal")
        return Literal(int(token.text), "integer")
    text = token.text
    is_time = text.startswith("T")
    value = temporal.read(text.removeprefix("T") if is_time else text.removesuffix("T"), is_time)
    if value is None:
        raise ExpressionRefused(
            f"第 {token.at} 个字符处的日期或时间不存在",
            f"the date or time at character {token.at} does not exist",
        )
    return Literal(value, "time" if is_time else "dateTime" if "T" in text else "date")
