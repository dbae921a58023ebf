"""The demo's organisations, and people for each role; what needs two approvals has two privacy officers."""

from __future__ import annotations

from collections.abc import Iterator

from sqlmodel import select

from rwd_platform.access.passwords import generate_password, hash_password
from rwd_platform.core.clock import as_text
from rwd_platform.core.ids import new_id
from rwd_platform.flows.platform import Platform
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.tables import Organisation, User

OPERATOR = "org-operator"
AUTHORITY = "org-authority"
SPONSOR_ABROAD = "Demo Sponsor Ltd (overseas)"

ORGANISATIONS = (
    Organisation(id=OPERATOR, kind="operator", name_zh="演示真实世界研究院", name_en="Demo RWD Institute"),
    Organisation(id="org-hospital-a", kind="hospital", name_zh="演示医院甲", name_en="Demo Hospital A"),
    Organisation(id="org-hospital-b", kind="hospital", name_zh="演示医院乙", name_en="Demo Hospital B"),
    Organisation(id="org-hospital-c", kind="hospital", name_zh="演示医院丙", name_en="Demo Hospital C"),
    Organisation(
        id="org-hospital-d", kind="hospital", name_zh="演示乐城医院", name_en="Demo Lecheng Hospital"
    ),
    Organisation(id="org-hospital-e", kind="hospital", name_zh="演示医院戊", name_en="Demo Hospital E"),
    Organisation(id=AUTHORITY, kind="authority", name_zh="演示监管部门", name_en="Demo Authority"),
    Organisation(id="org-ethics", kind="ethics", name_zh="演示伦理委员会", name_en="Demo Ethics Committee"),
)
PEOPLE = (  # login, role, organisation, name
    ("hospital-a", "hospital", "org-hospital-a", "林晚晴"),
    ("researcher", "researcher", OPERATOR, "周明远"),
    ("researcher-2", "researcher", OPERATOR, "秦望舒"),
    ("regulator", "regulator", AUTHORITY, "沈若水"),
    ("privacy", "privacy", OPERATOR, "顾清和"),
    ("privacy-2", "privacy", OPERATOR, "陆知微"),
    ("operator", "operator", OPERATOR, "何以安"),
    ("security", "security", OPERATOR, "江照临"),
    ("auditor", "auditor", OPERATOR, "温知白"),
    ("ethics", "ethics", "org-ethics", "谢长宁"),
    ("inspector", "inspector", AUTHORITY, "宋怀瑾"),
)


# The journey acts as this researcher before anybody can log in, and asks for a release, which takes an account.
_IDS = {"researcher": "demo-researcher"}


def register_organisations(platform: Platform) -> None:
    actor = platform.operator("demo")
    for organisation in ORGANISATIONS:
        if platform.records.find(Organisation, organisation.id) is None:
            act = Act(actor, "organisation.registered", Object("organisation", organisation.id))
            platform.records.write(Organisation(**organisation.model_dump()), audit=act)


def register_people(platform: Platform) -> dict[str, User]:
    """Every person of the demo by login. Who is new gets an account that nobody can log in to yet."""
    register_organisations(platform)
    actor = platform.operator("demo")
    existing = {user.login: user for user in platform.records.all(select(User))}
    for login, role, organisation_id, name in PEOPLE:
        if login in existing:
            continue
        now = platform.clock()
        user = User(
            id=_IDS.get(login) or new_id("user", now),
            organisation_id=organisation_id,
            login=login,
            role=role,
            name=name,
            password_hash="",
            created_at=as_text(now),
        )
        platform.records.write(user, audit=Act(actor, "user.registered", Object("user", user.id)))
        existing[login] = user
    return {login: existing[login] for login, *_ in PEOPLE}


def actor_of(user: User) -> Actor:
    return Actor(user.id, user.role, user.organisation_id)


def give_new_passwords(platform: Platform) -> Iterator[tuple[str, str, str]]:
    """Every person of the demo with a password made up now: (login, role, password). The old ones stop working."""
    actor = platform.operator("demo")
    for login, user in register_people(platform).items():
        password = generate_password()
        user.password_hash = hash_password(password)
        platform.records.write(user, audit=Act(actor, "user.password_given", Object("user", user.id)))
        yield login, user.role, password
