"""The report as slides for the meeting on the reimbursement catalogue: the same words and numbers, reproducible bytes.

Type is Microsoft YaHei, which PowerPoint and WPS bring along; sizes, line heights and boxes are set exactly, so that
what was measured in `slides_layout` is what is drawn. A slide's notes say under which ids its numbers are registered.
"""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from rwd_platform.core.text import Bilingual, Language
from studies.evidence.profiles.profile import profile
from studies.evidence.report.blocks import Report
from studies.evidence.report.pdf import Running
from studies.evidence.report.slides_layout import (
    BODY_WIDTH,
    BULLET,
    CELL_X,
    CELL_Y,
    HEIGHT,
    LEFT,
    WIDTH,
    Grid,
    Line,
    Placed,
)
from studies.evidence.report.slides_letters import LEADING, clean, lines_of
from studies.evidence.report.slides_parts import PROFILE, Deck, Slide, word

FONT = "Microsoft YaHei"
_INK, _SOFT, _TEAL, _AMBER = "1C2326", "5A666B", "0B6470", "8A5A00"
_COLOURS = {"lead": _TEAL, "caution": _AMBER, "small": _SOFT, "label": _TEAL}
_FIRST_DATE = (1980, 1, 1, 0, 0, 0)
_NO_STYLE = "{2D5ABB26-0587-4C30-8999-92F81FD0307C}"  # a table without fills and lines; ours are drawn
_TITLE_ONLY = 5  # the default template's layout
_THUMBNAIL, _PRINTER = "/thumbnail", "/printerSettings"  # of the library's template, not of this report
_FOOT = 9.0  # type of the footer
_PROPERTY = 255  # letters that a core property may have


def render(
    report: Report,
    language: Language,
    png: Mapping[str, bytes],
    running: Running,
    statements: Mapping[str, Bilingual],
) -> bytes:
    """The PPTX.

    png        -- the figures by `<key>_<language>`
    statements -- what the applicant wrote, by the ids of the profile `nhsa`; one that is missing is said to be missing
    """
    from pptx import Presentation

    ratios = {name: _ratio(content) for name, content in png.items()}
    deck = Deck(report, language, running, statements, ratios)
    file = Presentation()
    writer = _Writer(file, language, png, running)
    writer.set_up(report)
    writer.cover(deck)
    for slide in deck.slides():
        writer.slide(slide)
    made = io.BytesIO()
    file.save(made)
    return _reproducible(made.getvalue())


def _ratio(content: bytes) -> float:
    """Height to width, from the PNG's header."""
    width, height = struct.unpack(">II", content[16:24])
    return float(height / width)


def _reproducible(content: bytes) -> bytes:
    """The same archive, members sorted and without the hour it was made."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(made, "w") as target:
        for name in sorted(source.namelist()):
            member = zipfile.ZipInfo(name, _FIRST_DATE)
            member.compress_type = zipfile.ZIP_DEFLATED
            member.create_system = 3
            target.writestr(member, source.read(name))
    return made.getvalue()


class _Writer:
    """One file in one language."""

    def __init__(self, file: Any, language: Language, png: Mapping[str, bytes], running: Running) -> None:
        self.file = file
        self.language = language
        self.png = png
        self.running = running

    def set_up(self, report: Report) -> None:
        day = date.fromisoformat(report.dated)
        core = self.file.core_properties
        title = clean(report.title.plain(self.language))
        core.title = title if len(title) <= _PROPERTY else title[: _PROPERTY - 1] + "…"
        core.author = self.running.author
        core.created = core.modified = datetime(day.year, day.month, day.day)
        core.last_modified_by, core.revision, core.comments = self.running.author, 1, ""
        core.language = "zh-CN" if self.language == "zh" else "en-GB"
        for part in (self.file.part, self.file.part.package):
            rels = part.rels if hasattr(part, "rels") else part._rels
            for id in [id for id, one in rels.items() if one.reltype.endswith((_THUMBNAIL, _PRINTER))]:
                rels.pop(id)
        self._widen()

    def _widen(self) -> None:
        """The template is 4:3: whoever adds a slide finds its places where they belong."""
        from pptx.util import Emu, Pt

        wider = Pt(WIDTH) / self.file.slide_width
        self.file.slide_width, self.file.slide_height = Pt(WIDTH), Pt(HEIGHT)
        master = self.file.slide_master
        for shape in [
            *master.shapes,
            *(one for layout in master.slide_layouts for one in layout.placeholders),
        ]:
            if shape.element.spPr.xfrm is not None:  # the others take the master's place
                shape.left, shape.width = Emu(int(shape.left * wider)), Emu(int(shape.width * wider))

    # -- slides ----------------------------------------------------------------------------------------------------

    def cover(self, deck: Deck) -> None:
        slide = self._empty()
        report, language = deck.report, self.language
        title = clean(report.title.plain(language))
        self._title(slide, title, (LEFT, 120.0, BODY_WIDTH, 150.0), (34.0, 28.0, 24.0, 20.0, 16.0))
        reader = profile(PROFILE).reader.in_language(language)
        lines = (
            (word("cover.for", language, reader=reader), 20.0, _TEAL),
            (clean(report.subtitle.plain(language)), 14.0, _SOFT),
            (word("cover.about", language), 14.0, _SOFT),
            (self.running.author, 14.0, _INK),
        )
        top = 290.0
        for text, size, colour in lines:
            height = len(lines_of(text, BODY_WIDTH, size)) * size * LEADING
            frame = self._box(slide, LEFT, top, BODY_WIDTH, height)
            self._write(frame.paragraphs[0], text, size, colour)
            top += height + 12
        self._foot(slide, 1)
        self._notes(slide, [])

    def slide(self, one: Slide) -> None:
        slide = self._empty()
        title = one.title
        if one.parts > 1:
            parts = {"part": str(one.part), "parts": str(one.parts)}
            title = word("title.part", self.language, title=title, **parts)
        self._title(slide, title, (LEFT, 34.0, BODY_WIDTH, 42.0), (26.0,))
        for placed in one.page.placed:
            if placed.grid:
                self._table(slide, placed, placed.grid)
            elif placed.picture:
                self._picture(slide, placed)
            else:
                self._paragraphs(slide, placed)
        self._foot(slide, len(self.file.slides))
        shown = [f"{number.in_language(self.language)} → {number.id}" for number in one.page.numbers]
        self._notes(slide, shown + [f"figure:{key}:*" for key in one.page.pictures])

    def _empty(self) -> Any:
        slide = self.file.slides.add_slide(self.file.slide_layouts[_TITLE_ONLY])
        for shape in list(slide.placeholders):
            if shape.placeholder_format.idx:  # the title stays: it is what a screen reader names the slide by
                shape.element.getparent().remove(shape.element)
        return slide

    def _title(
        self, slide: Any, text: str, box: tuple[float, float, float, float], sizes: Sequence[float]
    ) -> None:
        """In the largest type of `sizes` that fits; what does not fit the smallest is cut, and says so."""
        from pptx.enum.text import MSO_ANCHOR
        from pptx.util import Pt

        left, top, width, height = box
        for size in sizes:
            lines = lines_of(text, width, size)
            if len(lines) * size * LEADING <= height:
                break
        else:
            text = text[: lines[int(height // (size * LEADING)) - 1][1] - 2] + "…"
        shape = slide.shapes.title
        shape.left, shape.top, shape.width, shape.height = Pt(left), Pt(top), Pt(width), Pt(height)
        frame = shape.text_frame
        self._plain(frame)
        frame.vertical_anchor = MSO_ANCHOR.BOTTOM
        self._write(frame.paragraphs[0], text, size, _INK)

    def _foot(self, slide: Any, place: int) -> None:
        from pptx.enum.text import PP_ALIGN

        right = f"{self.running.package_short} · {place}"
        for text, left, width in (
            (clean(self.running.foot), LEFT, BODY_WIDTH - 140),
            (right, WIDTH - LEFT - 130, 130.0),
        ):
            lines = lines_of(text, width, _FOOT)
            shown = text if len(lines) == 1 else text[: lines[0][1] - 2] + "…"
            frame = self._box(slide, left, 512.0, width, _FOOT * LEADING)
            self._write(frame.paragraphs[0], shown, _FOOT, _SOFT)
            if text is right:
                frame.paragraphs[0].alignment = PP_ALIGN.RIGHT

    def _notes(self, slide: Any, shown: Sequence[str]) -> None:
        said = "\n".join((word("notes.head", self.language), "; ".join(shown)))
        slide.notes_slide.notes_text_frame.text = said if shown else word("notes.none", self.language)

    # -- what stands on them ---------------------------------------------------------------------------------------

    def _paragraphs(self, slide: Any, placed: Placed) -> None:
        from pptx.util import Pt

        frame = self._box(slide, placed.left, placed.top, placed.width, placed.height)
        for place, line in enumerate(placed.lines):
            paragraph = frame.paragraphs[0] if not place else frame.add_paragraph()
            self._write(paragraph, line.said.text, line.size, _COLOURS.get(line.tone, _INK))
            paragraph.space_after = Pt(line.after)
            self._set_in(paragraph, line)

    def _set_in(self, paragraph: Any, line: Line) -> None:
        """A dash hangs in front of a point; a statement and the rest of a point are only set in."""
        from pptx.util import Pt

        properties = paragraph._p.get_or_add_pPr()
        dash = line.point and not line.goes_on
        properties.set("marL", str(Pt(line.indent)))
        properties.set("indent", str(-Pt(BULLET) if dash else 0))
        if dash:
            properties.append(properties.makeelement(f"{{{_DRAWING}}}buChar", {"char": "–"}))
        else:
            properties.append(properties.makeelement(f"{{{_DRAWING}}}buNone", {}))

    def _picture(self, slide: Any, placed: Placed) -> None:
        from pptx.util import Pt

        assert placed.picture is not None  # noqa: S101 - the caller looked
        content = io.BytesIO(self.png[f"{placed.picture.key}_{self.language}"])
        at = (Pt(one) for one in (placed.left, placed.top, placed.width, placed.height))
        shape = slide.shapes.add_picture(content, *at)
        shape.name = placed.picture.key
        shape._element.nvPicPr.cNvPr.set("descr", placed.picture.alt)

    def _table(self, slide: Any, placed: Placed, grid: Grid) -> None:
        from pptx.enum.text import PP_ALIGN
        from pptx.util import Pt

        rows = (grid.head, *grid.rows)
        at = (Pt(one) for one in (placed.left, placed.top, placed.width, placed.height))
        shape = slide.shapes.add_table(len(rows), len(grid.head), *at)
        shape._element.nvGraphicFramePr.cNvPr.set("descr", grid.caption)
        table = shape.table
        table.horz_banding = False
        table._tbl.tblPr.find(f"{{{_DRAWING}}}tableStyleId").text = _NO_STYLE
        for column, width in zip(table.columns, grid.columns, strict=True):
            column.width = Pt(width)
        for place, height in enumerate(grid.heights):
            table.rows[place].height = Pt(height)
            for column, text in enumerate(rows[place]):
                cell = table.cell(place, column)
                cell.margin_left = cell.margin_right = Pt(CELL_X)
                cell.margin_top = cell.margin_bottom = Pt(CELL_Y)
                self._write(cell.text_frame.paragraphs[0], text.text, grid.size, _INK if place else _SOFT)
                if grid.align[column] == "right":
                    cell.text_frame.paragraphs[0].alignment = PP_ALIGN.RIGHT
                self._rules(cell, place, len(rows))

    def _rules(self, cell: Any, place: int, count: int) -> None:
        """Three rules: above and below the head, and at the foot."""
        from pptx.util import Pt

        properties = cell._tc.get_or_add_tcPr()
        wanted = {"lnT": 1.0} if place == 0 else {}
        wanted |= {"lnB": 0.5} if place == 0 else {"lnB": 1.0} if place == count - 1 else {}
        for name, width in wanted.items():
            line = properties.makeelement(f"{{{_DRAWING}}}{name}", {"w": str(Pt(width))})
            fill = line.makeelement(f"{{{_DRAWING}}}solidFill", {})
            fill.append(fill.makeelement(f"{{{_DRAWING}}}srgbClr", {"val": _INK}))
            line.append(fill)
            properties.append(line)

    # -- text ------------------------------------------------------------------------------------------------------

    def _box(self, slide: Any, left: float, top: float, width: float, height: float) -> Any:
        from pptx.util import Pt

        frame = slide.shapes.add_textbox(Pt(left), Pt(top), Pt(width), Pt(height)).text_frame
        self._plain(frame)
        return frame

    def _plain(self, frame: Any) -> None:
        from pptx.enum.text import MSO_AUTO_SIZE

        frame.word_wrap, frame.auto_size = True, MSO_AUTO_SIZE.NONE
        frame.margin_left = frame.margin_right = frame.margin_top = frame.margin_bottom = 0

    def _write(self, paragraph: Any, text: str, size: float, colour: str) -> None:
        from pptx.dml.color import RGBColor
        from pptx.enum.lang import MSO_LANGUAGE_ID
        from pptx.enum.text import PP_ALIGN
        from pptx.util import Pt

        if text:
            run = paragraph.add_run()
            run.text = text
            run.font.size, run.font.name = Pt(size), FONT
            rgb: Any = RGBColor  # the library types its arguments only in a docstring
            run.font.color.rgb = rgb(*bytes.fromhex(colour))
            chinese = self.language == "zh"
            run.font.language_id = (
                MSO_LANGUAGE_ID.SIMPLIFIED_CHINESE if chinese else MSO_LANGUAGE_ID.ENGLISH_UK
            )
            properties = run._r.get_or_add_rPr()
            for name in ("ea", "cs"):  # Chinese letters have a font of their own, after the Latin one
                properties.append(properties.makeelement(f"{{{_DRAWING}}}{name}", {"typeface": FONT}))
        paragraph.line_spacing = Pt(size * LEADING)
        paragraph.alignment = PP_ALIGN.LEFT
        # An empty paragraph is as high as this says, or as 18 points, and pushes a table over its foot.
        end = paragraph._p.makeelement(f"{{{_DRAWING}}}endParaRPr", {"sz": str(Pt(size).centipoints)})
        paragraph._p.append(end)


_DRAWING = "http://schemas.openxmlformats.org/drawingml/2006/main"
