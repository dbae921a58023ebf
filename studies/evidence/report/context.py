"""What every part of the report needs: inputs, words, numbers, and a place for figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from rwd_platform.core.text import Bilingual
from studies.evidence.figures import Drawing, Painter, draw
from studies.evidence.inputs import PackageInputs
from studies.evidence.numbers import Number, NumberBook
from studies.evidence.report.blocks import Align, Figure, Heading, Paragraph, Text, Tone, words
from studies.evidence.report.phrases import Phrases
from studies.evidence.tables import TableMaker
from studies.planned import PlannedAnalysis
from studies.protocol import Protocol
from studies.results import ArdRow, Series
from studies.rounding import decimals_apart


def inside(title: Bilingual) -> Bilingual:
    """A title inside an English sentence: its first letter small, unless the word is all capitals or a name in one."""
    first, rest = title.en[:1], title.en[1:]
    return Bilingual(title.zh, first.lower() + rest) if rest[:1].islower() else title


@dataclass
class Context:
    """The report in the making. Figures are drawn as they are met, once."""

    inputs: PackageInputs
    book: NumberBook
    phrases: Phrases
    drawings: dict[str, Drawing] = field(default_factory=dict)

    @property
    def protocol(self) -> Protocol:
        return self.inputs.protocol

    @property
    def exposure(self) -> str:
        return self.protocol.exposure.name

    def text(self, key: str, numbers: Mapping[str, Number] | None = None, **facts: Bilingual) -> Text:
        return self.phrases.text(key, numbers, **facts)

    def label(self, key: str) -> Bilingual:
        text = self.text(key)
        return Bilingual(text.plain("zh"), text.plain("en"))

    def heading(self, key: str, level: int = 1) -> Heading:
        return Heading(self.text(key), level)

    def paragraph(
        self, key: str, tone: Tone = "plain", numbers: Mapping[str, Number] | None = None, **facts: Bilingual
    ) -> Paragraph:
        return Paragraph(self.text(key, numbers, **facts), tone)

    def spoken(self, text: Bilingual, tone: Tone = "plain") -> Paragraph:
        return Paragraph(words(text), tone)

    def maker(self, key: str, heads: tuple[str | Bilingual, ...], align: str) -> TableMaker:
        """A table; `heads` are keys of texts or texts, `align` one letter a column: l or r."""
        titles = tuple(head if isinstance(head, Bilingual) else self.label(head) for head in heads)
        sides: tuple[Align, ...] = tuple("right" if letter == "r" else "left" for letter in align)
        return TableMaker(key, self.book, titles, sides)

    def figure(self, key: str, paint: Painter, caption: Text, alt: Text, *notes: Text) -> Figure:
        self.drawings.update(draw(key, paint))
        return Figure(key, caption, alt, notes)

    def result(self, place: str, ard_id: str, form: str, field: str = "value") -> Number:
        return self.book.result(place, ard_id, form, field)

    def ratio(self, place: str, ard_id: str) -> dict[str, Number]:
        """A hazard ratio with its limits, as the texts name them: hr, low, high."""
        return {
            "hr": self.result(place, ard_id, "fixed.2"),
            "low": self.result(place, ard_id, "fixed.2", "ci_low"),
            "high": self.result(place, ard_id, "fixed.2", "ci_high"),
        }

    def p_form(self, ard_id: str, limit: float, kind: str = "p") -> str:
        """`p` with decimals enough that what is printed does not contradict the verdict at `limit`."""
        row = self.row(ard_id)
        value = row.value if row is not None else None
        decimals = decimals_apart(value, limit) if isinstance(value, float) else 3
        return kind if decimals == 3 else f"{kind}.{decimals}"

    def counts(self, place: str, ard_id: str) -> dict[str, Number]:
        return {
            "n": self.result(place, ard_id, "int", "n"),
            "events": self.result(place, ard_id, "int", "events"),
        }

    def series(self, id: str) -> Series | None:
        return next((one for one in self.inputs.results.series if one.id == id), None)

    def planned(self, method: str) -> Iterator[PlannedAnalysis]:
        """The planned analyses of a method that were done."""
        for analysis in self.protocol.analyses:
            if analysis.method == method and analysis.id not in self.inputs.results.not_done:
                yield analysis

    def row(self, ard_id: str) -> ArdRow | None:
        return self.book.row(ard_id) if self.book.has(ard_id) else None

    def population(self, analysis: PlannedAnalysis) -> Bilingual:
        return inside(self.protocol.population(analysis.population).title)
