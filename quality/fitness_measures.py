"""How each kind of item of fitness for use is measured. A missing figure is "not known", never "met"."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from quality.fitness import Coverage, Evidence, Figure, Measured, Status, rule_results, status_in, was_asked
from quality.fitness_items import Item
from rwd_platform.core.text import Bilingual

_NOT_CHECKED = Measured("not_known", Bilingual("还没有做过质量检查。", "Quality has not been checked."))
_TO_ANSWER = Bilingual("须由人判断，尚未答复。", "A person has to judge this; nobody has answered yet.")
_PRIVACY: Mapping[str, tuple[Status, Bilingual]] = {
    "public": ("met", Bilingual("可公开共享", "fit for public sharing")),
    "controlled": ("met", Bilingual("可受控公开共享", "fit for controlled sharing")),
    "enclave": ("met", Bilingual("可在安全分析环境内使用", "fit for the enclave")),
    "none": ("not_met", Bilingual("逐例数据不得共享", "rows may not be shared at all")),
}


def _coverage(item: Item, evidence: Evidence) -> Measured:
    needs = [need for need in evidence.requirements.needs if need.role in item.roles]
    if not needs:
        return Measured(
            "not_known", Bilingual("方案没有写明所需的记录。", "The protocol names no such records.")
        )
    counted = [need for need in needs if need.coverage is not None]
    missing = [need for need in counted if need.coverage and not need.coverage.patients]
    figures = tuple(_covered(need.title, need.coverage) for need in counted if need.coverage)
    found = len(counted) - len(missing)
    if missing:
        zh, en = "、".join(one.title.zh for one in missing), ", ".join(one.title.en for one in missing)
        status: Status = "partly" if found else "not_met"
        return Measured(status, Bilingual(f"没有找到：{zh}。", f"Not found: {en}."), figures)
    unknown = [need for need in needs if need.coverage is None]
    if unknown:
        why = unknown[0].unknown or Bilingual("没有清点", "it was not counted")
        many = len(unknown)
        reason = Bilingual(f"{many} 项不清楚：{why.zh}。", f"Not known of {many}: {why.en}.")
        return Measured("not_known", reason, figures)
    return Measured("met", Bilingual(f"全部 {found} 项都有记录。", f"On record: all {found}."), figures)


def _covered(title: Bilingual, found: Coverage) -> Figure:
    """Patients, with rows and hospitals in words; what was rounded says so."""
    tens = found.rounded_to
    zh = f"（冻结前按 {tens} 进位）" if tens > 1 else ""
    en = f" (before the freeze, rounded up to {tens}s)" if tens > 1 else ""
    text = Bilingual(
        f"{title.zh}：{found.rows:,} 行，{found.hospitals} 家医院{zh}；患者",
        f"{title.en}: {found.rows:,} rows, {found.hospitals} hospitals{en}; patients",
    )
    return Figure(text, found.patients)


def _rules(item: Item, evidence: Evidence) -> Measured:
    if evidence.report is None:
        return _NOT_CHECKED
    results = rule_results(evidence, item.categories)
    asked = [one for one in results if was_asked(one)]
    failed = [one for one in asked if status_in(one) == "fail"]
    errors = sum(status_in(one) == "error" for one in results)
    silent = sum(status_in(one) == "not_applicable" for one in results)
    figures = (
        Figure(
            Bilingual("达标的规则（按医院计）", "Rules kept, hospital by hospital"),
            len(asked) - len(failed),
            len(asked),
        ),
        Figure(
            Bilingual("不适用（没有可检查的行）", "Not applicable: there was no row to ask about"),
            silent,
            len(results),
        ),
        Figure(Bilingual("未能检查", "Could not be checked"), errors, len(results)),
        *_failing_figures(failed),
    )
    if not asked:
        return Measured(
            "not_known",
            Bilingual("没有一条规则检查到任何行。", "No rule was asked of any row."),
            figures,
        )
    unseen = set(evidence.requirements.tables) - {one["table"] for one in asked}
    if failed:
        status: Status = "partly" if len(failed) < len(asked) else "not_met"
        return Measured(status, Bilingual("有规则未达标。", "Some rules are not kept."), figures)
    if errors or unseen:
        names = ", ".join(sorted(unseen))
        reason = (
            Bilingual(f"这些表没有检查到任何行：{names}。", f"No row was checked of: {names}.")
            if unseen
            else Bilingual("有规则未能检查。", "Some rules could not be checked.")
        )
        return Measured("not_known", reason, figures)
    return Measured("met", Bilingual("检查到的规则全部达标。", "Every rule that was asked is kept."), figures)


def _failing_figures(failed: list[Mapping[str, object]]) -> tuple[Figure, ...]:
    """The first failing rules with their counts; how many there are stands above them."""
    return tuple(
        Figure(
            Bilingual(
                f"{one['rule']}（{one['organisation_id']}）违规行",
                f"{one['rule']} ({one['organisation_id']}), rows that break it",
            ),
            int(str(one["failing"])),
            int(str(one["applicable"])),
        )
        for one in failed[:10]
    )


def _gate(item: Item, evidence: Evidence) -> Measured:
    if evidence.report is None:
        return _NOT_CHECKED
    verdicts = {one["table"]: one["verdict"] for one in evidence.report["gate"]["tables"]}
    own = {table: verdicts.get(table, "not_run") for table in evidence.requirements.tables}
    admitted = sum(verdict == "admit" for verdict in own.values())
    figures = (Figure(Bilingual("放行的表", "Tables admitted"), admitted, len(own)),)
    held = sorted(table for table, verdict in own.items() if verdict == "quarantine")
    if held:
        names = ", ".join(held)
        return Measured(
            "not_met", Bilingual(f"质量门隔离：{names}。", f"The gate holds back: {names}."), figures
        )
    if not own or admitted < len(own):
        names = ", ".join(sorted(table for table, verdict in own.items() if verdict != "admit"))
        reason = Bilingual(f"没有行可判定：{names or '-'}。", f"There is no row to judge in: {names or '-'}.")
        return Measured("not_known", reason, figures)
    return Measured("met", Bilingual("所用各表全部放行。", "Every table in use is admitted."), figures)


def _follow_up(item: Item, evidence: Evidence) -> Measured:
    """Clark's C where the quality check measured it: person-days observed of those that could have been."""
    possible, missed = _person_days(evidence)
    if possible:
        text = Bilingual("已随访的人日（Clark C 指数）", "Person-days observed (Clark's C)")
        return _by_share(item, possible - missed, possible, text, _of_follow_up(evidence))
    found = evidence.follow_up
    if found is None or not found.patients:
        return Measured("not_known", Bilingual("没有可用的随访数字。", "There are no figures on follow-up."))
    text = Bilingual("有最后一次接触记录的患者", "Patients with a last contact")
    more = _of_follow_up(evidence)[1:]
    return _by_share(item, found.with_last_contact, found.patients, text, more)


def _person_days(evidence: Evidence) -> tuple[int, int]:
    """Of every hospital together: possible, and missed. (0, 0) where no rule of follow-up was asked."""
    checks: Mapping[str, Any] = (evidence.report or {}).get("checks") or {}
    rules = {one["id"] for one in checks.get("rules", ()) if one.get("kind") == "follow_up"}
    own = [one for one in checks.get("results", ()) if one["rule"] in rules and one["organisation_id"]]
    return sum(int(one["applicable"]) for one in own), sum(int(one["failing"]) for one in own)


def _accounting(item: Item, evidence: Evidence) -> Measured:
    one = evidence.provenance
    came_in = one.accepted + one.duplicate
    more = (
        Figure(Bilingual("退回", "Rejected"), one.rejected, one.received),
        Figure(Bilingual("隔离", "Quarantined"), one.quarantined, one.received),
        Figure(Bilingual("重复", "Duplicate"), one.duplicate, one.received),
        Figure(Bilingual("无法读取的文件", "Files that could not be read"), one.unreadable_files),
    )
    if not one.received:
        return Measured("not_known", Bilingual("没有已入库的批次。", "No upload has been admitted."), more)
    if one.received != came_in + one.rejected + one.quarantined:
        return Measured("not_met", Bilingual("对账不平。", "The account does not add up."), more)
    return _by_share(item, came_in, one.received, Bilingual("接受或重复", "Accepted or duplicate"), more)


def _by_share(item: Item, part: int, whole: int, text: Bilingual, more: tuple[Figure, ...]) -> Measured:
    share = part / whole
    status: Status = (
        "met" if share >= item.share_met else "partly" if share >= item.share_partly else "not_met"
    )
    # Rounded down: 94.96 % is not shown as the 95 % that it did not reach.
    shown = f"{part * 10_000 // whole / 100:.2f}%"
    reason = Bilingual(
        f"{shown}；符合须达 {item.share_met:.0%}，部分符合须达 {item.share_partly:.0%}（运营方自定）。",
        f"{shown}; met from {item.share_met:.0%}, partly from {item.share_partly:.0%} (the operator's own choice).",
    )
    return Measured(status, reason, (Figure(text, part, whole), *more))


def _terms(item: Item, evidence: Evidence) -> Measured:
    one = evidence.provenance
    text = Bilingual(
        "协议、同意版本、伦理批件齐全的批次", "Uploads that name agreement, consent and ethics approval"
    )
    return _all_of(one.uploads_with_terms, one.uploads, text)


def _trace(item: Item, evidence: Evidence) -> Measured:
    one = evidence.provenance
    text = Bilingual("可追溯到文件和行的数据行", "Rows that can be traced to file and line")
    return _all_of(one.traceable, one.rows, text)


def _all_of(part: int | None, whole: int | None, text: Bilingual) -> Measured:
    if not whole or part is None:
        return Measured("not_known", Bilingual("没有可清点的对象。", "There is nothing to count."))
    figures = (Figure(text, part, whole),)
    if part == whole:
        return Measured("met", Bilingual("全部符合。", "All of them."), figures)
    status: Status = "partly" if part else "not_met"
    return Measured(status, Bilingual(f"缺 {whole - part:,} 项。", f"{whole - part:,} lack it."), figures)


def _questions(item: Item, evidence: Evidence) -> Measured:
    if evidence.report is None:
        return _NOT_CHECKED
    results = rule_results(evidence)
    asked = [one for one in results if was_asked(one)]
    if not asked:
        return Measured("not_known", Bilingual("没有一条规则检查到任何行。", "No rule was asked of any row."))
    failing = {(str(one["rule"]), str(one["organisation_id"])) for one in results if status_in(one) == "fail"}
    provenance = evidence.provenance
    waiting = failing & provenance.open_questions
    settled = (failing & provenance.closed_questions) - waiting
    unasked = failing - waiting - settled
    figures = (
        Figure(Bilingual("未达标的规则（按医院计）", "Failing rules, hospital by hospital"), len(failing)),
        Figure(Bilingual("其中未向医院提出", "Of them not put to the hospital"), len(unasked), len(failing)),
        Figure(Bilingual("其中质疑尚未关闭", "Of them with an open question"), len(waiting), len(failing)),
    )
    if unasked:
        return Measured(
            "not_met", Bilingual("有未达标的规则没有人过问。", "Nobody asked about some of them."), figures
        )
    if waiting:
        return Measured("partly", Bilingual("还有质疑没有关闭。", "Some questions are still open."), figures)
    unseen = ", ".join(sorted(set(evidence.requirements.tables) - {str(one["table"]) for one in asked}))
    if unseen:
        reason = Bilingual(f"这些表没有检查到任何行：{unseen}。", f"No row was checked of: {unseen}.")
        return Measured("not_known", reason, figures)
    return Measured("met", Bilingual("没有悬而未决的问题。", "Nothing is left open."), figures)


def _privacy(item: Item, evidence: Evidence) -> Measured:
    found = _PRIVACY.get(evidence.provenance.privacy)
    if found is None:
        return Measured(
            "not_known",
            Bilingual("没有识别风险报告。", "There is no report on the risk of re-identification."),
        )
    status, words = found
    return Measured(
        status,
        Bilingual(f"最近一次识别风险报告：{words.zh}。", f"The newest risk report: {words.en}."),
        (Figure(Bilingual("风险报告的结论", "Verdict of the risk report"), evidence.provenance.privacy),),
    )


def _frozen(item: Item, evidence: Evidence) -> Measured:
    at = evidence.requirements.frozen_at
    if not at:
        return Measured("not_met", Bilingual("方案尚未冻结。", "The protocol is not frozen."))
    return Measured(
        "met",
        Bilingual(
            "方案已冻结，其哈希写入操作日志。", "The protocol is frozen and its hash stands in the log."
        ),
        (Figure(Bilingual("冻结时间（UTC）", "Frozen at (UTC)"), at),),
    )


def _person(item: Item, evidence: Evidence) -> Measured:
    figures = tuple(figure for name in item.figures for figure in _FIGURES[name](evidence))
    return Measured("not_known", _TO_ANSWER, figures)


def _of_population(evidence: Evidence) -> tuple[Figure, ...]:
    known = evidence.provenance.patients
    own = [need for need in evidence.requirements.needs if need.role == "population" and need.coverage]
    all_patients = (
        ()
        if known is None
        else (Figure(Bilingual("研究数据库中的患者", "Patients in the study store"), known),)
    )
    return (
        *all_patients,
        *(
            Figure(Bilingual(f"{need.title.zh}：患者", f"{need.title.en}: patients"), need.coverage.patients)
            for need in own
            if need.coverage
        ),
    )


def _of_hospitals(evidence: Evidence) -> tuple[Figure, ...]:
    return (Figure(Bilingual("医院", "Hospitals"), evidence.provenance.hospitals),)


def _of_uploads(evidence: Evidence) -> tuple[Figure, ...]:
    return (Figure(Bilingual("已入库的批次", "Admitted uploads"), evidence.provenance.uploads),)


def _of_follow_up(evidence: Evidence) -> tuple[Figure, ...]:
    found = evidence.follow_up
    if found is None:
        return ()
    patients = Figure(Bilingual("有随访数字的患者", "Patients with figures on follow-up"), found.patients)
    if found.median_days is None:
        return (patients,)
    return (
        patients,
        Figure(
            Bilingual("首末次记录间隔的中位数（天）", "Median days from first to last record"),
            found.median_days,
        ),
    )


_FIGURES: Mapping[str, Callable[[Evidence], tuple[Figure, ...]]] = {
    "population": _of_population,
    "hospitals": _of_hospitals,
    "uploads": _of_uploads,
    "follow_up": _of_follow_up,
}
MEASURES: Mapping[str, Callable[[Item, Evidence], Measured]] = {
    "coverage": _coverage,
    "rules": _rules,
    "gate": _gate,
    "follow_up": _follow_up,
    "accounting": _accounting,
    "terms": _terms,
    "trace": _trace,
    "questions": _questions,
    "privacy": _privacy,
    "frozen": _frozen,
    "person": _person,
}
