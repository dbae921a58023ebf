"""An answered checklist as data and as a page that opens from the package's folder, Chinese first, English beneath."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rwd_platform.core.text import Bilingual
from studies.evidence.checklists.answer import STATUSES, Answer, Answered, AnsweredItem, Lack, Status
from studies.evidence.documents import json_bytes
from studies.evidence.fonts import sans_subset

FORMAT_VERSION = 1
FOLDER = "data/00_index/checklists"  # where the pages lie in a package
ROOT = "../../../"  # from there to the package's root
_PAGE = Path(__file__).parent / "page.html"

_STATES: dict[Status, Bilingual] = {
    "answered": Bilingual("已回答", "answered"),
    "not_applicable": Bilingual("不适用", "not applicable"),
    "explained": Bilingual("未提供，已说明原因", "not provided, with the reason"),
    "needs_statement": Bilingual("待声明", "needs a statement"),
    "missing": Bilingual("缺失", "missing"),
}
_CONFIRM = Bilingual(
    "编号与内容须对照官方文本核对", "number and content to be checked against the official text"
)
_OPTIONAL = Bilingual("非必答", "not mandatory")
_STATED = Bilingual("声明", "statement")


def render(answered: Answered, root: str = ROOT) -> tuple[bytes, bytes]:
    """JSON and HTML. `root` leads from the page to the package's root; every link starts there."""
    return render_all([answered], root)[0]


def render_all(answered: Sequence[Answered], root: str = ROOT) -> list[tuple[bytes, bytes]]:
    """Each as JSON and HTML. The pages carry one set of letters: to choose it takes longer than all the rest."""
    filled = [_filled(one, root) for one in answered]
    template = _PAGE.read_text(encoding="utf-8")
    letters = set(template).union(*(text for one in filled for text in one.values()))
    font = base64.b64encode(sans_subset("".join(sorted(letters)))).decode()
    pages = [_page(template, {**one, "font": font}) for one in filled]
    return [(json_bytes(as_dict(one)), page) for one, page in zip(answered, pages, strict=True)]


def as_dict(answered: Answered) -> dict[str, Any]:
    """The answers as JSON values."""
    checklist = answered.checklist
    return {
        "format_version": FORMAT_VERSION,
        "checklist": checklist.id,
        "name": checklist.name,
        "source": checklist.source,
        "applies": answered.applies,
        "counts": answered.counts,
        "items": [_item_dict(one) for one in answered.items],
    }


def _item_dict(one: AnsweredItem) -> dict[str, Any]:
    item = one.item
    return {
        "id": item.id,
        "section": item.section,
        "asks": item.asks,
        "mandatory": item.mandatory,
        "confirm": item.confirm,
        "status": one.status,
        "reason": one.reason,
        "places": list(one.places),
        "lacks": list(one.lacks),
    }


# --- the page ---------------------------------------------------------------------------------------


def _filled(answered: Answered, root: str) -> dict[str, str]:
    checklist = answered.checklist
    return {
        "title": html.escape(f"{checklist.id} · {checklist.name.zh}"),
        "root": html.escape(root, quote=True),
        "body": "\n".join(_body(answered)),
    }


def _page(template: str, filled: Mapping[str, str]) -> bytes:
    return re.sub(r"\{\{(\w+)\}\}", lambda found: filled[found.group(1)], template).encode()


def _body(answered: Answered) -> Iterable[str]:
    checklist = answered.checklist
    yield f"<h1>{html.escape(checklist.name.zh)}</h1>{_en(checklist.name.en)}"
    yield f'<p class="soft">{html.escape(checklist.source.zh)}</p>{_en(checklist.source.en)}'
    yield _counts(answered)
    if not answered.applies and checklist.unless:
        yield f"<p>本清单不适用：{_pair(checklist.unless)}"
    section: Bilingual | None = None
    for one in answered.items:
        if one.item.section != section:
            section = one.item.section
            yield f'<h2>{html.escape(section.zh)} <span class="en" lang="en">{html.escape(section.en)}</span></h2>'
        yield _article(one)


def _counts(answered: Answered) -> str:
    parts = (
        f"<li><b>{answered.counts[status]}</b>{html.escape(_STATES[status].zh)} "
        f'<span class="en" lang="en">{html.escape(_STATES[status].en)}</span></li>'
        for status in STATUSES
    )
    return f'<ul class="counts">{"".join(parts)}</ul>'


def _article(one: AnsweredItem) -> str:
    item, state = one.item, _STATES[one.status]
    notes = [*([_CONFIRM] if item.confirm else []), *([] if item.mandatory else [_OPTIONAL])]
    marks = "".join(f'<p class="soft">{html.escape(note.zh)}</p>{_en(note.en)}' for note in notes)
    found = "".join(_place(place) for place in one.places) + "".join(_lack(lack) for lack in one.lacks)
    reason = f'<p class="not_applicable">{_pair(one.reason)}' if one.reason else ""
    return (
        f'<article><div><span class="number">{html.escape(item.id)}</span>'
        f'<span class="state {one.status}">{state.zh}</span>{_en(state.en)}</div>'
        f"<div><p>{_pair(item.asks)}{marks}</div><div>{reason}{found}</div></article>"
    )


def _place(place: Answer) -> str:
    where = (
        f"{_STATED.zh} · {_STATED.en}"
        if place.statement
        else _link(place.file, place.anchor or place.pointer)
    )
    says = html.escape(place.says.zh)
    english = "" if place.says.en == place.says.zh else f": {place.says.en}"
    return (
        f'<div class="place"><p>{html.escape(place.label.zh)}：{says}</p>'
        f'{_en(place.label.en + english)}<p class="soft">{where}</p></div>'
    )


def _lack(lack: Lack) -> str:
    where = "" if lack.statement else f'<p class="soft">{_link(lack.file, lack.pointer, there=False)}</p>'
    zh = f"{lack.label.zh}：{lack.why.zh}。{lack.who.zh}：{lack.next.zh}。"
    en = f"{lack.label.en}: {lack.why.en}. For {lack.who.en}: {lack.next.en}."
    return f'<div class="lack"><p>{html.escape(zh)}</p>{_en(en)}{where}</div>'


def _link(file: str, part: str, *, there: bool = True) -> str:
    """A link to the file from the package's root; what is not there is named and not linked."""
    named = f"<code>{html.escape(file)}</code>"
    linked = f'<a href="{html.escape(quote(file), quote=True)}">{named}</a>' if there else named
    return f"{linked} <code>{html.escape(part)}</code>" if part else linked


def _pair(text: Bilingual) -> str:
    """Continues an open paragraph in Chinese, closes it, and gives the English."""
    return f"{html.escape(text.zh)}</p>{_en(text.en)}"


def _en(text: str) -> str:
    return f'<p class="en" lang="en">{html.escape(text)}</p>'
