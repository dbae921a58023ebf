"""One unit of what a hospital sent, on its way from the door to the lake."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Resource = dict[str, Any]


@dataclass(frozen=True)
class Place:
    """Where something stands in what a hospital sent. Lines, rows and entries count from 1.

    `file` is the name the hospital gave; a member of an archive is `archive.zip!member 2`, by its place there.
    `line` is the line of the text as a person's editor shows it. `entry` is a Bundle's entry.
    `column` is a table's column header, where one column is to blame.
    """

    file: str
    line: int
    row: int | None = None
    column: str | None = None
    entry: int | None = None


@dataclass(frozen=True)
class Issue:
    """Why a unit was not accepted. `code` is a FHIR issue type; `expression` a FHIRPath, or a table's column.

    Texts name elements, places and rules. They never repeat a value from the record.
    """

    code: str
    expression: str
    zh: str
    en: str
    next_zh: str
    next_en: str
    rule: str = "fhir"  # short stable name of what was violated; rejects are grouped by it


@dataclass(frozen=True)
class Unit:
    """A resource as received, or the reason why it could not be read.

    `raw` is the exact bytes of its line, Bundle entry or table row: the record of truth and what
    the line digest is made of. `resource` is None only when `issues` says why.
    `group` names the transaction Bundle it belongs to: all of a group is accepted, or none.
    """

    place: Place
    raw: bytes
    resource: Resource | None
    issues: tuple[Issue, ...] = ()
    group: str | None = None


@dataclass(frozen=True)
class Flat:
    """Rows of one table that one resource gave."""

    table: str
    rows: tuple[Mapping[str, Any], ...] = field(default=())
