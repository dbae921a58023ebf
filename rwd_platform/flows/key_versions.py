"""Which version of a derived key new writes use. Rotation raises it; older versions stay readable."""

from __future__ import annotations

from dataclasses import dataclass

from rwd_platform.core.clock import as_text
from rwd_platform.core.errors import Exit, Problem
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.records import Records
from rwd_platform.records.tables import KeyVersion
from rwd_platform.signing.suites import INTL

FIRST = 1
PSEUDONYM = "pseudonym"  # scope: an organisation
PROJECT = "project"  # scope: a project
DATE = "date"  # scope: a project
LINKAGE = "linkage"  # scope: "", the deployment
DEPLOYMENT = "deployment"  # scope: ""; says which suite a deployment began with

SUITE_CHANGED = Problem(
    code="settings.suite_changed",
    zh="本部署自建立起使用密码套件 {begun}，而 RWD_SUITE 现为 {asked}。",
    en="This deployment began with the cipher suite {begun}, and RWD_SUITE now says {asked}.",
    next_zh="请把 RWD_SUITE 改回 {begun}；要使用 {asked}，请新建部署并由医院重新发送数据。",
    next_en="Set RWD_SUITE to {begun} again; to use {asked}, begin a new deployment and have the data sent anew.",
    http=503,
    exit=Exit.BROKEN_ENVIRONMENT,
)


def current_version(records: Records, purpose: str, scope: str) -> int:
    """From 1. Where nobody ever rotated there is no row, and the version is the first."""
    row = records.find(KeyVersion, (purpose, scope))
    return FIRST if row is None else row.version


def check_suite(records: Records, actor: Actor, suite: str) -> None:
    """A deployment keeps the suite it began with: under another one every patient would get a second name.

    Raises `settings.suite_changed`. A new deployment's choice is put on record; one without a record that has
    a log is from before there was a choice.
    """
    row = records.find(KeyVersion, (DEPLOYMENT, ""))
    if row is None and (suite == INTL or records.log_entries(limit=1)):
        begun = INTL
    elif row is None:
        begun = suite
        chosen = KeyVersion(
            purpose=DEPLOYMENT, scope="", version=FIRST, suite=suite, changed_at=as_text(records.clock())
        )
        records.write(chosen, audit=Act(actor, "key.suite_chosen", Object("key", DEPLOYMENT, suite)))
    else:
        begun = row.suite
    if begun != suite:
        raise SUITE_CHANGED.error(begun=begun, asked=suite)


@dataclass(frozen=True)
class RotationName:
    """What a rotation is called where an upload has its id: in the note of unfinished work on the lake."""

    organisation_id: str
    version: int  # the one that new writes use afterwards

    _PREFIX = "key-rotation"

    def __str__(self) -> str:
        return f"{self._PREFIX}/{self.version}/{self.organisation_id}"

    @classmethod
    def read(cls, text: str) -> RotationName | None:
        prefix, _, rest = text.partition("/")
        version, _, organisation_id = rest.partition("/")
        return cls(organisation_id, int(version)) if prefix == cls._PREFIX and version.isdigit() else None
