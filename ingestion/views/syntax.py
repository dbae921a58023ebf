"""The parts an expression can have: FHIRPath's abstract syntax, as far as views use it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias

from ingestion.views.temporal import Temporal

Scalar: TypeAlias = bool | int | Decimal | str | Temporal


@dataclass(frozen=True)
class Literal:
    """A value written in the expression, or a constant of the view. `kind` is its FHIR type."""

    value: Scalar
    kind: str


@dataclass(frozen=True)
class Nothing:
    """`{}`: the empty collection."""


@dataclass(frozen=True)
class This:
    """`$this`: what the expression, or the criteria inside a function, is about."""


@dataclass(frozen=True)
class Variable:
    """`%name`: a constant of the view, or one of `%resource`, `%context`, `%rootResource`, `%rowIndex`."""

    name: str


@dataclass(frozen=True)
class Member:
    """`source.name`; without a source, an element of what the expression is about."""

    source: Expression | None
    name: str


@dataclass(frozen=True)
class Call:
    """`source.name(arguments)`; without a source, on what the expression is about."""

    source: Expression | None
    name: str
    arguments: tuple[Expression, ...]


@dataclass(frozen=True)
class Index:
    """`source[index]`, counting from 0."""

    source: Expression
    index: Expression


@dataclass(frozen=True)
class Negate:
    """`-operand`."""

    operand: Expression


@dataclass(frozen=True)
class Binary:
    """`left operator right`."""

    operator: str
    left: Expression
    right: Expression


Expression: TypeAlias = Literal | Nothing | This | Variable | Member | Call | Index | Negate | Binary
