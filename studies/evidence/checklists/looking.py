"""Looks at one place of a package: what it says in a line, or why it answers nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from rwd_platform.core.errors import PlatformError
from rwd_platform.core.text import Bilingual
from studies.evidence.checklists.model import Place
from studies.evidence.checklists.package_view import NOT_ARRIVED, PackageView, heading_texts
from studies.evidence.documents import VOLATILE
from studies.evidence.templates.verify import pointed

_LONGEST = {"zh": 70, "en": 140}  # letters of a value that a line quotes
_QUOTED = 3  # of a list
_TITLES = ("title", "element", "event", "name", "dimension", "reason")

GONE = Bilingual("证据包中没有这个文件", "the package has no such file")
UNREADABLE = Bilingual("文件无法读取", "the file cannot be read")
NOWHERE = Bilingual("其中没有这一处", "there is no such place in it")
EMPTY = Bilingual("其中这一处是空的", "it is there and empty")
THERE = Bilingual("文件在包中", "the file is in the package")
SAYS_NO = Bilingual("其中这一处为“否”", "it says no")


@dataclass(frozen=True)
class Found:
    """`anchor`: the report's block that answers, "" elsewhere."""

    says: Bilingual
    anchor: str = ""


def look(place: Place, view: PackageView) -> Found | Bilingual:
    """What the place says, or the reason why it says nothing."""
    content = view.files.get(place.file)
    if content is None:
        return GONE
    if not content.strip():
        return EMPTY
    try:
        seen = _seen(place, view, content)
    except PlatformError:
        return UNREADABLE
    # What changes from one assembly to the next is linked, not quoted: the answers are part of what names the package.
    return Found(THERE) if isinstance(seen, Found) and place.file in VOLATILE else seen


def _seen(place: Place, view: PackageView, content: bytes) -> Found | Bilingual:
    if place.blocks:
        return _block(place, view)
    if place.heading:
        return _under_heading(place, view)
    if place.pointer:
        return _pointed(place, view)
    return _whole(place.file, content)


# --- files ------------------------------------------------------------------------------------------


def _whole(file: str, content: bytes) -> Found | Bilingual:
    """A file that a person reads. A table of which only the head is there is empty, as is a drawing without one."""
    if file.endswith((".csv", ".jsonl")):
        lines = [line for line in content.splitlines() if line.strip()]
        rows = len(lines) - file.endswith(".csv")
        return Found(Bilingual(f"{rows} 行", f"{rows} rows")) if rows > 0 else EMPTY
    if file.endswith(".svg") and b"<svg" not in content:
        return UNREADABLE
    return Found(THERE)


# --- values by pointer ------------------------------------------------------------------------------


def _pointed(place: Place, view: PackageView) -> Found | Bilingual:
    try:
        values = list(_values(view.document(place.file), place.pointer))
    except NOT_ARRIVED:
        return NOWHERE
    if not values or any(_empty(one) for one in values):
        return EMPTY
    if place.holds and not all(one is True for one in values):
        return SAYS_NO
    if place.where:
        return _some(place, values[0])
    said = [_line(one) for one in values]
    return Found(_joined(said) if len(said) > 1 else said[0])


def _values(document: Any, pointer: str) -> Iterator[Any]:
    """Every value that a pointer with `*` leads to; a list before a `*` that is empty gives nothing."""
    before, star, after = pointer.partition("/*")
    value = pointed(document, before)
    if not star:
        yield value
        return
    if not isinstance(value, list):
        raise TypeError(pointer)
    for one in value:
        yield from _values(one, after)


def _some(place: Place, listed: Any) -> Found | Bilingual:
    if not isinstance(listed, list):
        return NOWHERE
    found = [one for one in listed if isinstance(one, dict) and _fits(one, place)]
    if not found:
        return NOWHERE
    if "id" not in found[0]:
        return Found(_joined([_line(one) for one in found]))
    first = _short(str(found[0]["id"]), "en")
    return Found(Bilingual(f"{len(found)} 项，如 {first}", f"{len(found)} entries, such as {first}"))


def _fits(one: Mapping[str, Any], place: Place) -> bool:
    """The named fields have one of their values; a result that could not be estimated is none."""
    return one.get("value", True) is not None and all(
        _field(one, field) in allowed for field, allowed in place.where
    )


def _field(one: Mapping[str, Any], path: str) -> Any:
    """A field, or one inside it: `element.en`."""
    value: Any = one
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _empty(value: Any) -> bool:
    """Nothing, blank words, or a container of nothing else. In a pair of languages both must be there."""
    if value is None:
        return True
    if isinstance(value, str):
        return not value.strip()
    if isinstance(value, dict):
        if set(value) == {"zh", "en"}:
            return any(_empty(one) for one in value.values())
        return all(_empty(one) for one in value.values())
    if isinstance(value, list):
        return all(_empty(one) for one in value)
    return False


# --- the report's blocks ----------------------------------------------------------------------------


def _block(place: Place, view: PackageView) -> Found | Bilingual:
    """The first table or figure whose key fits and that has something in it."""
    fitting = [
        block
        for block in view.blocks()
        if any(fnmatchcase(str(block.get("key", "")), pattern) for pattern in place.blocks)
    ]
    for block in fitting:
        if _says_something(block):
            return Found(_spans(block.get("caption")), str(block["key"]))
    return EMPTY if fitting else NOWHERE


def _says_something(block: Mapping[str, Any]) -> bool:
    if block.get("kind") == "table":
        return not _empty([[_spans(cell).zh for cell in row] for row in block.get("rows") or ()])
    if block.get("kind") == "figure":
        return bool(_spans(block.get("caption")).zh)
    return not _empty([block.get(part) for part in ("text", "items", "rows")])


def _under_heading(place: Place, view: PackageView) -> Found | Bilingual:
    """What stands between a heading and the next of its level or above."""
    wanted, inside, parts = heading_texts().get(place.heading), 0, 0
    for block in view.blocks():
        if block.get("kind") == "heading":
            level = int(block.get("level", 1))
            if inside and level <= inside:
                break
            if not inside and wanted and _spans(block.get("text")).en.strip() == wanted:
                inside = level
                title = _spans(block.get("text"))
        elif inside and _says_something(block):
            parts += 1
    if not inside:
        return NOWHERE
    if not parts:
        return EMPTY
    says = Bilingual(f"报告“{title.zh}”，{parts} 段", f'report, "{title.en}", {parts} blocks')
    return Found(says, place.heading)


def _spans(text: Any) -> Bilingual:
    """The words of a report's text as its JSON holds them."""
    if not isinstance(text, dict):
        return Bilingual("", "")
    zh, en = (
        "".join(str(span.get("t", "")) for span in text.get(language) or () if isinstance(span, dict))
        for language in ("zh", "en")
    )
    return Bilingual(_short(zh, "zh"), _short(en, "en"))


# --- one line ---------------------------------------------------------------------------------------


def _line(value: Any) -> Bilingual:
    if isinstance(value, bool):
        return Bilingual("是", "yes") if value else Bilingual("否", "no")
    if isinstance(value, dict):
        if set(value) == {"zh", "en"}:
            return Bilingual(_short(str(value["zh"]), "zh"), _short(str(value["en"]), "en"))
        title = next((value[name] for name in _TITLES if not _empty(value.get(name))), None)
        spoken = [_line(one) for one in value.values() if isinstance(one, dict) and set(one) == {"zh", "en"}]
        if title is None and spoken:
            return _joined(spoken)
        return _line(title) if title is not None else Bilingual(f"{len(value)} 项", f"{len(value)} entries")
    if isinstance(value, list):
        named = [_line(one) for one in value if isinstance(one, dict) and set(one) & {*_TITLES, "zh"}]
        return _joined(named) if named else Bilingual(f"{len(value)} 项", f"{len(value)} entries")
    return Bilingual(_short(str(value), "zh"), _short(str(value), "en"))


def _joined(said: Sequence[Bilingual]) -> Bilingual:
    """The first few, each once, and how many there are."""
    once = list(dict.fromkeys(said))
    if len(once) == 1:
        return once[0]
    zh, en = "；".join(one.zh for one in once[:_QUOTED]), "; ".join(one.en for one in once[:_QUOTED])
    if len(once) > _QUOTED:
        zh, en = f"{zh} 等 {len(once)} 项", f"{en} and {len(once) - _QUOTED} more"
    return Bilingual(zh, en)


def _short(text: str, language: str) -> str:
    """On one line and not too long, without what does not print."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    longest = _LONGEST[language]
    return line if len(line) <= longest else line[: longest - 1] + "…"
