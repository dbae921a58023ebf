"""The yearly report as one table: CSV that a spreadsheet opens, one line for each thing, with its section beside it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from typing import Any

from rwd_platform.flows.provision_departures import WHY_NOT_ADDED
from rwd_platform.flows.provision_report import Report

HEAD = (
    "栏目 section", "项目 item", "名称 name (zh)", "name (en)", "次数 number",
    "涉及一般 involved, general", "涉及敏感 involved, sensitive", "计入一般 counted, general",
    "计入敏感 counted, sensitive", "起 from", "止 until", "说明 about",
)  # fmt: skip
_RISKY = (*"=+-@\t\r\n", *"＝＋－＠")  # the wide ones too: East Asian spreadsheets take them for the narrow
_NOBODY: Mapping[str, str] = {"zh": "", "en": ""}

Line = tuple[object, ...]


def as_csv(report: Report) -> bytes:
    """UTF-8 with a byte order mark, CRLF (RFC 4180). What a spreadsheet would compute gets an apostrophe before it."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(HEAD)
    for line in _lines(report):
        padded = (*line, *[""] * (len(HEAD) - len(line)))
        writer.writerow([defused(cell) for cell in padded])
    return b"\xef\xbb\xbf" + out.getvalue().encode("utf-8")


def defused(cell: object) -> object:
    """Numbers stay numbers, also negative ones; a text is never a formula."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_RISKY) else cell


def _lines(report: Report) -> Iterator[Line]:
    content = report.content
    yield from _head(report)
    totals, provided = content["totals"], content["totals"]["provided"]
    yield _line("total", "provided", **_involved(provided), about=not_added(provided["not_added"]))
    for name in ("posted", "reserved"):
        yield _line("total", name, general=totals[name]["general"], sensitive=totals[name]["sensitive"])
    for state, number in content["totals"]["states"].items():
        yield _line("state", state, number=number)
    for one in content["months"]:
        yield _line(
            "month", f"{content['year']}-{one['month']:02d}", **_involved(one),
            general=one["new_general"], sensitive=one["new_sensitive"], about=not_added(one["not_added"]),
        )  # fmt: skip
    for one in content["recipients"]:
        status = one["status"]
        yield _line(
            "recipient", one["id"], one["name"], **_involved(one), general=one["general"],
            sensitive=one["sensitive"],
            about=" · ".join(filter(None, (status["country"] if status else "", not_added(one["not_added"])))),
        )  # fmt: skip
    for one in content["paths"]:
        yield _line("path", one["path"], one["name"], one["provided"], about=f"decided {one['decided']}")
    yield from _papers(content["papers"])
    yield from _provisions(content)


def not_added(reasons: Mapping[str, int]) -> str:
    """How many provisions added nobody to the counts, and why, in both languages; "" where each added somebody."""
    return "；".join(f"{_why(reason)}: {number}" for reason, number in reasons.items())


def _why(reason: str) -> str:
    words = WHY_NOT_ADDED.get(reason)
    return f"未计入 not added: {words.zh} {words.en}" if words else ""


def _involved(one: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "number": one["provisions"],
        **{key: one[key] for key in ("involved_general", "involved_sensitive")},
    }


def _head(report: Report) -> Iterator[Line]:
    content = report.content
    exporter, log = content["exporter"], content["log"]
    yield _line("report", "exporter", exporter["name"], about=exporter["id"])
    yield _line("report", "year", about=content["year"])
    yield _line("report", "sha256", about=report.sha256)
    yield _line("report", "disclaimer", content["disclaimer"])
    for pack in content["rule_packs"]:
        yield _line(
            "rule pack", f"{pack['id']} {pack['version']}", number=pack["provisions"], about=pack["sha256"]
        )
    yield _line("log", "entries", number=log["entries"], since=log["first"], until=log["last"])
    yield _line("log", "checkpoint", about=log["checkpoint"])


def _papers(papers: Mapping[str, Any]) -> Iterator[Line]:
    for heading, rows in papers.items():
        for one in rows:
            filed = f"filed {one['filed_on']}" if one["filed_on"] else ""
            yield _line(
                heading, one["number"], one["name"], one["provisions"], since=one["effective_from"],
                until=one["valid_until"], about=filed,
            )  # fmt: skip


def _provisions(content: Mapping[str, Any]) -> Iterator[Line]:
    for one in content["provisions"]:
        yield _line(
            "provision", one["id"], number=one["approvals"], involved_general=one["general"],
            involved_sensitive=one["sensitive"], general=one["new_general"], sensitive=one["new_sensitive"],
            since=one["posted_at"],
            about=" · ".join(filter(None, (one["recipient"], one["purpose"], one["path"], _why(one["why_not_added"])))),
        )  # fmt: skip
    for one in content["stopped"]:
        reasons = ", ".join((*one["missing"], *one["unknown"])) or ", ".join(one["rules"])
        yield _line(
            "held or blocked", one["id"], since=one["decided_at"], about=f"{one['verdict']}: {reasons}"
        )
    for one in content["answers_refused"]:
        yield _line("answer", one["reason"], number=one["answers"], about=one["verdict"])
    for one in content["recalls"]:
        yield _line("recall", one["id"], since=one["at"], until=one["deleted_on"], about=one["state"])
    for one in content["alarms"]:
        yield _line("alarm", one["threshold"], {"zh": one["zh"], "en": one["en"]})


def _line(
    section: str,
    item: object,
    name: Mapping[str, str] = _NOBODY,
    number: object = "",
    general: object = "",
    sensitive: object = "",
    *,
    involved_general: object = "",
    involved_sensitive: object = "",
    since: object = "",
    until: object = "",
    about: object = "",
) -> Line:
    cells = (section, item, name["zh"], name["en"], number, involved_general, involved_sensitive, general, sensitive,
             since, until, about)  # fmt: skip
    return tuple("" if cell is None else cell for cell in cells)
