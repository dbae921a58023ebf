"""rwd patient: withdrawal of consent, legal hold, erasure. Under a person's own account, with its password.

A hospital's own id that is typed here stays in the shell's history: name the pseudonym where it is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rwd_platform.cli.deployment import caller, deployment, person
from rwd_platform.cli.options import Json, Login, RequestId
from rwd_platform.cli.output import answer, many, say
from rwd_platform.core.errors import Exit, Problem

if TYPE_CHECKING:
    from rwd_platform.flows.platform import Platform
    from rwd_platform.records.tables import ErasureRequest, LegalHold, Withdrawal

Patient = Annotated[
    str, typer.Argument(help="患者假名，或其在医院的编号 · pseudonym, or the patient's id at the hospital")
]
Source = Annotated[
    str, typer.Option("--source", help="来源系统 · the source system, for an id of a hospital")
]
Charts = Annotated[
    int,
    typer.Option("--charts", help="此人的病历份数，核对后填写 · how many charts the person has, once seen"),
]
Reason = Annotated[str, typer.Option("--reason", help="事由或理由 · the reason")]

DUTY_FORM = Problem(
    code="cli.duty_form",
    zh="--duty 须写成 规则=no 或 规则=YYYY-MM-DD。",
    en="--duty has to be RULE=no or RULE=YYYY-MM-DD.",
    next_zh="规则一览：`rwd patient rules`。",
    next_en="`rwd patient rules` lists them.",
)


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="撤回、保全与删除 · withdrawal, hold, erasure", no_args_is_help=True)
    group.command("status", help="记录一览 · what is on record")(status)
    group.command("rules", help="事由与保存义务 · reasons, and duties to retain")(rules)
    group.command("withdraw", help="记录撤回同意 · record that consent was withdrawn")(withdraw)
    group.command("hold", help="依法保全 · place a legal hold")(hold)
    group.command("release-hold", help="解除保全 · lift a hold")(release_hold)
    group.command("erase", help="申请删除 · ask that data be erased")(erase)
    group.command("vote", help="审批 · approve or refuse")(vote)
    group.command("resume", help="继续未完成的删除 · go on with what was cut off")(resume)
    group.command("certificate", help="删除证明 · the certificate")(certificate)
    group.command("replay", help="恢复备份后按台账重新删除 · after a restore")(replay)
    app.add_typer(group, name="patient")


def status(login: Login, as_json: Json = False) -> int:
    """Everybody on record who withdrew, is held or is to be erased, the newest first; one JSON object a line."""
    from rwd_platform.flows.erase_request import cases_seen

    with person(login) as (platform, actor):
        cases = list(cases_seen(platform, actor))
        if not cases:
            say("没有记录 · nothing on record")
        for case in cases:
            states = ", ".join(row.state for row in case.requests)
            say(f"{case.organisation_id}  {case.patient_id}  {'frozen' if case.is_frozen else '-'}  {states}")
            if as_json:
                answer(
                    {
                        "organisation_id": case.organisation_id,
                        "patient_id": case.patient_id,
                        "frozen": case.is_frozen,
                        "charts": case.charts,
                        "other_hospitals": case.other_hospitals,
                        "withdrawals": [row.model_dump() for row in case.withdrawals],
                        "holds": [row.model_dump() for row in case.holds],
                        "requests": [row.model_dump() for row in case.requests],
                    }
                )
    return Exit.YES


def rules(as_json: Json = False) -> int:
    """Which reasons there are, and which rules a request to erase has to answer."""
    from rwd_platform.flows.withdraw import retention

    found = retention()
    if as_json:
        answer({"version": found.version, "reasons": dict(found.reasons), "rules": list(found.rules)})
        return Exit.YES
    for name, words in found.reasons.items():
        say(f"{name}: {words['zh']} · {words['en']}")
    for rule in found.rules:
        say(f"{rule['id']}: {rule['zh']}\n  {rule['en']}\n  {rule['source']}")
    return Exit.YES


def withdraw(
    patient: Patient,
    login: Login,
    on: Annotated[str, typer.Option("--on", help="撤回日期 · the day, YYYY-MM-DD")],
    consent: Annotated[str, typer.Option("--consent", help="同意书版本 · version of the consent form")],
    reason: Reason = "consent-withdrawn",
    source: Source = "",
    charts: Charts = 0,
    organisation: Annotated[str, typer.Option("--organisation", help="医院 · the hospital")] = "",
    as_json: Json = False,
) -> int:
    """Prints whom it concerns, the locks that it touches, what comes next, and last the record's id.

    The patient is in no new lock from now on, under none of the hospital's charts.
    """
    from rwd_platform.flows.withdraw import withdraw as record

    with person(login) as (platform, actor):
        row = record(
            platform,
            actor,
            patient,
            reason=reason,
            withdrawn_on=on,
            consent_version=consent,
            organisation_id=organisation,
            source_system=source,
            charts_seen=charts,
        )
        of_person = _person(platform, row)
        locks = _locks_marked(platform, row.id)
    facts = {"id": row.id, "patient_id": row.patient_id, **of_person, "locks": locks}
    return _told(facts, _withdrawn(f"{patient} {source}".strip(), facts), as_json)


def _locks_marked(platform: Platform, cause: str) -> list[str]:
    from sqlmodel import col, select

    from rwd_platform.records.tables import LockNotice

    notices = select(LockNotice).where(LockNotice.cause == cause).order_by(col(LockNotice.lock_id))
    return [one.lock_id for one in platform.records.all(notices)]


def _withdrawn(named: str, facts: Mapping[str, Any]) -> str:
    """Who, as the caller named them; what is frozen; which locks; and what comes next. The record's id last."""
    charts, others, locks = facts["charts"], facts["other_hospitals"], facts["locks"]
    lines = [
        f"已记录撤回同意：{named} · consent withdrawn: {named}",
        f"停止使用其在本院的全部数据（病历 {charts} 份），不再进入新的数据锁定 · "
        f"all data of this person at the hospital are frozen ({many(charts, 'chart')}): in no new lock from now on",
    ]
    if others:
        lines.append(
            f"另有 {others} 家医院有此人的病历，须另行告知 · "
            f"{many(others, 'other hospital')} with charts of this person: to be told, nothing was done there"
        )
    if locks:
        lines.append(f"受影响的数据锁定 {len(locks)} 份 · {many(len(locks), 'lock')} affected:")
        lines += [f"  {lock}" for lock in locks]
        lines.append(
            "下一步：由研究者重新锁定数据（rwd study lock）· next: the researchers lock the data again (rwd study lock)"
        )
    else:
        lines.append("没有数据锁定含有其数据 · no lock holds this person's data")
    lines.append(
        "如患者还要求删除：rwd patient erase · if the patient also asks for erasure: rwd patient erase"
    )
    return "\n".join([*lines, str(facts["id"])])


def hold(
    patient: Patient,
    login: Login,
    organisation: Annotated[str, typer.Option("--organisation", help="医院 · the hospital")],
    reason: Reason,
    source: Source = "",
    as_json: Json = False,
) -> int:
    """Prints the hold's id: it is on all of the person's charts. Requests to erase that are not begun are refused."""
    from rwd_platform.flows.withdraw import place_hold

    with person(login) as (platform, actor):
        row = place_hold(platform, actor, organisation, patient, reason, source)
        of_person = _person(platform, row)
    return _told({"id": row.id, "patient_id": row.patient_id, **of_person}, row.id, as_json)


def release_hold(
    hold_id: Annotated[str, typer.Argument(help="保全编号 · the hold")],
    login: Login,
    reason: Reason,
    as_json: Json = False,
) -> int:
    """A withdrawal beside it keeps the use frozen."""
    from rwd_platform.flows.withdraw import lift_hold

    with person(login) as (platform, actor):
        row = lift_hold(platform, actor, hold_id, reason)
    return _told({"id": row.id, "lifted_at": row.lifted_at}, row.lifted_at, as_json)


def erase(
    patient: Patient,
    login: Login,
    duty: Annotated[list[str], typer.Option("--duty", help="规则=no 或 规则=日期 · RULE=no or RULE=date")],
    reason: Reason = "consent-withdrawn",
    source: Source = "",
    charts: Charts = 0,
    as_json: Json = False,
) -> int:
    """Prints the request's id. Two privacy officers have to approve; then a worker erases."""
    from rwd_platform.flows.erase_request import request_erasure

    answers = {}
    for one in duty:
        rule, sign, said = one.partition("=")
        if not sign:
            raise DUTY_FORM.error()
        answers[rule] = said
    with person(login) as (platform, actor):
        row = request_erasure(
            platform,
            actor,
            patient,
            reason=reason,
            duties=answers,
            source_system=source,
            charts_seen=charts,
        )
        of_person = _person(platform, row)
    return _told({"id": row.id, "state": row.state, **of_person}, row.id, as_json)


def vote(
    request_id: RequestId,
    login: Login,
    reason: Reason,
    approved: Annotated[
        bool, typer.Option("--approve/--refuse", "--yes/--no", help="同意或不同意 · approve or refuse")
    ],
    as_json: Json = False,
) -> int:
    """Prints the request's state after the vote; the second yes queues the erasure."""
    from rwd_platform.flows.erase_request import vote as cast

    with person(login) as (platform, actor):
        row = cast(platform, actor, request_id, approved, reason)
    return _told({"id": row.id, "state": row.state}, row.state, as_json)


def resume(as_json: Json = False) -> int:
    """Queues what a stopped worker left; `rwd work` does it."""
    from rwd_platform.flows.erase_replay import resume_erasures

    with deployment() as platform:
        ids = resume_erasures(platform, platform.operator(caller()))
    return _told({"requests": ids}, "\n".join(ids) or "-", as_json)


def certificate(request_id: RequestId, login: Login, as_json: Json = False) -> int:
    """The certificate to read; with --json as it was signed."""
    from rwd_platform.flows.erase_certificate import readable_certificate

    with person(login) as (platform, actor):
        facts, text = readable_certificate(platform, actor, request_id)
    return _told(facts, text, as_json)


def replay(
    ledger: Annotated[
        Path, typer.Argument(help="删除台账 · the ledger of erasures, kept beside the backups")
    ],
    as_json: Json = False,
) -> int:
    """Erases again everybody in the ledger whom the restored backup brought back. Prints the requests."""
    from rwd_platform.flows.erase_replay import replay_erasures

    with deployment() as platform:
        ids = replay_erasures(platform, platform.operator(caller()), ledger)
    return _told({"erased": ids}, "\n".join(ids) or "-", as_json)


def _person(platform: Platform, row: Withdrawal | LegalHold | ErasureRequest) -> dict[str, object]:
    """How many charts are concerned, and at how many other hospitals somebody has to be told."""
    from rwd_platform.flows.withdraw_charts import charts_of

    found = charts_of(platform, (row.organisation_id, row.patient_id))
    return {"charts": len(found.charts), "other_hospitals": found.other_hospitals}


def _told(facts: dict[str, object], text: str, as_json: bool) -> int:
    if as_json:
        answer(facts)
    say(text)
    return Exit.YES
