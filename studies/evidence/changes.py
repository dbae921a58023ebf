"""What a version of a package says that the one before did not: results row by row, and every other file by its hash.

Two versions are compared by what identifies them. A file that is rendered from others (PDF, DOCX, page) or that
differs between two builds of the same content (log, signature) says nothing about a change of the evidence.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rwd_platform.core.canonical import sha256_hex
from rwd_platform.core.errors import Problem
from rwd_platform.core.text import Bilingual
from studies.evidence.changed_rows import SEALED_ROWS, changed_rows, row_lines, rows_of, with_sealed
from studies.evidence.templates import verify as standalone

FORMAT_VERSION = 1
CHANGES_JSON = "data/00_index/changes.json"
CHANGES_TEXT = {"zh": "data/00_index/changes_zh.md", "en": "data/00_index/changes_en.md"}
_ABOUT_VERSIONS = {
    CHANGES_JSON,
    *CHANGES_TEXT.values(),
    "data/05_results/labels.json",
}  # follow from the others
_STATEMENTS = (
    "data/02_governance/statements.json"  # studies.evidence.statements, which this file does without
)
_INDEX = "data/00_index/"  # contents and answered checklists follow from the others too
_SHOWN = ("value", "ci_low", "ci_high", "n", "events")
_NAMED = ("protocol_sha256", "lock_id", "results_sha256", "audience")
_LONGEST_LIST = 200  # rows in the text; the JSON has them all
# Directories of the package in the words of its contents.
_KINDS = {
    "00_index": Bilingual("目录", "index"),
    "01_protocol": Bilingual("方案", "protocol"),
    "02_governance": Bilingual("治理", "governance"),
    "03_data": Bilingual("数据", "data"),
    "04_quality": Bilingual("质量", "quality"),
    "05_results": Bilingual("结果", "results"),
    "06_report": Bilingual("报告", "report"),
    "07_code": Bilingual("程序", "programs"),
    "08_trace": Bilingual("溯源", "trace"),
    "10_signoff": Bilingual("签署", "sign-off"),
}

PREVIOUS_UNREADABLE = Problem(
    code="evidence.previous_unreadable",
    zh="上一版证据包无法读取：{place}。",
    en="The last version's package cannot be read: {place}.",
    next_zh="请从备份恢复上一版证据包后重新生成；它未被改动。",
    next_en="Restore the last version's package from a backup and build again; nothing of it was changed.",
)


@dataclass(frozen=True)
class Version:
    """What of a version is compared: package.json, ard.json, and the SHA-256 of what identifies it, by path.

    statements -- what people wrote, by id: `asks` and `said`, each in two languages
    sealed     -- whether it holds rows in an envelope
    """

    description: Mapping[str, Any]
    results: Mapping[str, Any]
    hashes: Mapping[str, str]
    statements: Mapping[str, Any] = field(default_factory=dict)
    sealed: bool = False


def read_version(archive: Path) -> Version:
    """A package as it lies in its archive. Raises `evidence.previous_unreadable`, naming what is wrong."""
    findings = standalone.Findings()
    try:
        members = standalone.read_package(archive, findings)
    except OSError as error:
        raise PREVIOUS_UNREADABLE.error(place=archive.name) from error
    if findings.failures:
        raise PREVIOUS_UNREADABLE.error(place=findings.failures[0].place)
    description = _document(members, standalone.PACKAGE_JSON)
    try:
        named = set(map(str, description["files"]["identifying"])) - _ABOUT_VERSIONS
        names = sorted(one for one in named if not one.startswith(_INDEX))
        return Version(
            description,
            _document(members, standalone.ARD_JSON),
            {one: sha256_hex(members[one]) for one in names},
            _statements(members),
            SEALED_ROWS in members,
        )
    except (KeyError, TypeError) as error:
        raise PREVIOUS_UNREADABLE.error(place=standalone.PACKAGE_JSON) from error


def changes(before: Version, after: Version, *, with_values: bool = True) -> dict[str, Any]:
    """changes.json: each result that is new, gone or different, and each other file that is.

    with_values -- not in an aggregate package: two versions side by side tell what one recipient was never given,
                   and the difference of two counts may be a single patient
    """
    old, new = (_rows(one.results) for one in (before, after))
    rows = changed_rows(*(_held_rows(one) for one in (before, after)))
    both = sorted(set(old) & set(new))
    return {
        "format_version": FORMAT_VERSION,
        "before": _named(before),
        "after": _named(after),
        "same": {name: before.description.get(name) == after.description.get(name) for name in _NAMED},
        "results": {
            "unchanged": sum(_shown(old[one]) == _shown(new[one]) for one in both),
            "added": [_row(new[one], with_values) for one in sorted(set(new) - set(old))],
            "removed": [_row(old[one], with_values) for one in sorted(set(old) - set(new))],
            "changed": [
                _both(old[one], new[one], with_values) for one in both if _shown(old[one]) != _shown(new[one])
            ],
        },
        "not_done": _pairs(before.results.get("not_done", {}), after.results.get("not_done", {})),
        "rows": rows,
        "files": with_sealed(_pairs(before.hashes, after.hashes), rows),
    }


def statement_changes(before: Version, after: Version) -> dict[str, list[dict[str, Any]]]:
    """What people said that is new, withdrawn, or said otherwise: id, asks, and the words of either side."""
    old, new = before.statements, after.statements
    both = sorted(one for one in set(old) & set(new) if old[one]["said"] != new[one]["said"])
    return {
        "added": [_statement(one, None, new[one]) for one in sorted(set(new) - set(old))],
        "removed": [_statement(one, old[one], None) for one in sorted(set(old) - set(new))],
        "changed": [_statement(one, old[one], new[one]) for one in both],
    }


def texts(found: Mapping[str, Any]) -> dict[str, str]:
    """The same for people, Markdown in each language."""
    return {language: "\n".join(_lines(found, language == "zh")) + "\n" for language in ("zh", "en")}


def _document(members: Mapping[str, bytes], name: str) -> dict[str, Any]:
    try:
        found = json.loads(members[name])
    except (KeyError, ValueError, RecursionError) as error:
        raise PREVIOUS_UNREADABLE.error(place=name) from error
    if not isinstance(found, dict):
        raise PREVIOUS_UNREADABLE.error(place=name)
    return found


def _statements(members: Mapping[str, bytes]) -> dict[str, Any]:
    """A package for no reader in particular has none."""
    if _STATEMENTS not in members:
        return {}
    try:
        listed = _document(members, _STATEMENTS)["statements"]
        return {str(id): {"asks": {**one["asks"]}, "said": {**one["said"]}} for id, one in listed.items()}
    except (KeyError, TypeError, AttributeError) as error:
        raise PREVIOUS_UNREADABLE.error(place=_STATEMENTS) from error


def _statement(id: str, old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> dict[str, Any]:
    one = new or old or {}
    return {
        "id": id,
        "asks": one["asks"],
        "before": old["said"] if old else None,
        "after": new["said"] if new else None,
    }


def _held_rows(version: Version) -> dict[str, Any]:
    try:
        return rows_of(version.description, version.sealed)
    except ValueError as error:
        raise PREVIOUS_UNREADABLE.error(place=standalone.PACKAGE_JSON) from error


def _rows(results: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    try:
        return {str(row["id"]): row for row in results["rows"]}
    except (KeyError, TypeError) as error:
        raise PREVIOUS_UNREADABLE.error(place=standalone.ARD_JSON) from error


def _named(version: Version) -> dict[str, Any]:
    """Without an id for the newer version: it follows from what is said here."""
    kept = ("package_id", "name", "version", "dated", *_NAMED)
    return {name: version.description[name] for name in kept if name in version.description}


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row.get(name) for name in _SHOWN}


def _row(row: Mapping[str, Any], with_values: bool) -> dict[str, Any]:
    return {"id": row["id"], "unit": row.get("unit", ""), **(_shown(row) if with_values else {})}


def _both(old: Mapping[str, Any], new: Mapping[str, Any], with_values: bool) -> dict[str, Any]:
    values = {"before": _shown(old), "after": _shown(new)} if with_values else {}
    return {"id": new["id"], "unit": new.get("unit", ""), **values}


def _pairs(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "added": sorted(set(new) - set(old)),
        "removed": sorted(set(old) - set(new)),
        "changed": sorted(one for one in set(old) & set(new) if old[one] != new[one]),
    }


# -- for people ------------------------------------------------------------------------------------------------


def _lines(found: Mapping[str, Any], is_zh: bool) -> list[str]:
    def say(zh: str, en: str) -> str:
        return zh if is_zh else en

    before, after, results = found["before"], found["after"], found["results"]
    versions = before["version"], after["version"]
    counts = {name: len(results[name]) for name in ("added", "removed", "changed")}
    zh = "不变 {same} 行，新增 {added} 行，删去 {removed} 行，改变 {changed} 行。"
    en = "{same} rows unchanged, {added} added, {removed} removed, {changed} changed."
    lines = [
        say("# 第 {1} 版与第 {0} 版相比", "# Version {1} since version {0}").format(*versions),
        "",
        f"{before['name']} · {before['package_id']}",
        "",
        f"{after['name']}",
        "",
        *(f"- {words}" for words in _what_is_the_same(found["same"], is_zh)),
        *(f"- {_cell(words)}" for words in row_lines(found["rows"], is_zh)),
        "",
        say("## 结果", "## Results"),
        "",
        say(zh, en).format(same=results["unchanged"], **counts),
    ]
    lines += _changed_rows(results["changed"], is_zh)
    for zh, en, name in (("新增", "Added", "added"), ("删去", "Removed", "removed")):
        lines += _listed(say(zh, en), [one["id"] for one in results[name]], is_zh)
    lines += ["", say("## 未做的分析", "## Analyses not done")]
    lines += _sorts(found["not_done"], is_zh)
    lines += ["", say("## 其他文件", "## Other files")]
    return [*lines, *_sorts(_by_kind(found["files"], is_zh), is_zh)]


def _what_is_the_same(same: Mapping[str, bool], is_zh: bool) -> list[str]:
    words = {
        "protocol_sha256": ("研究方案", "protocol"),
        "lock_id": ("数据锁定", "data lock"),
        "results_sha256": ("分析结果", "results"),
        "audience": ("接收范围", "audience"),
    }
    yes, no = ("相同", "不同") if is_zh else ("the same", "another")
    return [
        f"{words[name][not is_zh]}{'：' if is_zh else ': '}{yes if same[name] else no}" for name in _NAMED
    ]


def _changed_rows(changed: list[Mapping[str, Any]], is_zh: bool) -> list[str]:
    if not changed:
        return []
    if "after" not in changed[0]:
        return _listed("改变" if is_zh else "Changed", [one["id"] for one in changed], is_zh)
    heads = ("结果", "此前", "现在") if is_zh else ("Result", "Before", "Now")
    lines = ["", f"| {' | '.join(heads)} |", "|---|---|---|"]
    for one in changed[:_LONGEST_LIST]:
        lines.append(f"| `{_cell(one['id'])}` | {_value(one, 'before')} | {_value(one, 'after')} |")
    return lines + _more(len(changed), is_zh)


def _value(row: Mapping[str, Any], side: str) -> str:
    """value (limits) unit, n and events, as far as the row has them."""
    shown = row[side]
    parts = [value_text(shown, row["unit"])]
    parts += [f"{name} {shown[name]}" for name in ("n", "events") if shown[name] is not None]
    return _cell(", ".join(parts))


def value_text(shown: Mapping[str, Any], unit: str) -> str:
    """`0.842 (0.722, 0.982) days`; six digits are enough to see a change by eye."""
    text = _number(shown["value"])
    if shown["ci_low"] is not None or shown["ci_high"] is not None:
        text += f" ({_number(shown['ci_low'])}, {_number(shown['ci_high'])})"
    return f"{text} {unit}".strip()


def _cell(text: str) -> str:
    """On one line, and without what ends a cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")


def _number(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else "–" if value is None else str(value)


def _listed(title: str, names: list[str], is_zh: bool) -> list[str]:
    if not names:
        return []
    return ["", f"{title}:", "", *(f"- `{one}`" for one in names[:_LONGEST_LIST]), *_more(len(names), is_zh)]


def _more(count: int, is_zh: bool) -> list[str]:
    left = count - _LONGEST_LIST
    if left <= 0:
        return []
    return ["", f"另有 {left} 项，见 changes.json。" if is_zh else f"{left} more are in changes.json."]


def _sorts(found: Mapping[str, list[str]], is_zh: bool) -> list[str]:
    names = (("新增", "Added", "added"), ("删去", "Removed", "removed"), ("改变", "Changed", "changed"))
    lines = [line for zh, en, key in names for line in _listed(zh if is_zh else en, found[key], is_zh)]
    return lines or ["", "无变化。" if is_zh else "No change."]


def _by_kind(files: Mapping[str, list[str]], is_zh: bool) -> dict[str, list[str]]:
    """Paths with the word for their directory before them."""

    def worded(path: str) -> str:
        kind = _KINDS.get(path.split("/")[1])
        return f"{(kind.zh if is_zh else kind.en)} · {path}" if kind else path

    return {name: [worded(one) for one in paths] for name, paths in files.items()}
