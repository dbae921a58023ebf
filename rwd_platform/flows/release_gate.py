"""The one gate: every door that hands a package out asks here first, whoever stands at it.

- the study's own team, in the enclave: no release is asked for;
- a regulator: a release of this very content to their organisation as competent authority;
- everybody else: a release of this very content to their organisation;
- whoever is abroad, of whatever role: a release that was posted as provided abroad.

A number shown on a page or by the API to another organisation has left as much as a file has, so these doors
ask too. The privacy officers read what they decide about. A refusal names what is missing, and stands in the log.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlmodel import col, select

from deidentify.disclosure.recipients import recipient_of
from rwd_platform.access.projects import inspected_project
from rwd_platform.access.refusals import record_refusal, refusals_recorded
from rwd_platform.access.roles import Role
from rwd_platform.core.canonical import sha256_file
from rwd_platform.core.errors import Exit, PlatformError, Problem
from rwd_platform.flows.let_go import was_let_go
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.release_circles import AUTHORITY, circle_of
from rwd_platform.flows.release_ledger import PACKAGE_UNREADABLE, circle_name
from rwd_platform.flows.review_anonymity import is_reviewed_as_anonymous
from rwd_platform.flows.whereabouts import has_left_abroad
from rwd_platform.log.entry import Actor
from rwd_platform.records.lifecycles import ReleaseState
from rwd_platform.records.tables import (
    AnalysisRun,
    DataLockRecord,
    EvidencePackage,
    OutputRelease,
    PackageDossier,
)

ENCLAVE = "enclave"
DOWNLOAD = "package.download"

RELEASE_NEEDED = Problem(
    code="release.needed",
    zh="证据包 {package} 尚未发布给 {circle}。",
    en="Package {package} has not been released to {circle}.",
    next_zh="请由研究团队申请发布；通过检查并经两位隐私专员批准后即可取得。",
    next_en="Let the study's team ask for a release; after the check and two officers' approval it can be had.",
    http=403,
    exit=Exit.REFUSED,
)
BELOW_THRESHOLD = Problem(
    code="release.below_threshold",
    zh="证据包 {package} 未达到“{recipient_zh}”的要求，不能发布。规则 {rule}：{why_zh}",
    en="Package {package} does not meet what {recipient} asks for and is not released. Rule {rule}: {why}",
    next_zh="{remedy_zh}修改后重新申请发布。",
    next_en="{remedy} Then ask for the release again.",
    http=403,
    exit=Exit.REFUSED,
)
AUDIENCE_NOT_ALLOWED = Problem(
    code="release.audience_not_allowed",
    zh="证据包 {package} 为监管版，含逐例溯源，只能发布给主管部门。",
    en="Package {package} is the authority's version, with row-level lineage inside: it goes to nobody but a"
    " competent authority.",
    next_zh="请组装仅汇总版的证据包，并为它申请发布。",
    next_en="Assemble the aggregate package and ask for its release instead.",
    http=422,
    exit=Exit.REFUSED,
)
CONTENT_CHANGED = Problem(
    code="release.content_changed",
    zh="证据包 {package} 的内容已不是登记或申请发布时的内容。",
    en="The content of package {package} is no longer what was put on record or asked for.",
    next_zh="请核验该证据包（`rwd verify`）；未通过时从备份恢复，通过时为现在的内容重新申请发布。",
    next_en="Verify the package (`rwd verify`): restore it from the backup where it does not hold, and ask for a"
    " release of the present content where it does.",
    http=409,
    exit=Exit.REFUSED,
)
WITHIN_THE_COUNTRY = Problem(
    code="release.within_the_country",
    zh="证据包 {package} 只发布给境内的接收方，不能从境外取得。",
    en="Package {package} was released within the country and cannot be had from abroad.",
    next_zh="请在境内下载；确需提供至境外的，由研究团队以境外接收方重新申请发布。",
    next_en="Download it within mainland China; if it has to go abroad, let the study's team ask for a release to a"
    " recipient there.",
    http=403,
    exit=Exit.REFUSED,
)
CLAIM_UNFOUNDED = Problem(
    code="release.claim_unfounded",
    zh="事实写明“已匿名化并经复核”，但证据包 {package} 没有通过的匿名复核，也没有通过检查的发布。",
    en="The facts say anonymised and reviewed, and package {package} has neither a review that found it anonymous"
    " nor a release that passed its check.",
    next_zh="请先完成匿名复核或发布，或将该项改为“否”。",
    next_en="Have it reviewed or released first, or answer no.",
    http=409,
    exit=Exit.REFUSED,
)


@dataclass(frozen=True)
class RecipientOf:
    """Whom something is handed to: a kind of recipient, and who will be able to put results side by side."""

    kind: str
    circle: str


def pass_gate(
    platform: Platform, actor: Actor, package: EvidencePackage, recipient: RecipientOf | None = None
) -> str:
    """Why the package may be handed out: `enclave`, or the id of the release. Else a refusal, on record.

    `recipient` is whom the actor hands it to; None where the actor takes it for their own organisation.
    """
    own = actor.role == Role.RESEARCHER and actor.organisation == package.organisation_id and not actor.abroad
    if recipient is None and own:
        return ENCLAVE
    if recipient is None:
        kind, circle = AUTHORITY if actor.role == Role.REGULATOR else "", circle_name(actor.organisation)
    else:
        with refusals_recorded(platform.records, actor, DOWNLOAD, "evidence_package", package.id):
            kind, circle = recipient.kind, circle_of(platform, recipient.kind, recipient.circle)
    asked = _asked_for(platform, package, kind, circle)
    released = _released(platform, asked, package)
    if released is not None:
        with refusals_recorded(platform.records, actor, DOWNLOAD, "evidence_package", package.id):
            check_where(platform, package, released, actor.abroad)
        return released.id
    newest = asked[0] if asked else None
    error = (
        below_threshold(newest)
        if newest is not None and newest.verdict.get("outcome") == "fail"
        else RELEASE_NEEDED.error(package=package.id, circle=circle)
    )
    record_refusal(platform.records, actor, DOWNLOAD, "evidence_package", package.id, error)
    raise error


def check_audience(package: EvidencePackage, kind: str) -> None:
    """Row-level lineage lies in the authority's version, whatever its tables of results say."""
    if package.audience != "aggregate" and kind != AUTHORITY:
        raise AUDIENCE_NOT_ALLOWED.error(package=package.id)


def check_where(platform: Platform, package: EvidencePackage, released: OutputRelease, abroad: str) -> None:
    """From abroad only what was posted as provided abroad: a release within the country is no leave to take it out."""
    if abroad and not has_left_abroad(platform, released.id):
        raise WITHIN_THE_COUNTRY.error(package=package.id)


def check_content(platform: Platform, package: EvidencePackage) -> None:
    """The archive itself is what was put on record: what the check read is what leaves."""
    path = platform.layout.packages / package.file_name
    try:
        present = sha256_file(path)
    except OSError:
        raise PACKAGE_UNREADABLE.error(package=package.id) from None
    if present != package.sha256:
        raise CONTENT_CHANGED.error(package=package.id)


def is_as_recorded(platform: Platform, package: EvidencePackage) -> bool:
    """Whether the archive lies in its place, byte for byte."""
    try:
        check_content(platform, package)
    except PlatformError:
        return False
    return True


def may_read(platform: Platform, actor: Actor, package: EvidencePackage) -> bool:
    """Whether the package's numbers may be shown to the actor on the platform."""
    if actor.abroad:
        return _left_for(platform, actor, package)
    if actor.organisation == package.organisation_id or actor.role == Role.PRIVACY:
        return True
    if _inspects(platform, actor, package.project_id):
        return True
    return _released_to(platform, actor, package) is not None


def check_reader(platform: Platform, actor: Actor, package: EvidencePackage) -> None:
    """Raises, and puts on record, what `pass_gate` would to somebody who may not read the numbers."""
    if not may_read(platform, actor, package):
        pass_gate(platform, actor, package)


def of_papers_alone(platform: Platform, packages: Sequence[EvidencePackage]) -> set[str]:
    """Ids of those packages that hold no results: whoever may read one has not been given the run's."""
    from studies.evidence.profiles.profile import profiles

    without = [one.id for one in profiles().values() if not one.results]
    of_these = col(PackageDossier.package_id).in_([one.id for one in packages])
    query = select(PackageDossier).where(of_these, col(PackageDossier.profile).in_(without))
    return {one.package_id for one in platform.records.all(query)}


def readable_runs(platform: Platform, actor: Actor, runs: Sequence[AnalysisRun]) -> list[AnalysisRun]:
    """Of a study's runs those whose results the actor may see: one's own, or those released in a package."""
    packages = platform.records.all(
        select(EvidencePackage).where(col(EvidencePackage.run_id).in_([run.id for run in runs]))
    )
    papers = of_papers_alone(platform, packages)
    released = {
        package.run_id
        for package in packages
        if package.id not in papers and may_read(platform, actor, package)
    }
    return [
        run
        for run in runs
        if (run.organisation_id == actor.organisation and not actor.abroad)
        or run.id in released
        or _inspects(platform, actor, run.project_id)
    ]


def readable_locks(platform: Platform, actor: Actor, locks: Sequence[DataLockRecord]) -> set[str]:
    """The locks whose manifest, which counts people step by step, the actor may see: as for their results."""
    runs = platform.records.all(
        select(AnalysisRun).where(col(AnalysisRun.lock_id).in_([lock.id for lock in locks]))
    )
    own = {
        lock.id
        for lock in locks
        if (lock.organisation_id == actor.organisation and not actor.abroad)
        or _inspects(platform, actor, lock.project_id)
    }
    return own | {run.lock_id for run in readable_runs(platform, actor, runs)}


def _inspects(platform: Platform, actor: Actor, project_id: str) -> bool:
    """An inspector reads on the platform what the team reads there; nothing is handed out, so no release is asked."""
    return (
        not actor.abroad
        and actor.role == Role.INSPECTOR
        and inspected_project(platform.records, actor) == project_id
    )


def _released_to(platform: Platform, actor: Actor, package: EvidencePackage) -> OutputRelease | None:
    kind = AUTHORITY if actor.role == Role.REGULATOR else ""
    asked = _asked_for(platform, package, kind, circle_name(actor.organisation))
    return _released(platform, asked, package)


def _left_for(platform: Platform, actor: Actor, package: EvidencePackage) -> bool:
    released = _released_to(platform, actor, package)
    return released is not None and has_left_abroad(platform, released.id)


def _released(
    platform: Platform, asked: Sequence[OutputRelease], package: EvidencePackage
) -> OutputRelease | None:
    """The newest release that let this very content go, by its row and by the log."""
    fits = (one for one in asked if one.content_sha256 == package.sha256 and was_let_go(platform, one))
    return next(fits, None)


def _asked_for(platform: Platform, package: EvidencePackage, kind: str, circle: str) -> list[OutputRelease]:
    """The requests for this package and circle, the newest first; `kind` "" is any kind of recipient."""
    query = (
        select(OutputRelease)
        .where(OutputRelease.package_id == package.id, OutputRelease.circle == circle)
        .order_by(col(OutputRelease.requested_at).desc(), col(OutputRelease.id).desc())
    )
    if kind:
        query = query.where(OutputRelease.recipient_kind == kind)
    return list(platform.records.all(query))


def check_claim(platform: Platform, actor: Actor, package: EvidencePackage, facts: Mapping[str, Any]) -> None:
    """A transfer request that calls a package anonymised must rest on a review or a release on record."""
    claimed = facts.get("data")
    if not isinstance(claimed, Mapping) or claimed.get("anonymised_and_reviewed") is not True:
        return
    if is_reviewed_as_anonymous(platform, package.id) or _passed_for_others(platform, package):
        return
    error = CLAIM_UNFOUNDED.error(package=package.id)
    record_refusal(platform.records, actor, "transfer.decide", "evidence_package", package.id, error)
    raise error


def _passed_for_others(platform: Platform, package: EvidencePackage) -> bool:
    """Whether this content was released under thresholds: full listings to an authority are not anonymous."""
    released = platform.records.all(
        select(OutputRelease)
        .where(OutputRelease.package_id == package.id)
        .where(OutputRelease.state == ReleaseState.RELEASED, OutputRelease.recipient_kind != AUTHORITY)
    )
    return any(
        one.content_sha256 == package.sha256
        and one.verdict.get("outcome") == "pass"
        and was_let_go(platform, one)
        for one in released
    )


def below_threshold(asked: OutputRelease) -> PlatformError:
    """The refusal in words: the first rule that failed, and its remedy."""
    found = next(one for one in asked.verdict["findings"] if one["outcome"] == "fail")
    title = recipient_of(asked.recipient_kind).title
    return BELOW_THRESHOLD.error(
        package=asked.package_id,
        recipient=title.en,
        recipient_zh=title.zh,
        rule=found["rule"],
        why=found["en"],
        why_zh=found["zh"],
        remedy=found["remedy_en"],
        remedy_zh=found["remedy_zh"],
    )
