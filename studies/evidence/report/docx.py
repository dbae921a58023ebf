"""The report as an editable document. Figures are pictures, styles are Word's own, bytes are reproducible."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from rwd_platform.core.text import Language
from studies.evidence.fonts import SANS, SERIF
from studies.evidence.report.blocks import (
    Block,
    Facts,
    Figure,
    Heading,
    PageBreak,
    Paragraph,
    Points,
    Report,
    Table,
)
from studies.evidence.report.pdf import Running

_FIGURE_CM = 16.2
_TEAL = (0x0B, 0x64, 0x70)
_SOFT = (0x5A, 0x66, 0x6B)
_FIRST_DATE = (1980, 1, 1, 0, 0, 0)


def render(report: Report, language: Language, pictures: Mapping[str, bytes], running: Running) -> bytes:
    """The DOCX. `pictures` are the figures as PNG by `<key>_<language>`."""
    import docx

    document = docx.Document()
    _Writer(document, language, pictures, running).write(report)
    made = io.BytesIO()
    document.save(made)
    return _with_fixed_times(made.getvalue())


def _with_fixed_times(content: bytes) -> bytes:
    """The same archive, members in order and without the hour it was made."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(made, "w") as target:
        for name in source.namelist():
            member = zipfile.ZipInfo(name, _FIRST_DATE)
            member.compress_type = zipfile.ZIP_DEFLATED
            member.create_system = 3
            target.writestr(member, source.read(name))
    return made.getvalue()


class _Writer:
    """One document in one language."""

    def __init__(
        self, document: Any, language: Language, pictures: Mapping[str, bytes], running: Running
    ) -> None:
        self.document = document
        self.language = language
        self.pictures = pictures
        self.running = running
        self.counts = {"table": 0, "figure": 0}

    def write(self, report: Report) -> None:
        self._set_up(report)
        self._line(report.title.plain(self.language), size=20)
        self._line(report.subtitle.plain(self.language), size=9, colour=_SOFT)
        for block in report.blocks:
            self._block(block)

    def _set_up(self, report: Report) -> None:
        from docx.oxml.ns import qn
        from docx.shared import Cm, Pt, RGBColor

        day = date.fromisoformat(report.dated)
        core = self.document.core_properties
        # The format takes no longer ones; the whole title heads the document.
        core.title, core.author = report.title.plain(self.language)[:255], self.running.author
        core.created = core.modified = datetime(day.year, day.month, day.day, tzinfo=UTC).replace(tzinfo=None)
        core.last_modified_by, core.revision, core.comments = self.running.author, 1, ""
        page = self.document.sections[0]
        page.page_width, page.page_height = Cm(21), Cm(29.7)
        page.left_margin = page.right_margin = Cm(2.4)
        page.header.paragraphs[0].text = f"{self.running.head}    {self.running.package_short}"
        page.footer.paragraphs[0].text = self.running.foot
        names = {
            "Normal": (SERIF, 10.5),
            "Heading 1": (SANS, 16),
            "Heading 2": (SANS, 12.5),
            "Caption": (SANS, 9),
        }
        for name, (font, size) in {**names, "Header": (SANS, 8), "Footer": (SANS, 8)}.items():
            style = self.document.styles[name]
            style.font.name, style.font.size, style.font.bold = font, Pt(size), False
            fonts = style.element.get_or_add_rPr().get_or_add_rFonts()
            for theme in ("asciiTheme", "hAnsiTheme", "eastAsiaTheme", "cstheme"):
                fonts.attrib.pop(qn(f"w:{theme}"), None)
            fonts.set(qn("w:eastAsia"), font)
            fonts.set(qn("w:hAnsi"), font)
            if name.startswith("Heading"):
                style.font.color.rgb = RGBColor(*_TEAL)

    def _block(self, block: Block) -> None:
        language = self.language
        if isinstance(block, Heading):
            self.document.add_heading(block.text.plain(language), level=block.level)
        elif isinstance(block, Paragraph):
            size = {"lead": 12.5, "small": 8}.get(block.tone)
            self._line(block.text.plain(language), size=size, colour=_SOFT if block.tone == "small" else None)
        elif isinstance(block, Points):
            if block.title:
                self._line(block.title.plain(language), size=11, colour=_TEAL)
            for item in block.items:
                self.document.add_paragraph(item.plain(language), style="List Bullet")
        elif isinstance(block, Facts):
            self._grid([[label.plain(language), value.plain(language)] for label, value in block.rows])
        elif isinstance(block, Table):
            self._table(block)
        elif isinstance(block, Figure):
            self._figure(block)
        elif isinstance(block, PageBreak):
            self.document.add_page_break()

    def _line(
        self, text: str, *, size: float | None = None, colour: tuple[int, int, int] | None = None
    ) -> None:
        from docx.shared import Pt, RGBColor

        run = self.document.add_paragraph().add_run(text)
        if size:
            run.font.size = Pt(size)
        if colour:
            run.font.color.rgb = RGBColor(*colour)

    def _caption(self, kind: str, text: str) -> None:
        self.counts[kind] += 1
        label = f"{self.running.labels[kind]} {self.counts[kind]}  {text}"
        self.document.add_paragraph(label, style="Caption").paragraph_format.keep_with_next = kind == "table"

    def _table(self, block: Table) -> None:
        self._caption("table", block.caption.plain(self.language))
        self._grid(
            [[cell.plain(self.language) for cell in row] for row in (block.head, *block.rows)], block.align
        )
        for note in block.notes:
            self._line(note.plain(self.language), size=8, colour=_SOFT)

    def _grid(self, rows: list[list[str]], align: tuple[str, ...] = ()) -> None:
        from docx.enum.text import WD_ALIGN_PARAGRAPH
        from docx.shared import Pt

        if not rows:
            return
        columns = len(rows[0])
        table = self.document.add_table(rows=len(rows), cols=columns)
        table.style = "Table Grid"
        cells = table._cells  # asked for once: each `row.cells` walks the whole table
        for place, text in enumerate(text for row in rows for text in row):
            paragraph = cells[place].paragraphs[0]
            paragraph.paragraph_format.space_after = Pt(1)
            paragraph.add_run(text).font.size = Pt(8.5)
            if align and align[place % columns] == "right":
                paragraph.alignment = WD_ALIGN_PARAGRAPH.RIGHT
        self.document.add_paragraph()

    def _figure(self, block: Figure) -> None:
        from docx.shared import Cm

        picture = io.BytesIO(self.pictures[f"{block.key}_{self.language}"])
        self.document.add_picture(picture, width=Cm(_FIGURE_CM))
        properties = self.document.inline_shapes[-1]._inline.docPr
        properties.set("descr", block.alt.plain(self.language))
        self._caption("figure", block.caption.plain(self.language))
        for note in block.notes:
            self._line(note.plain(self.language), size=8, colour=_SOFT)
