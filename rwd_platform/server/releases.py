"""Read models of releases: what the page and the API show of one, grouped as a reviewer reads it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlmodel import col, select

from deidentify.disclosure.check import ALL_RULES
from deidentify.disclosure.circles import Circle
from deidentify.disclosure.headers import first_names
from deidentify.disclosure.recipients import CONDITION_NAMES, CONDITION_TEXTS, load_recipients, recipient_of
from rwd_platform.access.permissions import can, can_see, visible_rows
from rwd_platform.core.errors import PlatformError
from rwd_platform.core.text import Bilingual
from rwd_platform.flows import release_votes as flow
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.provide import national_pack, provisions_of, why_not
from rwd_platform.flows.provision_facts import JUDICIAL_REQUEST
from rwd_platform.flows.provision_view import sees_counts
from rwd_platform.flows.release_circles import registered_circles
from rwd_platform.flows.release_ledger import ARD, PUBLIC
from rwd_platform.flows.release_links import links_of
from rwd_platform.records.records import NOT_FOUND
from rwd_platform.records.tables import (
    EvidencePackage,
    Organisation,
    OutputRelease,
    Provision,
    ReleaseLink,
    Study,
    User,
)
from rwd_platform.server.deps import Visitor
from rwd_platform.server.protocols import outline

MOST_PLACES = 12  # shown of one rule; the rest is counted
_PLACE = re.compile(r"(?P<id>[^\[\]]+)(?:\[(?P<place>[0-9]{1,9})\])?(?:\.(?P<column>[^.\[\]]+))?")
_DAY, _STEP, _LINE = (re.compile(rf"{word}_?([0-9]{{1,9}})") for word in ("day", "step", "line"))
_PARTS: Mapping[str, Bilingual] = {
    "exposed": Bilingual("暴露组", "exposed"),
    "comparator": Bilingual("对照组", "comparator"),
    "condition": Bilingual("条件", "condition"),
    "cohort": Bilingual("队列", "cohort"),
    "analysed": Bilingual("纳入分析", "analysed"),
    "attrition": Bilingual("流失", "attrition"),
    "overseas": Bilingual("境外试验", "overseas trial"),
    "row_sets": Bilingual("人群", "set of persons"),
    "curve": Bilingual("曲线", "curve"),
    "steps": Bilingual("曲线的阶梯", "steps of the curve"),
    "causes": Bilingual("分事件种类的曲线阶梯", "steps of the curves by kind of event"),
    "histogram": Bilingual("直方图", "histogram"),
    "love": Bilingual("均衡图", "balance plot"),
    "lines": Bilingual("森林图", "forest plot"),
    "ph": Bilingual("比例风险检验", "proportional hazards"),
    "global": Bilingual("整体", "global"),
    "percent": Bilingual("百分比", "percent"),
    "subjects": Bilingual("人数", "subjects"),
    "mean": Bilingual("均值", "mean"),
    "median": Bilingual("中位数", "median"),
    "survival": Bilingual("生存率", "survival"),
    "cumulative_incidence": Bilingual("累积发生率", "cumulative incidence"),
    "competing_incidence": Bilingual("竞争事件的累积发生率", "cumulative incidence of the competing event"),
    "event": Bilingual("结局事件", "event"),
    "competing": Bilingual("竞争事件", "competing event"),
    "gray": Bilingual("Gray 检验", "Gray's test"),
    "cause_specific": Bilingual("原因别风险比", "cause-specific hazard ratio"),
    "fine_gray": Bilingual("部分分布风险比（Fine-Gray）", "subdistribution hazard ratio (Fine-Gray)"),
    "affected": Bilingual("发生不良事件的人数", "subjects with the adverse event"),
    "affected_percent": Bilingual("发生不良事件的比例", "share with the adverse event"),
    "adverse_events": Bilingual("不良事件数", "adverse events"),
    "terms": Bilingual("不良事件编码", "codes of adverse events"),
    **CONDITION_NAMES,
}


_JUDICIAL = Bilingual(
    "是否应外国司法或者执法机构的请求提供", "whether it answers a foreign judicial or law-enforcement body"
)
_ANSWERS = {"yes": Bilingual("是", "yes"), "no": Bilingual("否", "no")}


@dataclass(frozen=True)
class Place:
    """Where a finding is: in words, and the id of the row or series for whoever looks it up."""

    label: Bilingual
    id: str


@dataclass(frozen=True)
class RuleGroup:
    """All findings of one rule with one remedy: where they are, and how many more there are."""

    rule: str
    title: Bilingual
    outcome: str
    what: Bilingual
    remedy: Bilingual
    places: tuple[Place, ...]
    more: int


@dataclass(frozen=True)
class Vote:
    name: str | None  # None: the account is gone
    word: str
    reason: str
    objections: Mapping[str, str]
    voted_at: str


@dataclass(frozen=True)
class FileView:
    """A file of the package as a reviewer meets it: its label, and how many findings are about what is in it."""

    name: str
    sha256: str
    category: Bilingual
    level: int
    sensitive: bool
    findings: int


@dataclass(frozen=True)
class ReleaseView:
    """One release with everything a reviewer decides by."""

    asked: OutputRelease
    package: EvidencePackage
    study: Study | None
    requested_by: str | None  # None: the account is gone
    circle: Bilingual
    groups: tuple[RuleGroup, ...]
    changes: tuple[tuple[str, Bilingual, int], ...]  # (action, rule, how many places)
    minimal: bool
    conditions: tuple[tuple[Bilingual, Bilingual], ...]
    votes: tuple[Vote, ...]
    words_in: int  # how many have given their word, shown or not
    files: tuple[FileView, ...]
    provisions: tuple[Provision, ...]
    provision_words: Mapping[
        str, Bilingual
    ]  # by provision: the decision; without counts for whom they do not concern
    organisations: Mapping[str, Bilingual]
    links: tuple[ReleaseLink, ...]
    may_vote: bool
    may_complete: bool
    may_withdraw: bool
    may_recall: bool
    may_link: bool
    words_needed: int


def visible(platform: Platform, visitor: Visitor, package_id: str = "") -> list[OutputRelease]:
    """The newest first."""
    query = select(OutputRelease).order_by(
        col(OutputRelease.requested_at).desc(), col(OutputRelease.id).desc()
    )
    if package_id:
        query = query.where(OutputRelease.package_id == package_id)
    return visible_rows(platform.records, visitor.actor, "release.read", platform.records.all(query))


def circles(platform: Platform) -> Mapping[str, Bilingual]:
    """The names of the registered circles; one from before there was a register is shown as it was written."""
    return {one.id: one.title for one in registered_circles(platform)}


def circles_by_kind(platform: Platform) -> Mapping[str, Sequence[Circle]]:
    """Whom a release may name, by kind of recipient, in the order of the kinds."""
    known = registered_circles(platform)
    found = {kind: [one for one in known if one.kind == kind] for kind in load_recipients()}
    return {kind: members for kind, members in found.items() if members}


def one(platform: Platform, visitor: Visitor, release_id: str) -> OutputRelease:
    """A release, or NOT_FOUND: what is another's looks like what is not there."""
    row = platform.records.find(OutputRelease, release_id)
    if row is None or not can_see(platform.records, visitor.actor, "release.read", row):
        shown = release_id if len(release_id) <= 80 and release_id.isprintable() else "?"
        raise NOT_FOUND.error(kind="output_release", id=shown)
    return row


def view(platform: Platform, visitor: Visitor, release_id: str) -> ReleaseView:
    asked = one(platform, visitor, release_id)
    package = platform.records.get(EvidencePackage, asked.package_id)
    study = platform.records.find(Study, package.study_id)
    votes = flow.votes_of(platform, asked.id)
    has_voted = any(cast.approver_id == visitor.actor.id for cast in votes)
    involved = visitor.actor.id in flow.involved_in(platform, asked)
    provisions = tuple(provisions_of(platform, asked.id))
    own_request = can(visitor.actor, "release.request", asked.organisation_id)
    is_public = asked.circle == PUBLIC
    return ReleaseView(
        asked=asked,
        package=package,
        study=study,
        requested_by=_person(platform, asked.requested_by),
        circle=circles(platform).get(asked.circle, Bilingual(asked.circle, asked.circle)),
        groups=grouped(asked.verdict.get("findings", []), names_in(study)),
        changes=_changes(asked.verdict.get("smallest_change", [])),
        minimal=bool(asked.verdict.get("minimal", True)),
        conditions=_conditions(asked),
        votes=tuple(
            Vote(
                _person(platform, cast.approver_id),
                flow.word_of(cast),
                cast.reason,
                cast.objections,
                cast.voted_at,
            )
            for cast in flow.shown_to(asked, votes, visitor.actor.id)
        ),
        words_in=len(votes),
        files=_files(platform, package, asked),
        provisions=provisions,
        provision_words={row.id: _said(platform, visitor, row) for row in provisions},
        organisations={
            row.id: Bilingual(row.name_zh, row.name_en) for row in platform.records.all(select(Organisation))
        },
        links=tuple(links_of(platform, asked.id)) if own_request else (),
        may_vote=asked.state == "requested"
        and can(visitor.actor, "release.approve", asked.organisation_id)
        and not has_voted
        and not involved,
        may_complete=asked.state == "approved" and own_request,
        may_withdraw=asked.state in ("requested", "approved") and own_request,
        may_recall=asked.state == "released" and visitor.may("provision.recall"),
        may_link=asked.state == "released" and own_request and not is_public,
        words_needed=max(0, flow.VOTES_NEEDED - len(votes)),
    )


def own(platform: Platform, visitor: Visitor, release_id: str) -> OutputRelease:
    """A release that the visitor may ask for; absent and another's look alike."""
    asked = one(platform, visitor, release_id)
    if not can(visitor.actor, "release.request", asked.organisation_id):
        raise NOT_FOUND.error(kind="output_release", id=release_id)
    return asked


def link_of(platform: Platform, visitor: Visitor, release_id: str, link_id: str) -> ReleaseLink:
    own(platform, visitor, release_id)
    row = platform.records.find(ReleaseLink, link_id)
    if row is None or row.release_id != release_id:
        raise NOT_FOUND.error(kind="release_link", id=link_id[:80])
    return row


def provision_of(platform: Platform, visitor: Visitor, release_id: str, provision_id: str) -> Provision:
    one(platform, visitor, release_id)
    row = platform.records.find(Provision, provision_id)
    if row is None or row.source_id != release_id:
        raise NOT_FOUND.error(kind="provision", id=provision_id[:80])
    return row


def title_of(rule: str) -> Bilingual:
    """A rule's title; its id for a rule of a release that was checked under older rules."""
    return ALL_RULES[rule].title if rule in ALL_RULES else Bilingual(rule, rule)


def grouped(
    findings: Sequence[dict[str, Any]], names: Mapping[str, Bilingual] | None = None
) -> tuple[RuleGroup, ...]:
    """Findings that say the same about different places, in the order of the check.

    `names`: titles of the study's analyses, covariates and levels.
    """
    groups: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for finding in findings:
        groups.setdefault((finding["rule"], finding["zh"], finding["remedy_zh"]), []).append(finding)
    return tuple(
        RuleGroup(
            rule=rule,
            title=title_of(rule),
            outcome=members[0]["outcome"],
            what=Bilingual(members[0]["zh"], members[0]["en"]),
            remedy=Bilingual(members[0]["remedy_zh"], members[0]["remedy_en"]),
            places=tuple(
                Place(place_label(member["where"], names or {}), member["where"])
                for member in members[:MOST_PLACES]
            ),
            more=max(0, len(members) - MOST_PLACES),
        )
        for (rule, _, _), members in groups.items()
    )


def place_label(where: str, names: Mapping[str, Bilingual]) -> Bilingual:
    """`restricted.kaplan_meier.exposed.median` in words: the analysis' title, the variable's, arm, statistic, day.

    A part that nobody named stays as it is: the columns of a table and the names of its lines are the file's.
    """
    match = _PLACE.fullmatch(where)
    if match is None:
        return Bilingual(where, where)
    parts, said = match["id"].split("."), list[Bilingual]()
    while parts:
        # An analysis is named with dots, a level after its covariate with a blank.
        found = ((n, mark.join(parts[:n])) for n in range(len(parts), 0, -1) for mark in (".", " "))
        size, name = next(((n, text) for n, text in found if text in names), (1, ""))
        said.append(names[name] if name else _word(parts[0]))
        parts = parts[size:]
    if match["place"]:
        number = int(match["place"]) + 1
        said.append(Bilingual(f"第 {number} 点", f"point {number}"))
    if match["column"]:
        said.append(_word(match["column"]))
    return Bilingual(" · ".join(one.zh for one in said), " · ".join(one.en for one in said))


def _word(part: str) -> Bilingual:
    day = _DAY.fullmatch(part)
    if day:
        return Bilingual(f"第 {day[1]} 天", f"day {day[1]}")
    step = _STEP.fullmatch(part)
    if step:
        return Bilingual(f"第 {step[1]} 步", f"step {step[1]}")
    line = _LINE.fullmatch(part)
    if line:
        return Bilingual(f"第 {line[1]} 行", f"line {line[1]}")
    if part in _PARTS:
        return _PARTS[part]
    zh, en = first_names("zh").get(part, part), first_names("en").get(part, part.replace("_", " "))
    return Bilingual(zh, en)


def _conditions(asked: OutputRelease) -> tuple[tuple[Bilingual, Bilingual], ...]:
    """As they were declared, in the recipient's order; last whether it answers somebody abroad."""
    named = [name for name in recipient_of(asked.recipient_kind).conditions if name in asked.conditions]
    stated = [(CONDITION_TEXTS[name], str(asked.conditions[name])) for name in named]
    found = [(label, Bilingual(text, text)) for label, text in stated]
    said = _ANSWERS.get(str(asked.conditions.get(JUDICIAL_REQUEST, "")))
    return (*found, *(((_JUDICIAL, said),) if said else ()))


def _said(platform: Platform, visitor: Visitor, row: Provision) -> Bilingual:
    if row.decision and sees_counts(visitor.actor):
        return Bilingual(row.decision["zh"], row.decision["en"])
    return why_not(row.decision, national_pack(platform)) if row.verdict != "ALLOW" else Bilingual("", "")


def _organisations(platform: Platform) -> Mapping[str, Bilingual]:
    return {one.id: Bilingual(one.name_zh, one.name_en) for one in platform.records.all(select(Organisation))}


def names_in(study: Study | None) -> Mapping[str, Bilingual]:
    """Titles of analyses, populations, covariates and levels by id; of a protocol that no longer parses what can
    be read of it."""
    if study is None:
        return {}
    from studies.protocol import load_protocol

    try:
        populations = {one.id: one.title for one in load_protocol(study.protocol).populations}
    except PlatformError:
        populations = {}
    return {**outline(study.protocol).names, **populations}


def _person(platform: Platform, user_id: str) -> str | None:
    """The name on the account; None where no such account is left."""
    user = platform.records.find(User, user_id)
    return user.name if user else None


def _changes(changes: Sequence[dict[str, str]]) -> tuple[tuple[str, Bilingual, int], ...]:
    counted: dict[tuple[str, str], int] = {}
    for change in changes:
        key = (change["action"], change["rule"])
        counted[key] = counted.get(key, 0) + 1
    return tuple((action, title_of(rule), count) for (action, rule), count in counted.items())


def _files(platform: Platform, package: EvidencePackage, asked: OutputRelease) -> tuple[FileView, ...]:
    """Each file with its class and level. Every table and figure is made from the results, so findings stand there."""
    from deidentify.classification import load_catalogue

    catalogue = load_catalogue()
    classes = catalogue.words("classes")
    found = len(asked.verdict.get("findings", []))
    listed = []
    for name, digest in flow.files_of(platform, package).items():
        label = catalogue.find_file(name, package.audience)
        category = (
            classes.get(label.category, Bilingual("", "")) if label else Bilingual("未分级", "unlisted")
        )
        listed.append(
            FileView(
                name,
                digest,
                category,
                label.level if label else 0,
                label.sensitive if label else False,
                found if name == ARD else 0,
            )
        )
    return tuple(listed)
