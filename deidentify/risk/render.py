"""The report as Markdown and as one HTML file: no script, nothing from outside, one drawing made here."""

from __future__ import annotations

from html import escape

from deidentify.risk.measures import size_bands
from deidentify.risk.report import RiskReport
from deidentify.risk.sections import Grid, Section
from rwd_platform.core.text import Bilingual, Language

_TITLE = Bilingual("重识别风险评估报告", "Re-identification risk report")
_ORDER = Bilingual("次序依 GB/T 42460-2023 第 6 章", "in the order of GB/T 42460-2023, clause 6")
_DRAWING = Bilingual("各等价类大小的记录数", "Records by class size")
_STYLE = """
body { font: 16px/1.6 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1b2733 }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1.5rem }
th, td { border-bottom: 1px solid #d5dce3; padding: .35rem .6rem; text-align: left; vertical-align: top }
caption { text-align: left; font-weight: 600; padding: .3rem 0 }
thead th { color: #5a6a7a; font-weight: 600 }
.wrap { overflow-x: auto } .bar { fill: #1f6f8b } svg text { font: 13px system-ui, sans-serif; fill: #1b2733 }
"""


def as_markdown(report: RiskReport, language: Language) -> str:
    """The whole report as Markdown."""
    lines = [f"# {_TITLE.in_language(language)}", "", _ORDER.in_language(language), ""]
    for section in report.sections:
        lines += [f"## {section.number} {section.title.in_language(language)}", ""]
        for paragraph in section.paragraphs:
            lines += [_plain(paragraph.in_language(language)), ""]
        for grid in section.grids:
            lines += [*_markdown_grid(grid, language), ""]
    return "\n".join(lines).rstrip() + "\n"


def as_html(report: RiskReport, language: Language) -> str:
    """The whole report as one self-contained HTML file."""
    title = _TITLE.in_language(language)
    body = "".join(_html_section(section, report, language) for section in report.sections)
    return (
        f'<!doctype html>\n<html lang="{"zh-CN" if language == "zh" else "en"}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{escape(title)}</h1>\n<p>{escape(_ORDER.in_language(language))}</p>\n{body}</body>\n</html>\n"
    )


def _plain(text: str) -> str:
    """A column's name is the file's own: nothing in it may become markup or break a table."""
    for sign in "\\`*_{}[]<>#|!":
        text = text.replace(sign, "\\" + sign)
    return " ".join(text.split())


def _words(cell: Bilingual | str, language: Language) -> str:
    return cell.in_language(language) if isinstance(cell, Bilingual) else cell


def _markdown_grid(grid: Grid, language: Language) -> list[str]:
    head = [_plain(one.in_language(language)) for one in grid.head]
    lines = [f"**{_plain(grid.title.in_language(language))}**", ""]
    lines.append("| " + " | ".join(head) + " |")
    lines.append("|" + " --- |" * len(head))
    lines += ["| " + " | ".join(_plain(_words(cell, language)) for cell in row) + " |" for row in grid.rows]
    return lines


def _html_section(section: Section, report: RiskReport, language: Language) -> str:
    parts = [f"<h2>{section.number} {escape(section.title.in_language(language))}</h2>\n"]
    parts += [f"<p>{escape(one.in_language(language))}</p>\n" for one in section.paragraphs]
    for grid in section.grids:
        if grid.name == "class_sizes":
            parts.append(_drawing(report, language))
        parts.append(_html_grid(grid, language))
    return "".join(parts)


def _html_grid(grid: Grid, language: Language) -> str:
    head = "".join(f'<th scope="col">{escape(one.in_language(language))}</th>' for one in grid.head)
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape(_words(cell, language))}</td>" for cell in row) + "</tr>\n"
        for row in grid.rows
    )
    caption = escape(grid.title.in_language(language))
    return (
        f'<div class="wrap"><table><caption>{caption}</caption>\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>{rows}</tbody></table></div>\n"
    )


def _drawing(report: RiskReport, language: Language) -> str:
    """Bars: how many records are in classes of each band of sizes."""
    bands = size_bands(report.findings.measures.class_sizes)
    most = max(records for _, _, records in bands)
    body = ""
    for place, (label, _, records) in enumerate(bands):
        y = 6 + place * 26
        width = 420 * records / most
        body += (
            f'<text x="66" y="{y + 15}" text-anchor="end">{escape(label)}</text>'
            f'<rect class="bar" x="76" y="{y}" width="{width:.1f}" height="20"/>'
            f'<text x="{84 + width:.1f}" y="{y + 15}">{records:,}</text>'
        )
    title = escape(_DRAWING.in_language(language))
    height = 12 + 26 * len(bands)
    return f'<svg viewBox="0 0 600 {height}" width="600" role="img" aria-label="{title}">{body}</svg>\n'
