"""The register of circles: who may be given results, under one name each.

A circle is an organisation on record, or an entry that a privacy officer made. A release names one of them; any
other name is refused, so that nobody receives by two spellings what could be subtracted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlmodel import Session, col, select

from deidentify.disclosure.circles import Circle, called, is_credit_code, of_one_entity
from deidentify.disclosure.names import folded, folded_name
from deidentify.disclosure.recipients import recipient_of
from rwd_platform.access.accounts import check_account
from rwd_platform.access.permissions import check_may
from rwd_platform.access.refusals import refusals_recorded
from rwd_platform.core.clock import as_text
from rwd_platform.core.errors import Exit, Problem
from rwd_platform.core.ids import new_id
from rwd_platform.core.text import Bilingual
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.release_ledger import PUBLIC, circle_name
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.tables import Organisation, ReleaseCircle

AUTHORITY = "competent_authority"
LONGEST_CIRCLE = 200
MOST_NAMED = 20
MAY_REGISTER = "release.approve"
KINDS = (
    "insurer",
    "sponsor",
    "researcher",
)  # an authority is an organisation on record, the public is everybody
# What an organisation on record is as a recipient. It stands in the register by being on record.
_KIND_OF: Mapping[str, str] = {
    "authority": AUTHORITY,
    "cyberspace": AUTHORITY,
    "insurer": "insurer",
    "sponsor": "sponsor",
    "hospital": "researcher",
    "institute": "researcher",
    "operator": "researcher",
}

CIRCLE_MISSING = Problem(
    code="release.circle_missing",
    zh="没有写明结果将由谁掌握。",
    en="It is not said who will hold the results.",
    next_zh="填写已登记接收机构的编号或名称（不超过 200 字）；公开发布不需要填写。",
    next_en="Name a registered receiving organisation (200 characters at most); a public release needs none.",
    http=422,
)
CIRCLE_UNKNOWN = Problem(
    code="release.circle_unknown",
    zh="该接收机构没有登记为“{kind_zh}”。已登记的有：{known_zh}。",
    en="The receiving organisation is not registered as {kind}. Registered are: {known}.",
    next_zh="从已登记的名称中选择；确为新的接收机构时，请由隐私专员先行登记。",
    next_en="Choose a registered name; for a new organisation ask a privacy officer to register it first.",
    http=422,
    exit=Exit.REFUSED,
)
NOT_AN_AUTHORITY = Problem(
    code="release.not_an_authority",
    zh="“{circle}”不是平台登记在册的主管部门。",
    en="{circle} is not on record here as a competent authority.",
    next_zh="填写已登记主管部门的编号；如接收方不是主管部门，请改选相应类别。",
    next_en="Give the id of an authority on record; for anybody else choose their own kind of recipient.",
    http=422,
    exit=Exit.REFUSED,
)
CIRCLE_INCOMPLETE = Problem(
    code="release.circle_incomplete",
    zh="接收机构登记不完整：{field} 缺失、过长或不可用。",
    en="The registration of the receiving organisation is not complete: {field} is missing, too long or not usable.",
    next_zh="类别填 {kinds} 之一；中文名、英文名与法律主体全称均须填写，各不超过 200 字。",
    next_en="The kind is one of {kinds}; both names and the legal entity are needed, 200 characters each at most.",
    http=422,
)
CREDIT_CODE_WRONG = Problem(
    code="release.credit_code_wrong",
    zh="统一社会信用代码无效：应为 18 位，且校验位须符合 GB 32100。",
    en="The unified social credit code is not valid: it has 18 characters, and the last one is their check (GB 32100).",
    next_zh="请对照营业执照或登记证书重新填写；境外机构没有该代码时留空。",
    next_en="Copy it from the licence again; an entity abroad that has none leaves it empty.",
    http=422,
)
CIRCLE_TAKEN = Problem(
    code="release.circle_taken",
    zh="该名称已被接收机构 {known} 使用：名称比较时不计全半角、大小写、空格和标点。",
    en="{known} is called so already: names are compared without width, case, blanks and punctuation.",
    next_zh="请直接使用已登记的接收机构；确为另一机构时，请换一个可区分的名称。",
    next_en="Use the organisation that is registered; if it is another one, give it a name that tells them apart.",
    http=409,
    exit=Exit.REFUSED,
)


@dataclass(frozen=True)
class NewCircle:
    """What is written down about a receiving organisation. `credit_code` is "" for an entity that has none."""

    kind: str
    name_zh: str
    name_en: str
    legal_name: str
    credit_code: str = ""


def register_circle(platform: Platform, actor: Actor, asked: NewCircle) -> ReleaseCircle:
    """Put a receiving organisation on record, once. For privacy officers, under their own account.

    Raises CIRCLE_INCOMPLETE, CREDIT_CODE_WRONG, CIRCLE_TAKEN, and what permissions refuse.
    """
    with refusals_recorded(platform.records, actor, MAY_REGISTER, "release_circle", ""):
        check_may(actor, MAY_REGISTER)
        stated = _checked(asked)
        now = platform.clock()
        row = ReleaseCircle(
            id=new_id("circle", now),
            organisation_id=actor.organisation,
            kind=stated.kind,
            name_zh=stated.name_zh,
            name_en=stated.name_en,
            legal_name=stated.legal_name,
            credit_code=stated.credit_code,
            registered_by=actor.id,
            registered_at=as_text(now),
        )
        act = Act(actor, "release.circle_registered", Object("release_circle", row.id))
        with platform.records.transaction(audit=act) as session:
            check_account(session, actor, platform.clock)
            _check_free(circles_in(session), row)
            session.add(row)
    return row


def _checked(asked: NewCircle) -> NewCircle:
    """The same without blanks at the ends; the names hold a letter or a digit."""
    if asked.kind not in KINDS:
        raise CIRCLE_INCOMPLETE.error(field="kind", kinds=", ".join(KINDS))
    names = {name: " ".join(getattr(asked, name).split()) for name in ("name_zh", "name_en", "legal_name")}
    for name, text in names.items():
        if not folded_name(text) or len(text) > LONGEST_CIRCLE or not text.isprintable():
            raise CIRCLE_INCOMPLETE.error(field=name, kinds=", ".join(KINDS))
    code = folded(asked.credit_code).replace(" ", "").upper()
    if code and not is_credit_code(code):
        raise CREDIT_CODE_WRONG.error()
    return NewCircle(asked.kind, **names, credit_code=code)


def _check_free(known: Sequence[Circle], row: ReleaseCircle) -> None:
    """No second circle of a name. The same legal entity may have two: they count as one holder."""
    for name in (row.name_zh, row.name_en):
        taken = called(known, name)
        if taken or folded_name(name) == folded_name(PUBLIC):
            raise CIRCLE_TAKEN.error(known=taken[0].id if taken else PUBLIC)


# -- reading -----------------------------------------------------------------------------------------------------


def circles_in(session: Session) -> list[Circle]:
    """All that may be named as holder: organisations on record, then the registered, in a fixed order."""
    organisations = session.exec(select(Organisation).order_by(col(Organisation.id))).all()
    registered = session.exec(select(ReleaseCircle).order_by(col(ReleaseCircle.id))).all()
    return [
        *(
            Circle(circle_name(one.id), _KIND_OF.get(one.kind, ""), Bilingual(one.name_zh, one.name_en))
            for one in organisations
        ),
        *(
            Circle(one.id, one.kind, Bilingual(one.name_zh, one.name_en), one.legal_name, one.credit_code)
            for one in registered
        ),
    ]


def registered_circles(platform: Platform) -> list[Circle]:
    with platform.records.reading() as session:
        return circles_in(session)


def circle_of(platform: Platform, kind: str, circle: str) -> str:
    """Who will hold it: the id of the registered circle of that kind that is called so.

    Raises CIRCLE_MISSING, CIRCLE_UNKNOWN, and NOT_AN_AUTHORITY for kind `competent_authority`.
    """
    if kind == PUBLIC:
        return PUBLIC
    if not folded_name(circle) or len(circle) > LONGEST_CIRCLE:
        raise CIRCLE_MISSING.error()
    known = [one for one in registered_circles(platform) if one.kind == kind]
    found = called(known, circle)
    if len(found) == 1:  # two organisations of one name are told apart by their ids alone
        return found[0].id
    if kind == AUTHORITY:
        raise NOT_AN_AUTHORITY.error(circle=circle_name(circle))
    title = recipient_of(kind).title
    raise CIRCLE_UNKNOWN.error(
        kind=title.en,
        kind_zh=title.zh,
        known=_named([one.title.en for one in known], "none", "; "),
        known_zh=_named([one.title.zh for one in known], "无", "；"),
    )


def _named(names: Sequence[str], none: str, comma: str) -> str:
    shown = comma.join(names[:MOST_NAMED]) or none
    return f"{shown}{comma}…" if len(names) > MOST_NAMED else shown


def holders_with(session: Session, circle: str, on_ledger: Sequence[str]) -> frozenset[str]:
    """Of the circles on the ledger those whose results this one can put beside its own.

    What the same legal entity holds, what is public, and what went to somebody who is not in the register (from
    before there was one): nobody can say that it was somebody else.
    """
    known = circles_in(session)
    own = of_one_entity(known, circle)

    def is_held(name: str) -> bool:
        found = called(known, name)
        return name == PUBLIC or not found or any(one.id in own for one in found)

    return frozenset(name for name in on_ledger if circle == PUBLIC or is_held(name))
