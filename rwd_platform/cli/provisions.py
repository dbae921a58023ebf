"""rwd provision, paper, party: what is provided to whom, the papers it rests on, and the legal entities.

Under a person's own account, with its password: who may see or record what is the same as on the pages.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rwd_platform.cli.deployment import person
from rwd_platform.cli.options import Json, Login
from rwd_platform.cli.output import answer, say
from rwd_platform.core.errors import Exit, Problem

if TYPE_CHECKING:
    from rwd_platform.flows.provision_view import ExporterYear
    from rwd_platform.records.tables import InstrumentRecord, LegalParty, Provision

Year = Annotated[int, typer.Argument(help="年度 · calendar year, Asia/Shanghai", min=2000, max=2200)]
Exporter = Annotated[str, typer.Option("--exporter", help="提供方的机构编号 · organisation that provides")]
PaperId = Annotated[str, typer.Argument(help="文件编号 · the paper's id")]

SCOPE_FORM = Problem(
    code="cli.scope_form",
    zh="--scope 须写成 范围=值,值，例如 purposes=registration,research、recipients=*、persons=5000；同一范围只写一次。",
    en="--scope has to be DIMENSION=VALUE,VALUE, such as purposes=registration,research, recipients=* or persons=5000;"
    " each dimension once.",
    next_zh="各类文件要写明的范围见 `rwd paper kinds`。",
    next_en="`rwd paper kinds` lists the dimensions of each kind.",
)


def register(app: typer.Typer) -> None:
    provision = typer.Typer(help="数据提供与出境 · provisions of data", no_args_is_help=True)
    provision.command("list", help="列出各项提供 · list them")(list_provisions)
    provision.command("show", help="判定与依据 · one, with its decision")(show_provision)
    provision.command("ledger", help="本年台账、推算与期限 · a year's counts, forecast, deadlines")(
        show_ledger
    )
    provision.command("report", help="年度报告 · the yearly report")(make_report)
    app.add_typer(provision, name="provision")
    paper = typer.Typer(help="在案文件 · papers on file", no_args_is_help=True)
    paper.command("kinds", help="文件种类 · the kinds there are")(list_kinds)
    paper.command("list", help="列出文件 · list the papers")(list_papers)
    paper.command("add", help="登记文件 · record a paper")(add_paper)
    paper.command("file", help="登记备案日期 · record the day of filing")(file_paper)
    paper.command("revoke", help="撤销 · revoke")(revoke_paper)
    app.add_typer(paper, name="paper")
    party = typer.Typer(help="主体情况 · legal entities", no_args_is_help=True)
    party.command("list", help="列出主体 · list them")(list_parties)
    party.command("set", help="登记核查结果 · record what was checked")(set_party)
    app.add_typer(party, name="party")


# -- provisions --------------------------------------------------------------------------------------------------


def list_provisions(
    login: Login,
    exporter: Exporter = "",
    state: Annotated[str, typer.Option("--state", help="held | blocked | reserved | posted | …")] = "",
    lacks: Annotated[str, typer.Option("--lacks", help="缺少的义务 · a missing duty, such as PIPIA")] = "",
    as_json: Json = False,
) -> int:
    """Those that the person may see, decided last first; one JSON object a line."""
    from rwd_platform.flows.provision_view import ProvisionFilter, provisions

    with person(login) as (platform, reader):
        for row in provisions(platform, reader, ProvisionFilter(exporter, state, lacks)):
            if as_json:
                answer(_provision(row))
            said = " ".join((*row.decision.get("missing", ()), *row.decision.get("unknown", ())))
            say(
                f"{row.id}  {row.state}  {row.verdict}  {row.organisation_id} → {row.recipient_id}  {said}".rstrip()
            )
    return Exit.YES


def show_provision(
    provision_id: Annotated[str, typer.Argument(help="编号 · id")], login: Login, as_json: Json = False
) -> int:
    """Its decision, facts and papers. Whoever is shown no counts gets neither the facts nor the sentences."""
    from rwd_platform.flows.provision_view import provision, sees_counts

    with person(login) as (platform, reader):
        row = provision(platform, reader, provision_id)
        exact = sees_counts(reader)
    if as_json:
        more = {"facts": row.facts} if exact else {}
        hidden = () if exact else ("zh", "en")
        decision = {name: value for name, value in row.decision.items() if name not in hidden}
        answer({**_provision(row), "decision": decision, "papers": row.papers, **more})
    say(f"{row.id}  {row.state}  {row.verdict}  {row.organisation_id} → {row.recipient_id}  {row.purpose}")
    if exact:
        say(f"{row.decision['zh']}\n{row.decision['en']}")
    for fact, paper in sorted(row.papers.get("rests_on", {}).items()):
        say(f"  {fact}: {paper}")
    for one in row.papers.get("fell_short", ()):
        say(f"  ✗ {one['kind']} {one['instrument']}: {', '.join(one['dimensions'])}")
    return Exit.YES


def show_ledger(year: Year, login: Login, exporter: Exporter = "", as_json: Json = False) -> int:
    """One JSON object an exporter. Exit 1 where persons on record are damaged, or where there is an alarm."""
    from rwd_platform.flows.provision_view import ledger_of_year

    with person(login) as (platform, reader):
        found = ledger_of_year(platform, reader, year, exporter)
    for one in found:
        if as_json:
            answer(_ledger(one))
        _say_ledger(one)
    if not found:
        say("没有可显示的台账 · no ledger to show")
    return Exit.NO if any(one.problem or one.alarms for one in found) else Exit.YES


def make_report(
    year: Year,
    login: Login,
    exporter: Exporter,
    csv: Annotated[Path | None, typer.Option("--csv", help="另存为 CSV · write it as CSV as well")] = None,
    as_json: Json = False,
) -> int:
    """The report as JSON with its SHA-256; producing it is one entry of the log."""
    from rwd_platform.flows.provision_report import report
    from rwd_platform.flows.provision_table import as_csv

    with person(login) as (platform, reader):
        made = report(platform, reader, year, exporter)
    if csv is not None:
        csv.write_bytes(as_csv(made))
    if as_json:
        answer({"report": dict(made.content), "sha256": made.sha256})
    left = made.content["totals"]["posted"]
    say(f"{exporter}  {year}  敏感 · sensitive {left['sensitive']:,}  一般 · general {left['general']:,}")
    say(f"{made.content['disclaimer']['zh']} · {made.content['disclaimer']['en']}")
    say(made.sha256)
    return Exit.YES


def _provision(row: Provision) -> dict[str, Any]:
    names = (
        "id", "organisation_id", "project_id", "package_id", "source", "source_id", "recipient_id", "purpose", "mode",
        "state", "verdict", "year", "decided_at", "ended_at",
    )  # fmt: skip
    said = {name: row.decision.get(name, []) for name in ("missing", "unknown", "rules")}
    return {**{name: getattr(row, name) for name in names}, **said}


def _ledger(one: ExporterYear) -> dict[str, Any]:
    return {
        "exporter": one.exporter,
        "count": vars(one.count) if one.count else None,
        "problem": one.problem.code if one.problem else "",
        "outlooks": [{"threshold": each.threshold.id, **each.text._asdict()} for each in one.outlooks],
        "deadlines": [
            {"paper": each.instrument_id, "what": each.what, "due": str(each.due), "days_left": each.days_left,
             "provisional": each.provisional, **each.text._asdict()}
            for each in one.deadlines
        ],
        "alarms": [each.text._asdict() for each in one.alarms],
    }  # fmt: skip


def _say_ledger(one: ExporterYear) -> None:
    say(one.exporter)
    if one.problem is not None:
        say(f"  ✗ {one.problem.zh}\n    {one.problem.en}")
    if one.count is not None:
        for zh, en, posted, reserved in (
            ("敏感", "sensitive", one.count.posted_sensitive, one.count.reserved_sensitive),
            ("一般", "general", one.count.posted_general, one.count.reserved_general),
        ):
            say(f"  {zh} · {en}: {posted:,} + {reserved:,} 预留 · reserved")
    texts = [each.text for each in one.alarms] + [each.text for each in one.outlooks]
    for text in (*texts, *(each.text for each in one.deadlines)):
        say(f"  {text.zh}\n    {text.en}")


# -- papers ------------------------------------------------------------------------------------------------------


def list_kinds(as_json: Json = False) -> int:
    """The kinds of papers: the dimensions of each one's scope, and of a check its answers. Needs no deployment."""
    from rwd_platform.compliance.instruments import kinds

    for one in kinds().values():
        if as_json:
            told = {
                "id": one.id,
                **one.name._asdict(),
                "scope": list(one.scope),
                "answers": list(one.answers),
                "needs_evidence": one.needs_evidence,
                "officers_only": one.officers_only,
            }
            answer({**told, "needs_end": one.needs_end, "file_within": one.file_within})
        asked = ", ".join((*one.scope, *(f"--answer {word}" for word in one.answers)))
        say(f"{one.id}  {one.name.zh} · {one.name.en}  [{asked}]")
    return Exit.YES


def list_papers(
    login: Login,
    exporter: Exporter = "",
    kind: Annotated[str, typer.Option("--kind", help="`rwd paper kinds`")] = "",
    as_json: Json = False,
) -> int:
    """The newest first; one JSON object a line."""
    from rwd_platform.flows.instruments import instruments

    with person(login) as (platform, reader):
        for row in instruments(platform, reader):
            if exporter in ("", row.organisation_id) and kind in ("", row.kind):
                _say_paper(row, as_json)
    return Exit.YES


def add_paper(
    exporter: Exporter,
    kind: Annotated[str, typer.Option("--kind", help="`rwd paper kinds`")],
    number: Annotated[str, typer.Option("--number", help="文号 · its number")],
    login: Login,
    effective: Annotated[str, typer.Option("--from", help="生效日 · YYYY-MM-DD")],
    until: Annotated[str, typer.Option("--until", help="有效期至 · YYYY-MM-DD, inclusive")] = "",
    filed: Annotated[str, typer.Option("--filed", help="备案日期 · YYYY-MM-DD")] = "",
    answer_word: Annotated[str, typer.Option("--answer", help="核查结论 · of a check")] = "",
    scope: Annotated[
        list[str] | None, typer.Option("--scope", help="范围=值,值 · DIMENSION=VALUE,VALUE")
    ] = None,
    sha256: Annotated[str, typer.Option("--sha256", help="原件校验和 · of the original")] = "",
    note: Annotated[str, typer.Option("--note", help="备注 · a note")] = "",
    replaces: Annotated[str, typer.Option("--replaces", help="所替换的版本 · the version before")] = "",
    as_json: Json = False,
) -> int:
    """Prints the paper's id. It is never edited: a new version replaces it."""
    from rwd_platform.flows.instruments import NewPaper, record_instrument

    paper = NewPaper(
        exporter,
        kind,
        number,
        effective,
        until,
        filed,
        answer_word,
        _scope(scope or []),
        sha256,
        note,
        replaces,
    )
    with person(login) as (platform, officer):
        row = record_instrument(platform, officer, paper)
    _say_paper(row, as_json)
    return Exit.YES


def file_paper(
    paper_id: PaperId,
    login: Login,
    on: Annotated[str, typer.Option("--on", help="备案受理日 · YYYY-MM-DD")],
    as_json: Json = False,
) -> int:
    """Once: it is not rewritten."""
    from rwd_platform.flows.instruments import file_instrument

    with person(login) as (platform, officer):
        row = file_instrument(platform, officer, paper_id, on)
    _say_paper(row, as_json)
    return Exit.YES


def revoke_paper(
    paper_id: PaperId,
    login: Login,
    reason: Annotated[str, typer.Option("--reason", help="原因 · why")],
    as_json: Json = False,
) -> int:
    """From today on it serves nothing, for good."""
    from rwd_platform.flows.instruments import revoke_instrument

    with person(login) as (platform, officer):
        row = revoke_instrument(platform, officer, paper_id, reason)
    _say_paper(row, as_json)
    return Exit.YES


def _scope(written: list[str]) -> dict[str, Any]:
    """`persons` is a number where it is written as one; what else it is, the flow refuses by name."""
    found: dict[str, Any] = {}
    for one in written:
        name, sign, values = one.partition("=")
        if not sign or not name or name in found:
            raise SCOPE_FORM.error()
        if name == "persons" and values.isdecimal() and values.isascii():
            found[name] = int(values)
        else:
            found[name] = [value.strip() for value in values.split(",")]
    return found


def _say_paper(row: InstrumentRecord, as_json: bool) -> None:
    if as_json:
        answer(row.model_dump(mode="json"))
    days = f"{row.effective_from} – {row.valid_until or '…'}"
    ended = f"  ✗ {row.revoked_on}" if row.revoked_on else ""
    say(f"{row.id}  {row.kind}  {row.organisation_id}  {row.number}  v{row.version}  {days}{ended}")


# -- legal entities ----------------------------------------------------------------------------------------------


def list_parties(login: Login, as_json: Json = False) -> int:
    """What is on record, by id; one JSON object a line. For privacy officers."""
    from rwd_platform.access.permissions import check_may
    from rwd_platform.access.refusals import refusals_recorded
    from rwd_platform.flows.parties import RECORD, parties

    with person(login) as (platform, reader):
        with refusals_recorded(platform.records, reader, RECORD, "legal_party", ""):
            check_may(reader, RECORD)
        for row in parties(platform):
            _say_party(row, as_json)
    return Exit.YES


def set_party(
    party_id: Annotated[
        str, typer.Argument(help="机构或接收机构编号 · organisation or registered recipient")
    ],
    login: Login,
    country: Annotated[str, typer.Option("--country", help="ISO 3166-1: CN, HK, US …")],
    foreign_controlled: Annotated[str, typer.Option("--foreign-controlled", help="yes | no | unknown")],
    state_organ: Annotated[str, typer.Option("--state-organ", help="yes | no | unknown")],
    restricted: Annotated[str, typer.Option("--restricted", help="yes | no | unknown · PIPL 42")],
    checked_on: Annotated[str, typer.Option("--checked-on", help="核查日 · YYYY-MM-DD")],
    contact: Annotated[str, typer.Option("--contact", help="联系方式 · contact")],
    group: Annotated[str, typer.Option("--group", help="所属集团 · the group it belongs to")] = "",
    as_json: Json = False,
) -> int:
    """Replaces what was said before; the log keeps both."""
    from rwd_platform.flows.parties import Profile, record_party

    said = Profile(country, foreign_controlled, state_organ, restricted, checked_on, contact, group)
    with person(login) as (platform, officer):
        row = record_party(platform, officer, party_id, said)
    _say_party(row, as_json)
    return Exit.YES


def _say_party(row: LegalParty, as_json: bool) -> None:
    if as_json:
        answer(row.model_dump(mode="json"))
    said = " ".join(
        f"{name}={getattr(row, name)}" for name in ("foreign_controlled", "state_organ", "restricted")
    )
    say(f"{row.id}  {row.country}  {said}  {row.checked_on}  {row.group_name}".rstrip())
