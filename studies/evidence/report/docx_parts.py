"""What an editable document is told in WordprocessingML alone: rules of a table, heads that repeat, what stands apart.

Elements have a fixed order in their parents (ECMA-376, Part 1, 17.3.1.26, 17.4.59); a program that checks it offers
to "repair" the file otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from studies.evidence.fonts import SANS

INK, SOFT, TEAL, AMBER, SAND = "1C2326", "5A666B", "0B6470", "8A5A00", "FDF6E7"
LINE_CM = 16.2
_THICK, _THIN, _BAR = 8, 4, 20  # eighths of a point
_AFTER_BORDERS = (
    *(
        "w:shd",
        "w:tabs",
        "w:suppressAutoHyphens",
        "w:spacing",
        "w:ind",
        "w:contextualSpacing",
        "w:jc",
        "w:rPr",
    ),
)
_MOST_UNBROKEN = 16  # rows of a table that is kept on one page


def ruled_table(
    document: Any, rows: Sequence[Sequence[str]], shares: Sequence[int], align: Sequence[str], size: float
) -> None:
    """Three rules, none upright; the first row is the head and comes again on the next page. No row is cut."""
    table = _bare_table(document, rows, [LINE_CM * one / sum(shares) for one in shares], [size] * len(shares))
    borders = _sides("w:tblBorders", {"top": (_THICK, INK), "bottom": (_THICK, INK)})
    table._tbl.tblPr.insert_element_before(borders, "w:shd", "w:tblLayout", "w:tblCellMar", "w:tblLook")
    unbroken = len(rows) <= _MOST_UNBROKEN
    for place, row in enumerate(table.rows):
        _flag(row._tr.get_or_add_trPr(), "w:cantSplit")
        for cell, side in zip(row.cells, align, strict=True):
            _set_cell(cell, side, keeps_next=place == 0 or (unbroken and place < len(rows) - 1))
    head = table.rows[0]
    _flag(head._tr.get_or_add_trPr(), "w:tblHeader")
    for cell in head.cells:
        cell._tc.get_or_add_tcPr().append(_sides("w:tcBorders", {"bottom": (_THIN, INK)}))
        colour(cell.paragraphs[0].runs[0], SOFT)


def labelled_table(document: Any, rows: Sequence[Sequence[str]], label_cm: float) -> None:
    """Label and text side by side, without rules."""
    table = _bare_table(document, rows, [label_cm, LINE_CM - label_cm], [9, 9.5])
    for row in table.rows:
        _flag(row._tr.get_or_add_trPr(), "w:cantSplit")
        colour(row.cells[0].paragraphs[0].runs[0], SOFT)


def stand_apart(paragraph: Any) -> None:
    """A sand-coloured ground and a bar at the left: what must not be overlooked."""
    properties = paragraph._p.get_or_add_pPr()
    properties.insert_element_before(_sides("w:pBdr", {"left": (_BAR, AMBER)}, space=6), *_AFTER_BORDERS)
    shade = _element("w:shd", {"val": "clear", "color": "auto", "fill": SAND})
    properties.insert_element_before(shade, *_AFTER_BORDERS[1:])


def page_numbers(paragraph: Any) -> None:
    """`3 / 18` at the right edge, counted by the program that opens the document."""
    from docx.enum.text import WD_TAB_ALIGNMENT
    from docx.shared import Cm

    stops = paragraph.paragraph_format.tab_stops
    for stop in list(paragraph.style.paragraph_format.tab_stops):
        stops.add_tab_stop(stop.position, WD_TAB_ALIGNMENT.CLEAR)
    stops.add_tab_stop(Cm(LINE_CM), WD_TAB_ALIGNMENT.RIGHT)
    paragraph.add_run("\t")
    _field(paragraph, "PAGE")
    paragraph.add_run(" / ")
    _field(paragraph, "NUMPAGES")


def colour(run: Any, rgb: str) -> None:
    from docx.shared import RGBColor

    run.font.color.rgb = RGBColor.from_string(rgb)


def _bare_table(
    document: Any, rows: Sequence[Sequence[str]], widths_cm: Sequence[float], sizes: Sequence[float]
) -> Any:
    from docx.shared import Cm, Pt

    columns = len(widths_cm)
    table = document.add_table(rows=len(rows), cols=columns)
    table.autofit = False
    widths, points = [Cm(one) for one in widths_cm], [Pt(one) for one in sizes]
    for column, width in zip(table.columns, widths, strict=True):
        column.width = width
    cells = table._cells  # asked for once: each `row.cells` walks the whole table
    for place, text in enumerate(text for row in rows for text in row):
        cell = cells[place]
        cell.width = widths[place % columns]
        paragraph = cell.paragraphs[0]
        paragraph.paragraph_format.space_before = paragraph.paragraph_format.space_after = Pt(1.5)
        run = paragraph.add_run(text)
        run.font.size, run.font.name = points[place % columns], SANS
    return table


def _set_cell(cell: Any, side: str, *, keeps_next: bool) -> None:
    from docx.enum.text import WD_ALIGN_PARAGRAPH

    written = cell.paragraphs[0]
    written.paragraph_format.keep_with_next = keeps_next
    if side == "right":
        written.alignment = WD_ALIGN_PARAGRAPH.RIGHT


def _sides(tag: str, sides: Mapping[str, tuple[int, str]], space: int = 0) -> Any:
    borders = _element(tag, {})
    for side, (size, rgb) in sides.items():
        about = {"val": "single", "sz": str(size), "space": str(space), "color": rgb}
        borders.append(_element(f"w:{side}", about))
    return borders


def _flag(properties: Any, tag: str) -> None:
    properties.append(_element(tag, {}))


def _field(paragraph: Any, instruction: str) -> None:
    """Its text is a guess until the document is opened."""
    run = paragraph.add_run("1")
    field = _element("w:fldSimple", {"instr": instruction})
    paragraph._p.append(field)
    field.append(run._r)


def _element(tag: str, attributes: Mapping[str, str]) -> Any:
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn

    made = OxmlElement(tag)
    for name, value in attributes.items():
        made.set(qn(f"w:{name}"), value)
    return made
