"""The report as one page that opens from a folder: no server, no network, every number leads to its source."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from rwd_platform.core.text import LANGUAGES, Language
from studies.evidence.fonts import sans_subset
from studies.evidence.report.blocks import (
    Block,
    Facts,
    Figure,
    Heading,
    PageBreak,
    Paragraph,
    Points,
    Report,
    Span,
    Table,
    Text,
)
from studies.evidence.report.phrases import TEMPLATES

_PRINTABLE = "".join(map(chr, range(0x20, 0x7F)))
_TAG = {"zh": "zh-CN", "en": "en"}
_LABEL = {"table": {"zh": "表", "en": "Table"}, "figure": {"zh": "图", "en": "Figure"}}


def render(
    report: Report,
    figures: Mapping[str, bytes],
    trace: Mapping[str, Any],
    package_id: str,
    front: Mapping[Language, str] | None = None,
) -> bytes:
    """The page. `figures` are the SVG drawings by `<key>_<language>`; `front`: HTML below the title, by language."""
    template = (TEMPLATES / "index.html").read_text(encoding="utf-8")
    filled = {
        "title": html.escape(f"{report.title.plain('zh')} · {report.title.plain('en')}"),
        "package_id": html.escape(package_id),
        "articles": "\n".join(
            _Article(language, figures).render(report, (front or {}).get(language, ""))
            for language in LANGUAGES
        ),
        "trace": _inline_json(trace),
        "font": "",
    }
    shown = template + "".join(filled.values())
    filled["font"] = base64.b64encode(sans_subset(shown + _PRINTABLE)).decode()
    return re.sub(r"\{\{(\w+)\}\}", lambda found: filled[found.group(1)], template).encode()


def _inline_json(value: Any) -> str:
    """JSON that cannot end its script element or open a comment."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


class _Article:
    """One language of the page; counts its tables and figures."""

    def __init__(self, language: Language, figures: Mapping[str, bytes]) -> None:
        self.language = language
        self.figures = figures
        self.counts = {"table": 0, "figure": 0}

    def render(self, report: Report, front: str) -> str:
        parts = [
            f'<article lang="{_TAG[self.language]}">',
            f"<h1>{self.text(report.title)}</h1>",
            f'<p class="subtitle">{self.text(report.subtitle)}</p>',
            front,
            *(self.block(block) for block in report.blocks),
            "</article>",
        ]
        return "\n".join(parts)

    def block(self, block: Block) -> str:
        writers: dict[type, Callable[[Any], str]] = {
            Heading: self.heading,
            Paragraph: self.paragraph,
            Points: self.points,
            Facts: self.facts,
            Table: self.table,
            Figure: self.figure,
            PageBreak: lambda _: "",
        }
        return writers[type(block)](block)

    def text(self, text: Text) -> str:
        return "".join(self.span(span) for span in text.spans(self.language))

    def span(self, span: Span) -> str:
        if isinstance(span, str):
            return html.escape(span)
        shown = html.escape(span.in_language(self.language))
        return f'<a class="n" href="#{span.id}" data-n="{span.id}">{shown}</a>'

    def heading(self, block: Heading) -> str:
        return f"<h{block.level + 1}>{self.text(block.text)}</h{block.level + 1}>"

    def paragraph(self, block: Paragraph) -> str:
        return f'<p class="{block.tone}">{self.text(block.text)}</p>'

    def points(self, block: Points) -> str:
        items = "".join(f"<li>{self.text(item)}</li>" for item in block.items)
        title = f"<h3>{self.text(block.title)}</h3>" if block.title else ""
        return f'<section class="{block.tone}">{title}<ul>{items}</ul></section>'

    def facts(self, block: Facts) -> str:
        rows = "".join(
            f"<dt>{self.text(label)}</dt><dd>{self.text(value)}</dd>" for label, value in block.rows
        )
        return f"<dl>{rows}</dl>"

    def numbered(self, kind: str, caption: Text) -> str:
        self.counts[kind] += 1
        label = f"{_LABEL[kind][self.language]} {self.counts[kind]}"
        return f"<b>{label}</b>{self.text(caption)}"

    def notes(self, notes: tuple[Text, ...]) -> str:
        return "".join(f'<p class="note">{self.text(note)}</p>' for note in notes)

    def table(self, block: Table) -> str:
        head = "".join(
            f'<th class="{align}">{self.text(cell)}</th>'
            for cell, align in zip(block.head, block.align, strict=True)
        )
        rows = "".join(
            "<tr>"
            + "".join(
                f'<td class="{align}">{self.text(cell)}</td>'
                for cell, align in zip(row, block.align, strict=True)
            )
            + "</tr>"
            for row in block.rows
        )
        return (
            f'<section class="table"><p class="caption">{self.numbered("table", block.caption)}</p>'
            f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
            f"{self.notes(block.notes)}</section>"
        )

    def figure(self, block: Figure) -> str:
        drawing = self.figures[f"{block.key}_{self.language}"].decode()
        drawing = drawing[drawing.index("<svg") :]
        alt = html.escape(block.alt.plain(self.language), quote=True)
        drawing = drawing.replace("<svg", f'<svg role="img" aria-label="{alt}"', 1)
        drawing = re.sub(r'id="num\.([n0-9.]+)"', _clickable, drawing)
        return (
            f'<figure>{drawing}<figcaption><p class="caption">{self.numbered("figure", block.caption)}</p>'
            f"{self.notes(block.notes)}</figcaption></figure>"
        )


def _clickable(found: re.Match[str]) -> str:
    return f'class="num" tabindex="0" data-drawn="{found.group(1).replace(".", " ")}"'
