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
from studies.evidence.report.docx_parts import (
    AMBER,
    LINE_CM,
    SOFT,
    TEAL,
    colour,
    labelled_table,
    page_numbers,
    ruled_table,
    stand_apart,
)
from studies.evidence.report.pdf import Running
from studies.evidence.report.widths import shares

_LABEL_CM = {"zh": 3.4, "en": 4.6}  # of a list of facts
_MANY_COLUMNS = 7  # from here on a table is set smaller
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
        self.document.add_paragraph(report.title.plain(self.language), style="Title")
        self._line(report.subtitle.plain(self.language), size=9, rgb=SOFT)
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
        footer = page.footer.paragraphs[0]
        footer.text = self.running.foot
        page_numbers(footer)
        names = {
            "Normal": (SERIF, 10.5),
            "Title": (SANS, 20),
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
            if name.startswith("Heading") or name == "Caption":
                style.font.color.rgb = RGBColor.from_string(TEAL)

    def _block(self, block: Block) -> None:
        language = self.language
        if isinstance(block, Heading):
            self.document.add_heading(block.text.plain(language), level=block.level)
        elif isinstance(block, Paragraph):
            size = {"lead": 12.5, "small": 8}.get(block.tone)
            line = self._line(
                block.text.plain(language), size=size, rgb=SOFT if block.tone == "small" else None
            )
            if block.tone == "caution":
                stand_apart(line)
        elif isinstance(block, Points):
            self._points(block)
        elif isinstance(block, Facts):
            rows = [[label.plain(language), value.plain(language)] for label, value in block.rows]
            labelled_table(self.document, rows, _LABEL_CM[language])
            self.document.add_paragraph()
        elif isinstance(block, Table):
            self._table(block)
        elif isinstance(block, Figure):
            self._figure(block)
        elif isinstance(block, PageBreak):
            self.document.add_page_break()

    def _points(self, block: Points) -> None:
        stands_apart = block.tone == "caution"
        lines = []
        if block.title:
            title = self._line(block.title.plain(self.language), size=11, rgb=AMBER if stands_apart else TEAL)
            title.paragraph_format.keep_with_next = True
            lines.append(title)
        for item in block.items:
            lines.append(self.document.add_paragraph(item.plain(self.language), style="List Bullet"))
        for line in lines if stands_apart else ():
            stand_apart(line)

    def _line(self, text: str, *, size: float | None = None, rgb: str | None = None) -> Any:
        from docx.shared import Pt

        paragraph = self.document.add_paragraph()
        run = paragraph.add_run(text)
        if size:
            run.font.size = Pt(size)
        if rgb:
            colour(run, rgb)
        return paragraph

    def _caption(self, kind: str, text: str) -> None:
        self.counts[kind] += 1
        label = f"{self.running.labels[kind]} {self.counts[kind]}  {text}"
        self.document.add_paragraph(label, style="Caption").paragraph_format.keep_with_next = kind == "table"

    def _table(self, block: Table) -> None:
        self._caption("table", block.caption.plain(self.language))
        rows = [[cell.plain(self.language) for cell in row] for row in (block.head, *block.rows)]
        size = 7.5 if len(block.head) >= _MANY_COLUMNS else 8.5
        ruled_table(self.document, rows, shares(block, self.language), block.align, size)
        for note in block.notes:
            self._line(note.plain(self.language), size=8, rgb=SOFT)
        if not block.notes:
            self.document.add_paragraph()

    def _figure(self, block: Figure) -> None:
        from docx.shared import Cm

        picture = io.BytesIO(self.pictures[f"{block.key}_{self.language}"])
        self.document.add_picture(picture, width=Cm(LINE_CM))
        properties = self.document.inline_shapes[-1]._inline.docPr
        properties.set("descr", block.alt.plain(self.language))
        self.document.paragraphs[-1].paragraph_format.keep_with_next = True
        self._caption("figure", block.caption.plain(self.language))
        for note in block.notes:
            self._line(note.plain(self.language), size=8, rgb=SOFT)
