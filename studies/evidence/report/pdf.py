"""The report as PDF/A-2b, set by typst. The same blocks, figures and dates give the same bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from rwd_platform.core.text import Bilingual, Language
from studies.evidence.report.blocks import Block, Figure, Paragraph, Report, Table, as_json, words
from studies.evidence.report.phrases import TEMPLATES
from studies.evidence.report.widths import shares

STANDARD = "a-2b"
_WRITTEN_OUT = Bilingual(
    "〔U+…〕：本 PDF 的字体没有该字，以其 Unicode 编码写出；同一报告的 HTML 与 DOCX 中为该字本身。",
    "〔U+…〕: a letter that the fonts of this PDF lack, written as its Unicode number; the HTML and the DOCX of the "
    "same report have the letter itself.",
)


@dataclass(frozen=True)
class Running:
    """What every page repeats, in one language."""

    head: str
    foot: str
    package_short: str
    author: str
    labels: Mapping[str, str]  # `table`, `figure`, `contents`


def render(report: Report, language: Language, figures: Mapping[str, bytes], running: Running) -> bytes:
    """The PDF. `figures` are the SVG drawings by `<key>_<language>`."""
    import typst

    from studies.evidence.fonts import font_folder, written_out

    content = _with_signs_told(_content(report, language, running), language)
    files = {
        "main.typ": (TEMPLATES / "report.typ").read_bytes(),
        "content.json": content.encode(),
        **{
            f"{name.removesuffix('_' + language)}.svg": written_out(drawing.decode()).encode()
            for name, drawing in figures.items()
            if name.endswith("_" + language)
        },
    }
    compile_files: Any = typst.compile  # a file tree as a dict, which its stubs do not know
    made: bytes = compile_files(
        files,
        format="pdf",
        font_paths=[str(font_folder())],
        ignore_system_fonts=True,
        pdf_standards=[STANDARD],
        timestamp=_timestamp(report.dated),
    )
    return made


def _with_signs_told(content: dict[str, Any], language: Language) -> str:
    """As JSON; where a letter had to be written out, the last line says what that means and where it stands itself."""
    from studies.evidence.fonts import written_out

    plain = json.dumps(content, ensure_ascii=False)
    drawn = written_out(plain)
    if drawn == plain:
        return plain
    note = Paragraph(words(_WRITTEN_OUT), "small")
    told = {**content, "body": [*content["body"], *_blocks((note,), language)]}
    return written_out(json.dumps(told, ensure_ascii=False))


def _timestamp(dated: str) -> int:
    day = date.fromisoformat(dated)
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


def _content(report: Report, language: Language, running: Running) -> dict[str, Any]:
    return {
        "language": language,
        "title_plain": report.title.plain(language),
        "subtitle_plain": report.subtitle.plain(language),
        "dated": report.dated,
        "author": running.author,
        "running": running.head,
        "footer": running.foot,
        "package_short": running.package_short,
        "labels": dict(running.labels),
        "summary": _blocks(report.summary, language),
        "body": _blocks(report.body, language),
    }


def _blocks(blocks: tuple[Block, ...], language: Language) -> list[dict[str, Any]]:
    """A text that leads to a table or a figure stays on its page."""
    following = (*blocks[1:], None)[: len(blocks)]
    return [
        {**_block(block, language), "sticky": isinstance(after, Table | Figure)}
        for block, after in zip(blocks, following, strict=True)
    ]


def _block(block: Block, language: Language) -> dict[str, Any]:
    made: dict[str, Any] = _in_language(as_json(block), language)
    if isinstance(block, Table):
        made["shares"] = shares(block, language)
    return made


def _in_language(value: Any, language: Language) -> Any:
    if isinstance(value, dict):
        if set(value) == {"zh", "en"}:
            return value[language]
        return {name: _in_language(one, language) for name, one in value.items()}
    if isinstance(value, list):
        return [_in_language(one, language) for one in value]
    return value
