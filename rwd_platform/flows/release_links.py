"""Links by which a recipient without an account downloads what was released to it: they run out, and are counted.

The token is shown once and stored as a hash. Every download is an entry of the log, and every refusal of a link that
was once made; a token that never was is not, so that nobody can flood the log. Whoever holds no good link learns only
that: a wrong, ended, used-up or recalled one gets the same words.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from sqlmodel import Session, col, select

from rwd_platform.access.accounts import check_account
from rwd_platform.access.permissions import get_visible
from rwd_platform.access.refusals import refusals_recorded
from rwd_platform.core.canonical import sha256_hex
from rwd_platform.core.clock import as_text
from rwd_platform.core.errors import Exit, PlatformError, Problem
from rwd_platform.core.ids import new_id
from rwd_platform.flows.let_go import let_go_in
from rwd_platform.flows.paper_texts import line
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.release_gate import CONTENT_CHANGED, check_content, check_where
from rwd_platform.flows.release_ledger import PUBLIC
from rwd_platform.flows.whereabouts import ADDRESS, is_domestic
from rwd_platform.flows.withdraw_uses import check_package_usable
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.tables import EvidencePackage, OutputRelease, ReleaseLink

LONGEST_DAYS = 30
MOST_DOWNLOADS = 20
_TOKEN_BYTES = 32
_BEARER = "link-bearer"

LINK_INVALID = Problem(
    code="release.link_invalid",
    zh="此下载链接无效：可能已过期、次数已用完、已停用，或链接不完整。",
    en="This link is not valid: it may have run out, been used up or ended, or is not complete.",
    next_zh="请核对链接是否完整；如仍不可用，请联系发送链接的机构重新生成。",
    next_en="Check that the link is complete; if it still fails, ask whoever sent it for a new one.",
    http=404,
)
LINK_MALFORMED = Problem(
    code="release.link_malformed",
    zh="链接的{field_zh}不可用：{allowed_zh}。",
    en="The link's {field} cannot be used: {allowed}.",
    next_zh="请改正后重试。",
    next_en="Mend it and try again.",
    http=422,
)
NOT_RELEASED = Problem(
    code="release.link_not_released",
    zh="发布 {release} 当前不处于已发布状态，不能生成下载链接。",
    en="Release {release} is not released at present, and no link can be made for it.",
    next_zh="发布执行完成后再生成链接。",
    next_en="Carry the release out first.",
    http=409,
    exit=Exit.REFUSED,
)


@dataclass(frozen=True)
class NewLink:
    """A link just made. `token` exists nowhere else."""

    row: ReleaseLink
    token: str


def make_link(
    platform: Platform, actor: Actor, release_id: str, made_for: str, days: int, downloads: int
) -> NewLink:
    """For whoever may ask for the release. `days` 1 to 30 from now, `downloads` 1 to 20."""
    with refusals_recorded(platform.records, actor, "release.request", "output_release", release_id):
        asked = get_visible(platform.records, actor, "release.request", OutputRelease, release_id)
        whom = line(made_for)
        if not whom:
            raise _malformed(
                "recipient", "接收人", "a line of 200 characters at most", "一行文字，不超过 200 字"
            )
        if not 1 <= days <= LONGEST_DAYS:
            raise _malformed("days", "天数", f"1 to {LONGEST_DAYS}", f"1 至 {LONGEST_DAYS}")
        if not 1 <= downloads <= MOST_DOWNLOADS:
            raise _malformed("downloads", "次数", f"1 to {MOST_DOWNLOADS}", f"1 至 {MOST_DOWNLOADS}")
        token, now = secrets.token_urlsafe(_TOKEN_BYTES), platform.clock()
        row = ReleaseLink(
            id=new_id("link", now), organisation_id=asked.organisation_id, release_id=release_id,
            token_sha256=_hash(token), made_for=whom, made_by=actor.id, made_at=as_text(now),
            expires_at=as_text(now + timedelta(days=days)), most_downloads=downloads, downloads=0, ended_at="",
        )  # fmt: skip
        said = {"release": release_id, "expires_at": row.expires_at, "most_downloads": downloads}
        act = Act(
            actor, "release.link_made", Object("release_link", row.id), decision=said, detail={"for": whom}
        )
        with platform.records.transaction(audit=act) as session:
            check_account(session, actor, platform.clock)
            current = session.get_one(OutputRelease, release_id)
            if not let_go_in(session, current) or current.circle == PUBLIC:
                raise NOT_RELEASED.error(release=release_id)
            session.add(row)
    return NewLink(row, token)


def end_link(platform: Platform, actor: Actor, link_id: str) -> ReleaseLink:
    """From now on it downloads nothing. Ending it twice is once."""
    with refusals_recorded(platform.records, actor, "release.request", "release_link", link_id):
        get_visible(platform.records, actor, "release.request", ReleaseLink, link_id)
        act = Act(actor, "release.link_ended", Object("release_link", link_id))
        with platform.records.transaction(audit=act) as session:
            check_account(session, actor, platform.clock)
            row = session.get_one(ReleaseLink, link_id)
            row.ended_at = row.ended_at or as_text(platform.clock())
    return row


def links_of(platform: Platform, release_id: str) -> list[ReleaseLink]:
    query = select(ReleaseLink).where(ReleaseLink.release_id == release_id)
    return list(platform.records.all(query.order_by(col(ReleaseLink.made_at), col(ReleaseLink.id))))


def look_at_link(platform: Platform, token: str, from_where: str) -> tuple[ReleaseLink, EvidencePackage]:
    """What a good link leads to, without downloading it: browsers and mail programs look at links by themselves.

    Raises LINK_INVALID, and `release.within_the_country` for an address abroad where the release is not.
    """
    with platform.records.reading() as session:
        link, asked = _good(session, platform, token)
    package = platform.records.get(EvidencePackage, asked.package_id)
    if not is_domestic(platform, from_where):
        check_where(platform, package, asked, ADDRESS)
    return link, package


def download_by_link(platform: Platform, token: str, from_where: str) -> tuple[Path, EvidencePackage]:
    """The package's file. One download more, counted in the same transaction as its entry; a refusal is one too.

    `from_where` is the caller's address, kept sealed. Raises LINK_INVALID.
    """
    try:
        return _download(platform, token, from_where)
    except PlatformError as error:
        known = _found(platform, token)
        if known is not None:
            place = "" if is_domestic(platform, from_where) else ADDRESS
            bearer, thing = Actor(_BEARER, "", known.organisation_id, place), Object("release_link", known.id)
            refused = Act(
                bearer,
                "release.link_refused",
                thing,
                outcome="refused",
                reason=error.code,
                detail={"from": from_where},
            )
            platform.records.record(refused)
        raise


def _download(platform: Platform, token: str, from_where: str) -> tuple[Path, EvidencePackage]:
    link, package = look_at_link(platform, token, from_where)
    check_content(platform, package)
    check_package_usable(platform, package)
    act = Act(
        Actor(_BEARER, "", link.organisation_id, "" if is_domestic(platform, from_where) else ADDRESS),
        "release.downloaded",
        Object("release_link", link.id, package.sha256),
        decision={"release": link.release_id, "package": package.id, "bytes": package.bytes},
        detail={"from": from_where, "for": link.made_for},
    )
    with platform.records.transaction(audit=act) as session:
        current, asked = _good(session, platform, token)
        if asked.content_sha256 != package.sha256:
            raise CONTENT_CHANGED.error(package=package.id)
        current.downloads += 1
        session.add(current)
    return platform.layout.packages / package.file_name, package


def _good(session: Session, platform: Platform, token: str) -> tuple[ReleaseLink, OutputRelease]:
    link = session.exec(select(ReleaseLink).where(ReleaseLink.token_sha256 == _hash(token))).first()
    if link is None or link.ended_at or link.downloads >= link.most_downloads:
        raise LINK_INVALID.error()
    asked = session.get_one(OutputRelease, link.release_id)
    if link.expires_at <= as_text(platform.clock()) or not let_go_in(session, asked):
        raise LINK_INVALID.error()
    return link, asked


def _found(platform: Platform, token: str) -> ReleaseLink | None:
    rows = platform.records.all(select(ReleaseLink).where(ReleaseLink.token_sha256 == _hash(token)))
    return rows[0] if rows else None


def _hash(token: str) -> str:
    return sha256_hex(token.encode("utf-8", "replace"))


def _malformed(field: str, field_zh: str, allowed: str, allowed_zh: str) -> PlatformError:
    return LINK_MALFORMED.error(field=field, field_zh=field_zh, allowed=allowed, allowed_zh=allowed_zh)
