"""What a report is made of, before it has a language or a file format.

A text is a pair of span lists, Chinese and English; a span is words, or a registered number. The
same blocks become the PDF, the DOCX and the page, so that none of them can say something else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from rwd_platform.core.text import Bilingual, Language
from studies.evidence.numbers import Number

Span = str | Number
Tone = Literal["plain", "lead", "caution", "small"]
Align = Literal["left", "right", "center"]


@dataclass(frozen=True)
class Text:
    """A sentence or a table's cell in both languages."""

    zh: tuple[Span, ...] = ()
    en: tuple[Span, ...] = ()

    def spans(self, language: Language) -> tuple[Span, ...]:
        return self.zh if language == "zh" else self.en

    def plain(self, language: Language) -> str:
        return "".join(
            span if isinstance(span, str) else span.in_language(language) for span in self.spans(language)
        )

    def as_dict(self) -> dict[str, Any]:
        return {
            language: [_span(span, language) for span in self.spans(language)] for language in ("zh", "en")
        }


def _span(span: Span, language: Language) -> dict[str, str]:
    if isinstance(span, str):
        return {"t": span}
    return {"t": span.in_language(language), "n": span.id}


def words(pair: Bilingual | tuple[str, str]) -> Text:
    return Text((pair[0],), (pair[1],))


def same(*spans: Span) -> Text:
    """The same spans in both languages: a number, a code, a symbol."""
    return Text(spans, spans)


@dataclass(frozen=True)
class Heading:
    text: Text
    level: int = 1
    kind: str = "heading"


@dataclass(frozen=True)
class Paragraph:
    text: Text
    tone: Tone = "plain"
    kind: str = "paragraph"


@dataclass(frozen=True)
class Points:
    """A list of points. With a `title` it stands apart, as what must not be overlooked."""

    items: tuple[Text, ...]
    title: Text | None = None
    tone: Tone = "plain"
    kind: str = "points"


@dataclass(frozen=True)
class Facts:
    """Labelled statements: what - what about it."""

    rows: tuple[tuple[Text, Text], ...]
    kind: str = "facts"


@dataclass(frozen=True)
class Table:
    """`key` names its CSV file. The first row of the CSV is `head`; numbers know their cell."""

    key: str
    caption: Text
    head: tuple[Text, ...]
    rows: tuple[tuple[Text, ...], ...]
    align: tuple[Align, ...]
    notes: tuple[Text, ...] = ()
    kind: str = "table"


@dataclass(frozen=True)
class Figure:
    """`key` names its two drawings, `figures/<key>_zh.svg` and `_en.svg`. `alt` is read aloud."""

    key: str
    caption: Text
    alt: Text
    notes: tuple[Text, ...] = ()
    kind: str = "figure"


@dataclass(frozen=True)
class PageBreak:
    kind: str = "page_break"


Block = Heading | Paragraph | Points | Facts | Table | Figure | PageBreak


@dataclass(frozen=True)
class Report:
    """A whole report: the director's summary, then everything."""

    title: Text
    subtitle: Text
    summary: tuple[Block, ...]
    body: tuple[Block, ...]
    study: str
    version: str
    dated: str
    facts: dict[str, str] = field(default_factory=dict)

    @property
    def blocks(self) -> tuple[Block, ...]:
        return (*self.summary, *self.body)

    @property
    def tables(self) -> tuple[Table, ...]:
        return tuple(block for block in self.blocks if isinstance(block, Table))

    def as_dict(self) -> dict[str, Any]:
        return {
            "format_version": 1,
            "title": self.title.as_dict(),
            "subtitle": self.subtitle.as_dict(),
            "study": self.study,
            "version": self.version,
            "dated": self.dated,
            "summary": [as_json(block) for block in self.summary],
            "body": [as_json(block) for block in self.body],
        }


def as_json(value: Any) -> Any:
    """A block and what is in it as JSON values; keys in the order of the fields."""
    if isinstance(value, Text):
        return value.as_dict()
    if isinstance(value, str | int) or value is None:
        return value
    if isinstance(value, Sequence):
        return [as_json(one) for one in value]
    return {name: as_json(getattr(value, name)) for name in sorted(vars(value))}
