"""What each slide says, taken from the report's own blocks. Nothing is computed and no number is formatted here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import yaml

from rwd_platform.core.text import LANGUAGES, Bilingual, Language
from studies.evidence.profiles.profile import profile
from studies.evidence.report.blocks import (
    Block,
    Facts,
    Figure,
    Heading,
    Paragraph,
    Points,
    Report,
    Table,
    Text,
)
from studies.evidence.report.pdf import Running
from studies.evidence.report.phrases import TEMPLATES
from studies.evidence.report.slides_layout import (
    Grid,
    Item,
    Line,
    Page,
    Picture,
    Tone,
    pages,
)
from studies.evidence.report.slides_letters import Said, clean, said

PROFILE = "nhsa"
# The report's headings under which a slide looks, by their keys in the report's templates.
_PROTOCOL, _SAFETY, _LIMITS, _SOURCES = "protocol.title", "safety.title", "limits.title", "sources.title"
_BASIC = ("protocol.exposure", "protocol.comparator", "protocol.index", "protocol.outcome", "protocol.why")
_SIGNED = ("signed.by", "signed.lock", "signed.protocol")
_MAIN_TABLES = ("criterion_", "sensitivity", "median_")  # the first that the report has
_MAIN_FIGURES = ("km_", "incidence_")  # where the summary has none
INNOVATION = "innovation"  # no profile asks for it yet; a package that has it shows it


@dataclass(frozen=True)
class Slide:
    """One slide. `part` of `parts` where a subject goes on over several."""

    title: str
    page: Page
    part: int = 1
    parts: int = 1


@cache
def _templates() -> Mapping[str, Mapping[str, Mapping[str, str]]]:
    names = ("texts.yaml", "safety.yaml", "slides.yaml")
    return {name: yaml.safe_load((TEMPLATES / name).read_text(encoding="utf-8"))["texts"] for name in names}


def word(key: str, language: Language, **facts: str) -> str:
    text = _templates()["slides.yaml"][key][language]
    return text.format_map(facts) if facts else text


def _heading(key: str) -> str:
    """A heading of the report in Chinese, by its key."""
    return next(
        texts[key]["zh"] for name, texts in _templates().items() if name != "slides.yaml" and key in texts
    )


def section(report: Report, key: str) -> list[Block]:
    """What stands in the report's body under this heading, its sub-sections with it."""
    found: list[Block] = []
    level = 0
    for block in report.body:
        if isinstance(block, Heading):
            if level and block.level <= level:
                break
            if not level and block.text.plain("zh") == _heading(key):
                level = block.level
                continue
        if level:
            found.append(block)
    return found


class Deck:
    """The slides of one report in one language."""

    def __init__(
        self,
        report: Report,
        language: Language,
        running: Running,
        statements: Mapping[str, Bilingual],
        ratios: Mapping[str, float],
    ) -> None:
        self.report = report
        self.language = language
        self.running = running
        self.statements = statements
        self.ratios = ratios

    def slides(self) -> list[Slide]:
        """All after the cover."""
        made: list[Slide] = []
        for name, items in self._subjects():
            made += self._subject(name, items)
        return made + self._subject("trace", self._trace([slide.page for slide in made]))

    def _subject(self, name: str, items: Iterable[Item]) -> list[Slide]:
        placed = pages(items)
        title = self.word(f"{name}.title")
        return [Slide(title, page, place, len(placed)) for place, page in enumerate(placed, start=1)]

    def _subjects(self) -> Iterator[tuple[str, list[Item]]]:
        yield "basic", self._basic()
        yield "safety", self._safety()
        yield "efficacy", self._efficacy()
        yield "innovation", self._innovation()
        yield "fairness", self._stated("value_social")
        yield "not_shown", self._not_shown()
        yield "sources", self._sources()

    def word(self, key: str, **facts: str) -> str:
        return word(key, self.language, **facts)

    # -- the subjects ----------------------------------------------------------------------------------------------

    def _basic(self) -> list[Item]:
        question = [block for block in self.report.summary if isinstance(block, Paragraph)][:1]
        facts = _facts(section(self.report, _PROTOCOL), _BASIC)
        items: list[Item] = (
            [self._label("label.question"), *map(self._paragraph, question)] if question else []
        )
        label = Text(*((word("label.study", one),) for one in LANGUAGES))
        study = [self._fact(label, self.report.subtitle)]
        said_of = [*study, *(self._fact(label, value) for label, value in facts)]
        items += said_of if facts else [*study, self._missing("basic")]
        for name in ("gap", "priority_situation", "reimbursed_comparator"):
            items += self._stated(name, noted=name == "reimbursed_comparator")
        return items

    def _safety(self) -> list[Item]:
        blocks = section(self.report, _SAFETY)
        if not blocks:
            return [self._missing("safety")]
        spoken = [
            self._paragraph(one) for one in blocks if isinstance(one, Paragraph) and one.tone != "small"
        ]
        tables = [one for one in blocks if isinstance(one, Table)][:1]
        return [*spoken, *(item for table in tables for item in self._table(table))]

    def _efficacy(self) -> list[Item]:
        found = [block for block in self.report.summary if isinstance(block, Paragraph)][1:]
        items: list[Item] = [self._label("label.answer")] if found else [self._missing("answer")]
        items += [self._paragraph(one) for one in found]
        figure, table = self.main_figure(), self.main_table()
        items += self._figure(figure) if figure else [self._missing("figure")]
        items += self._table(table) if table else [self._missing("table")]
        return [*items, *self._stated("value_clinical")]

    def main_figure(self) -> Figure | None:
        figures = [one for one in self.report.summary if isinstance(one, Figure)]
        body = [one for one in self.report.body if isinstance(one, Figure)]
        figures += [one for stem in _MAIN_FIGURES for one in body if one.key.startswith(stem)]
        return figures[0] if figures else None

    def main_table(self) -> Table | None:
        found = (one for stem in _MAIN_TABLES for one in self.report.tables if one.key.startswith(stem))
        return next(found, None)

    def _innovation(self) -> list[Item]:
        own = self._statement(INNOVATION)
        return self._stated(INNOVATION) if own else [self._missing("innovation")]

    def _not_shown(self) -> list[Item]:
        cautions = [one for one in self.report.summary if isinstance(one, Points) and one.tone == "caution"]
        told = [text for one in cautions for text in one.items]
        items: list[Item] = [self._point(text) for text in told]
        limits = [one for one in section(self.report, _LIMITS) if isinstance(one, Points)]
        for one in limits:
            if (
                one.title is not None and one.tone != "caution"
            ):  # warnings; the others are the authors' own limits,
                continue  # and what was not done or is not told
            further = [text for text in one.items if text not in told]  # the first limit stands above already
            if further:
                label = Line(said(one.title, self.language), "label", keep=True) if one.title else None
                items += [label or self._label("label.limits"), *(self._point(text) for text in further)]
        if not limits and not cautions:
            items.append(self._missing("limits"))
        return [*items, self._words("economy"), *self._stated("not_claimed")]

    def _sources(self) -> list[Item]:
        blocks = section(self.report, _SOURCES)
        items: list[Item] = [self._paragraph(one) for one in blocks if isinstance(one, Paragraph)]
        for table in [one for one in blocks if isinstance(one, Table)][:1]:
            items += self._table(table)
        signed = _facts(self.report.summary, _SIGNED)
        return [
            *(items or [self._missing("sources")]),
            *(self._fact(label, value) for label, value in signed),
            self._words("verify"),
        ]

    def _trace(self, shown: Sequence[Page]) -> list[Item]:
        """Every number that a slide prints, with its id, under the result row or the file that it comes from."""
        numbers = dict.fromkeys(number for page in shown for number in page.numbers)
        found: dict[str, list[str]] = {}
        for one in numbers:
            at = one.field or one.pointer
            entry = f"{one.in_language(self.language)} ← {one.id} ({at})"
            found.setdefault(one.ard_id or one.file, []).append(entry)
        keys = list(dict.fromkeys(key for page in shown for key in page.pictures))
        items: list[Item] = []
        if keys:
            places = " · ".join(f"figure:{key}:" for key in keys)
            items.append(Line(Said(self.word("trace.figures", places=places)), "small"))
        if not found:
            return [*items, self._missing("numbers")]
        head = tuple(Said(self.word(f"trace.{name}")) for name in ("source", "numbers"))
        rows = tuple((Said(source), Said("; ".join(entries))) for source, entries in found.items())
        return [*items, Grid(self.word("trace.caption"), head, rows, ("left", "left"), size=9.0)]

    # -- their pieces ----------------------------------------------------------------------------------------------

    def _label(self, key: str, **facts: str) -> Line:
        return Line(Said(self.word(key, **facts)), "label", keep=True)

    def _words(self, key: str) -> Line:
        return Line(Said(self.word(key)))

    def _missing(self, what: str) -> Line:
        return Line(Said(self.word(f"missing.{what}")), "caution")

    def _paragraph(self, block: Paragraph) -> Line:
        tone: Tone = block.tone if block.tone in ("lead", "caution") else "plain"
        return Line(said(block.text, self.language), tone)

    def _point(self, text: Text) -> Line:
        return Line(said(text, self.language), point=True)

    def _fact(self, label: Text, value: Text) -> Line:
        before = self.word("fact", label=clean(label.plain(self.language)), value="")
        return Line(said(value, self.language, before))

    def _statement(self, id: str) -> str:
        """What was written, in this language or, where there is nothing in it, in the other."""
        given = self.statements.get(id)
        if given is None:
            return ""
        known = next((one.choices for one in profile(PROFILE).statements if one.id == id and one.choices), {})
        given = known.get(given.zh, given)
        other: Language = "en" if self.language == "zh" else "zh"
        return given.in_language(self.language).strip() or given.in_language(other).strip()

    def _stated(self, id: str, *, noted: bool = True) -> list[Item]:
        """A statement under what was asked, marked as the applicant's; one line where there is none."""
        asks = next((one.asks for one in profile(PROFILE).statements if one.id == id), None)
        shown = asks.in_language(self.language) if asks else self.word(f"{id}.title")
        label = self._label("label.stated", asks=shown)
        written = self._statement(id)
        parts = [clean(one).strip() for one in written.splitlines()]
        lines: list[Item] = [Line(Said(one), "said") for one in parts if one]
        if not lines:
            return [label, self._missing("statement")]
        note = Line(Said(self.word("stated.note")), "small")
        return [label, *lines, note] if noted else [label, *lines]

    def _caption(self, block: Table | Figure) -> Said:
        """With the number that it has in the report."""
        alike = [one for one in self.report.blocks if type(one) is type(block)]
        number = next(place for place, one in enumerate(alike, start=1) if one is block)
        facts = {"kind": self.running.labels[block.kind], "number": str(number), "caption": ""}
        return said(block.caption, self.language, self.word("of_report", **facts))

    def _notes(self, block: Table | Figure) -> list[Item]:
        return [Line(said(one, self.language), "small") for one in block.notes]

    def _table(self, block: Table) -> list[Item]:
        head, *rows = (tuple(said(cell, self.language) for cell in row) for row in (block.head, *block.rows))
        caption = self._caption(block)
        over = Line(caption, "small", keep=True)
        return [over, Grid(caption.text, head, tuple(rows), block.align), *self._notes(block)]

    def _figure(self, block: Figure) -> list[Item]:
        ratio = self.ratios[f"{block.key}_{self.language}"]
        picture = Picture(block.key, clean(block.alt.plain(self.language)), ratio)
        return [picture, Line(self._caption(block), "small"), *self._notes(block)]


def _facts(blocks: Iterable[Block], keys: Sequence[str]) -> list[tuple[Text, Text]]:
    """Of the first list of facts the rows with these labels, in the order of the keys."""
    rows = next((block.rows for block in blocks if isinstance(block, Facts)), ())
    by_label = {label.plain("zh"): (label, value) for label, value in rows}
    return [by_label[_heading(key)] for key in keys if _heading(key) in by_label]
