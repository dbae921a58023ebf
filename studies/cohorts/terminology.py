"""A new release of a code system, and what it would change in every cohort: shown, never done.

A release is a CSV file: `#` rows (system, release, and source if one likes), then the columns

    code,status,replaced_by,parent

status       -- "active" or "retired"; a code that an older release has and a newer one has not counts as retired
replaced_by  -- codes that stand for a retired one, separated by blanks
parent       -- the code right above; a list that holds a code is taken to mean what lies below it, too

Records keep the codes they were written with. So a list does not change with a release: `impact` says which codes a
list that was drawn up anew would gain and lose, and whom the cohort would, so that somebody can decide and sign.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from rwd_platform.core.errors import PlatformError, Problem
from studies.cohorts import steps
from studies.cohorts.definition import Codes, CodeTest, Cohort, Events, ExposureExit, Group, Related

Pairs = frozenset[tuple[str, str]]
MOST_BYTES = 50_000_000
_COLUMNS = ["code", "status", "replaced_by", "parent"]

MALFORMED = Problem(
    code="terminology.malformed",
    zh="代码系统版本文件 {name} 第 {line} 行：{zh}。",
    en="Terminology release {name}, line {line}: {en}.",
    next_zh="请更正该行；格式见 docs/reference/code-lists.md。",
    next_en="Correct the line; docs/reference/code-lists.md shows the form.",
)
SYSTEMS_DIFFER = Problem(
    code="terminology.systems_differ",
    zh="两个版本属于不同的代码系统，无法比较。",
    en="The two releases are of different code systems and cannot be compared.",
    next_zh="请选择同一代码系统的两个版本。",
    next_en="Choose two releases of one system.",
)


@dataclass(frozen=True)
class Term:
    active: bool
    replaced_by: tuple[str, ...] = ()
    parent: str = ""


@dataclass(frozen=True)
class Release:
    system: str
    release: str
    terms: Mapping[str, Term]

    def is_active(self, code: str) -> bool:
        return code in self.terms and self.terms[code].active

    def above(self, code: str) -> Iterator[str]:
        """The codes above one, the nearest first; a circle ends where it closes."""
        seen = {code}
        while (code := self.terms[code].parent if code in self.terms else "") and code not in seen:
            seen.add(code)
            yield code


@dataclass(frozen=True)
class CodesChanged:
    """What a release means for one code list: pairs of system and code, in order."""

    name: str
    added: tuple[tuple[str, str], ...]
    removed: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Impact:
    """What a release means for one cohort. gained, lost -- patients; None where no engine was given."""

    cohort: str
    lists: tuple[CodesChanged, ...]
    gained: int | None
    lost: int | None

    @property
    def changed(self) -> bool:
        return bool(self.lists)


def impact(
    old: Release, new: Release, cohorts: Mapping[str, Cohort], engine: steps.AnyEngine | None = None
) -> tuple[Impact, ...]:
    """What a new release changes in each cohort. Raises `terminology.systems_differ`."""
    if old.system != new.system:
        raise SYSTEMS_DIFFER.error()
    return tuple(_impact(old, new, name, cohort, engine) for name, cohort in sorted(cohorts.items()))


def _impact(old: Release, new: Release, name: str, cohort: Cohort, engine: steps.AnyEngine | None) -> Impact:
    changed: dict[Codes, Codes] = {}
    for events in cohort.all_events():
        for test in events.codes:
            after = under(test.codes, old, new)
            if after.pairs != test.codes.pairs:
                changed[test.codes] = after
    lists = tuple(
        CodesChanged(
            before.name,
            tuple(sorted(after.pairs - before.pairs)),
            tuple(sorted(before.pairs - after.pairs)),
        )
        for before, after in sorted(changed.items(), key=lambda pair: (pair[0].name, sorted(pair[0].pairs)))
    )
    if engine is None:
        return Impact(name, lists, None, None)
    if not changed:
        return Impact(name, (), 0, 0)
    here = set(steps.run(engine, cohort).rows["patient_id"])
    there = set(
        steps.run(engine, with_codes(cohort, lambda codes: changed.get(codes, codes))).rows["patient_id"]
    )
    return Impact(name, lists, gained=len(there - here), lost=len(here - there))


def under(codes: Codes, old: Release, new: Release) -> Codes:
    """A list as it would be drawn up anew: what the new release moves, retires and replaces is changed alike.

    What neither release changes stays as its author left it, also a code below that the list leaves out.
    """
    held = {code for system, code in codes.pairs if system == old.system}
    tops = _tops(held, old)
    gone = {code for code in held if _is_gone(code, old, new)}
    instead = {one for code in gone for one in _replacing(code, old, new)}
    above = tops | instead
    moved_out = {
        code for code in held - tops - gone if code in new.terms and above.isdisjoint(new.above(code))
    }
    moved_in = _below(tops, new) - _below(tops, old)
    now = (held - gone - moved_out) | instead | moved_in
    others = {pair for pair in codes.pairs if pair[0] != old.system}
    return Codes(codes.name, frozenset(others | {(old.system, code) for code in now}))


def _tops(held: set[str], old: Release) -> set[str]:
    """The codes that a list was drawn up from: those that do not lie below another of them."""
    return {
        code
        for code in held
        if not any(above in held and code not in old.above(above) for above in old.above(code))
    }


def _below(tops: set[str], release: Release) -> set[str]:
    """The active codes below some."""
    return {
        code
        for code, term in release.terms.items()
        if term.active and code not in tops and any(above in tops for above in release.above(code))
    }


def _is_gone(code: str, old: Release, new: Release) -> bool:
    """Retired, or no longer there; a code that neither release has is nobody's business here."""
    return not new.is_active(code) and (code in new.terms or code in old.terms)


def _replacing(code: str, old: Release, new: Release) -> set[str]:
    """The active codes at the end of what replaces one; what replaces each other in a circle has no end."""
    found: set[str] = set()
    seen, waiting = {code}, [code]
    while waiting:
        at = waiting.pop()
        said = new.terms.get(at) or old.terms.get(at)
        for one in said.replaced_by if said else ():
            if new.is_active(one):
                found.add(one)
            elif one not in seen:
                seen.add(one)
                waiting.append(one)
    return found


def with_codes(cohort: Cohort, change: Callable[[Codes], Codes]) -> Cohort:
    """The definition with other codes wherever it names some."""
    exit = cohort.exit
    if isinstance(exit, ExposureExit):
        exit = replace(exit, exposure=tuple(_events(one, change) for one in exit.exposure))
    return replace(
        cohort,
        entry=replace(cohort.entry, events=tuple(_events(one, change) for one in cohort.entry.events)),
        qualify=_group(cohort.qualify, change),
        rules=tuple(replace(rule, group=_group(rule.group, change)) for rule in cohort.rules),
        exit=exit,
        censors=tuple(_events(one, change) for one in cohort.censors),
    )


def _events(events: Events, change: Callable[[Codes], Codes]) -> Events:
    codes: tuple[CodeTest, ...] = tuple(replace(one, codes=change(one.codes)) for one in events.codes)
    return replace(events, codes=codes, within=_group(events.within, change) if events.within else None)


def _group(group: Group, change: Callable[[Codes], Codes]) -> Group:
    related: tuple[Related, ...] = tuple(
        replace(one, events=_events(one.events, change)) for one in group.related
    )
    return replace(group, related=related, groups=tuple(_group(one, change) for one in group.groups))


def read_release(raw: bytes, name: str) -> Release:
    """A release from the bytes of its file. Raises `terminology.malformed`, naming the line."""
    if len(raw) > MOST_BYTES:
        raise _malformed(name, 1, "文件过大", "the file is too large")
    try:
        reader = csv.reader(io.StringIO(raw.decode("utf-8-sig"), newline=""), strict=True)
        rows = [
            (reader.line_num, [cell.strip() for cell in row]) for row in reader if any(map(str.strip, row))
        ]
    except (UnicodeDecodeError, csv.Error) as error:
        raise _malformed(name, 1, "不是 UTF-8 编码的 CSV 文件", "this is no CSV file in UTF-8") from error
    said: dict[str, str] = {}
    while rows and rows[0][1][0].startswith("#"):
        _, row = rows.pop(0)
        said[row[0][1:]] = row[1] if len(row) > 1 else ""
    if not said.get("system") or not said.get("release"):
        raise _malformed(
            name, 1, "缺少说明行 system 或 release", "the headings system and release are needed"
        )
    if not rows or rows[0][1] != _COLUMNS:
        raise _malformed(
            name,
            rows[0][0] if rows else 1,
            f"列名应为 {','.join(_COLUMNS)}",
            f"columns are {','.join(_COLUMNS)}",
        )
    return Release(said["system"], said["release"], _terms(rows[1:], name))


def _terms(rows: list[tuple[int, list[str]]], name: str) -> dict[str, Term]:
    terms: dict[str, Term] = {}
    for line, row in rows:
        if len(row) != len(_COLUMNS) or not row[0] or row[1] not in ("active", "retired"):
            raise _malformed(
                name,
                line,
                "应为代码、active 或 retired、替代码、上级码",
                "code, active or retired, replacements, parent",
            )
        if row[0] in terms:
            raise _malformed(name, line, "该代码已经出现过", "the code stands there twice")
        terms[row[0]] = Term(row[1] == "active", tuple(row[2].split()), row[3])
    return terms


def _malformed(name: str, line: int, zh: str, en: str) -> PlatformError:
    return MALFORMED.error(name=name, line=line, zh=zh, en=en)
