"""Reports to make other forms of: both demonstrations, a study that found nobody, and each as an aggregate."""

from __future__ import annotations

import dataclasses
import hashlib
import io
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache
from typing import Any
from unittest.mock import patch

import pandas as pd
from PIL import ImageFont

from rwd_platform.core.text import Bilingual, Language
from studies.evidence.aggregate import coarsened
from studies.evidence.documents import json_documents
from studies.evidence.figures import Drawing
from studies.evidence.fonts import sans_file
from studies.evidence.inputs import PackageInputs
from studies.evidence.numbers import NumberBook
from studies.evidence.report.blocks import Report
from studies.evidence.report.content import make_report
from studies.evidence.report.pdf import Running
from studies.evidence.report.slides import render
from studies.results import ResultSet
from studies.run import run_analyses
from tests.evidence.fixtures import nothing_found, rotterdam_inputs, with_changes, with_results
from tests.studies.rotterdam_lock import FILE
from tests.studies.valve import TEXT, protocol, valve_dataset

STUDIES = ("rotterdam", "valve", "nothing")
AUDIENCES = ("authority", "aggregate")


@dataclass(frozen=True, eq=False)
class Made:
    """A report and what it was made from."""

    inputs: PackageInputs
    documents: Mapping[str, Any]
    report: Report
    book: NumberBook
    drawings: Mapping[str, Drawing]


@cache
def valve_inputs() -> PackageInputs:
    dataset, of = valve_dataset(), protocol()
    lines = [
        (subject, variable, FILE, number, hashlib.sha256(subject.encode()).hexdigest())
        for number, subject in enumerate(dataset.frame["subject_id"], start=1)
        for variable in ("index", "valve_v", "time_days", "event", "age", "ejection", "diabetes")
    ]
    columns = ["subject_id", "variable", "source_file_sha256", "source_line", "line_digest"]
    return with_results(
        run_analyses(dataset, of, "lock-3f9a0c5d"),
        protocol_text=TEXT,
        protocol=of,
        freeze={"protocol_sha256": of.sha256},
        lineage=pd.DataFrame(lines, columns=columns),
    )


def make(inputs: PackageInputs, *, drawn: bool = False) -> Made:
    """As a package is made: coarsened first where it is aggregate. Figures are drawn only where they are looked at."""
    inputs = coarsened(inputs).inputs
    documents = json_documents(inputs)
    with nullcontext() if drawn else patch("studies.evidence.report.context.draw", return_value={}):
        return Made(inputs, documents, *make_report(inputs, documents))


@cache
def made(study: str, audience: str = "authority", *, drawn: bool = True) -> Made:
    inputs = {"rotterdam": rotterdam_inputs, "valve": valve_inputs, "nothing": nothing_found}[study]()
    return make(with_changes(inputs, audience=audience), drawn=drawn)


def with_rows(study: str, **changed: Mapping[str, Any]) -> Made:
    """The study's report with some result rows replaced; `__` stands for the dots of a row's id."""
    inputs = {"rotterdam": rotterdam_inputs, "valve": valve_inputs}[study]()
    return make(with_changes(inputs, results=replaced(inputs.results, changed)))


def replaced(results: ResultSet, changed: Mapping[str, Mapping[str, Any]]) -> ResultSet:
    wanted = {id.replace("__", "."): change for id, change in changed.items()}
    assert set(wanted) <= {row.id for row in results.rows}
    rows = tuple(dataclasses.replace(row, **wanted.get(row.id, {})) for row in results.rows)
    return dataclasses.replace(results, rows=rows)


def running(language: Language, **changes: Any) -> Running:
    labels = {"zh": {"table": "表", "figure": "图", "contents": "目录"},
              "en": {"table": "Table", "figure": "Figure", "contents": "Contents"}}[language]  # fmt: skip
    return dataclasses.replace(Running("head", "演示 demo", "EP-0123abcd", "platform", labels), **changes)


def pictures(of: Made) -> dict[str, bytes]:
    return {name: drawing.png for name, drawing in of.drawings.items()}


def slides_bytes(
    of: Made, language: Language = "zh", statements: Mapping[str, Bilingual] | None = None
) -> bytes:
    return render(of.report, language, pictures(of), running(language), statements or {})


@cache
def _kept(of: Made, language: Language, statements: tuple[tuple[str, Bilingual], ...]) -> bytes:
    return slides_bytes(of, language, dict(statements))


def slides(of: Made, language: Language = "zh", statements: Mapping[str, Bilingual] | None = None) -> Any:
    """Read back by the library."""
    from pptx import Presentation

    return Presentation(io.BytesIO(_kept(of, language, tuple((statements or {}).items()))))


# -- a measure of our own text that is not ours: the advances of a real Chinese sans font ---------------------------


@cache
def _font() -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(sans_file()), 1000)


@cache
def _letter(letter: str) -> float:
    return float(_font().getlength(letter)) / 1000


def advance(text: str) -> float:
    """Width in multiples of the type's size."""
    return sum(map(_letter, text))


def lines_needed(text: str, width: float, size: float) -> int:
    """How many lines a plain greedy setter takes with that font: breaks at spaces and beside Chinese letters."""
    lines, at = 1, 0.0
    for token in _tokens(text):
        wide = advance(token) * size
        if token.isspace() or at + wide <= width:
            at += wide
        elif wide <= width:
            lines, at = lines + 1, wide
        else:
            for letter in token:
                if at + _letter(letter) * size > width:
                    lines, at = lines + 1, 0.0
                at += _letter(letter) * size
    return lines


def _tokens(text: str) -> list[str]:
    tokens: list[str] = []
    for letter in text:
        glued = tokens and letter.isascii() and tokens[-1][-1].isascii()
        if glued and letter.isspace() == tokens[-1][-1].isspace():
            tokens[-1] += letter
        else:
            tokens.append(letter)
    return tokens
