"""Policies as people read them: rules in words, what the last run left behind, and who may see which of it.

A policy is everybody's. What was dropped is told by hospital, and of the hospitals that the visitor may see.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from sqlmodel import col, select

from rwd_platform.core.text import Bilingual
from rwd_platform.records.records import Records
from rwd_platform.records.tables import DroppedElement, Organisation, Upload
from rwd_platform.server.deps import Visitor
from rwd_platform.server.queries import visible_organisations

if TYPE_CHECKING:
    from deidentify.lint import Finding
    from deidentify.policy import Policy

PATHS_SHOWN = 12  # on the overview; the policy's own page has all


@dataclass(frozen=True)
class LastRun:
    """What one hospital's newest upload left behind under a policy: path -> in how many resources."""

    policy: str
    organisation: Organisation
    upload_id: str
    at: str
    dropped: Mapping[str, int]

    @property
    def times(self) -> int:
        return sum(self.dropped.values())


@dataclass(frozen=True)
class DroppedPath:
    """One path, and how often each hospital's newest upload left it behind, in the order of the runs."""

    path: str
    times: tuple[int, ...]

    @property
    def total(self) -> int:
        return sum(self.times)


def names() -> tuple[str, ...]:
    """The policies of the house, sorted."""
    from deidentify.policy import POLICIES

    return tuple(sorted(path.stem for path in POLICIES.glob("*.toml")))


@lru_cache(maxsize=16)
def findings_of(policy: Policy) -> tuple[Finding, ...]:
    """What the linter says. Reading FHIR's models for it takes a second, so that the answer is kept."""
    from deidentify.lint import lint

    return lint(policy)


@lru_cache(maxsize=16)
def policy_named(name: str, stamp: int) -> Policy:
    """A policy of the house; `stamp` is its file's time, so that a changed file is read again."""
    from deidentify.policy import load_policy

    return load_policy(name)


def read(name: str) -> Policy:
    from deidentify.policy import POLICIES

    return policy_named(name, (POLICIES / f"{name}.toml").stat().st_mtime_ns)


def last_runs(records: Records, visitor: Visitor, policy: str = "") -> list[LastRun]:
    """For each policy and hospital that the visitor may see: its newest upload that left something behind."""
    organisations = visible_organisations(records, visitor, "policy.read")
    newest: dict[tuple[str, str], tuple[str, str]] = {}  # policy, hospital -> when, upload
    with records.reading() as session:
        seen = session.exec(
            select(DroppedElement.policy, Upload.organisation_id, Upload.received_at, Upload.id)
            .join(Upload, col(Upload.id) == col(DroppedElement.upload_id))
            .where(col(Upload.organisation_id).in_(organisations))
            .distinct()
        ).all()
    for name, organisation, at, upload in seen:
        if not policy or name == policy:
            newest[name, organisation] = max(newest.get((name, organisation), ("", "")), (at, upload))
    return [
        LastRun(name, organisations[organisation], upload, at, _dropped(records, name, upload))
        for (name, organisation), (at, upload) in sorted(newest.items())
    ]


def _dropped(records: Records, policy: str, upload_id: str) -> dict[str, int]:
    rows = records.all(
        select(DroppedElement)
        .where(DroppedElement.upload_id == upload_id, DroppedElement.policy == policy)
        .order_by(col(DroppedElement.times).desc(), col(DroppedElement.path))
    )
    return {row.path: row.times for row in rows}


def by_path(runs: Sequence[LastRun]) -> list[DroppedPath]:
    """The paths of several runs side by side, the most frequent first."""
    paths = {path for run in runs for path in run.dropped}
    found = [DroppedPath(path, tuple(run.dropped.get(path, 0) for run in runs)) for path in paths]
    return sorted(found, key=lambda one: (-one.total, one.path))


# What a rule does with a value. An action that is not here is shown as the policy writes it.
ACTIONS: Mapping[str, Bilingual] = {
    "keep": Bilingual("原样保留", "kept as written"),
    "pseudonym": Bilingual("换成假名", "replaced by a pseudonym"),
    "reference": Bilingual("引用换成假名", "reference to a pseudonym"),
    "date": Bilingual("日期变粗：{argument}", "date made coarser: {argument}"),
    "date:year": Bilingual("只留年份", "only the year stays"),
    "date:month": Bilingual("只留年月", "only year and month stay"),
    "date:shift": Bilingual("前移；同一患者的日期移动相同天数", "moved back, all dates of a patient alike"),
    "age-band": Bilingual("归入每 {argument} 岁一段的年龄段", "put into an age band of {argument} years"),
    "device-identifier": Bilingual("只留产品标识（UDI-DI）", "only the product's part of a UDI stays"),
    "generalise": Bilingual("按层级泛化（{argument}）", "made coarser along a hierarchy ({argument})"),
    "mask": Bilingual("去除，留下“已遮盖”标记", "removed, a mark stays"),
    "drop": Bilingual("不保留", "not kept"),
    "text": Bilingual("自由文本，不保留", "free text, not kept"),
}


def in_words(action: str, argument: str = "") -> Bilingual:
    """A rule's action in words, with its argument."""
    written = f"{action}:{argument}" if argument else action
    words = ACTIONS.get(written) or ACTIONS.get(action)
    if words is None:
        return Bilingual(written, written)
    return Bilingual(words.zh.format(argument=argument), words.en.format(argument=argument))


@dataclass(frozen=True)
class Shown:
    """One element of the invented patient. `tone`: kept (good), changed (moving), gone (bad), held back (held)."""

    path: str
    before: str
    after: str | None
    tone: str
    why: Bilingual


@lru_cache(maxsize=16)
def example_of(policy: Policy) -> tuple[tuple[str, tuple[Shown, ...]], ...]:
    """The invented patient before and after, by resource type in the order of the example."""
    from deidentify.example import example

    found: dict[str, list[Shown]] = {}
    for row in example(policy).rows:
        gone = "held" if row.action == "quarantine" else "bad"
        tone = gone if row.after is None else "good" if row.after == row.before else "moving"
        kind = row.path.partition(".")[0]
        found.setdefault(kind, []).append(
            Shown(row.path, row.before, row.after, tone, Bilingual(row.zh, row.en))
        )
    return tuple((kind, tuple(rows)) for kind, rows in found.items())


# How grave a finding of the linter is: its word, and the tone that colours it.
SEVERITIES: Mapping[str, tuple[Bilingual, str]] = {
    "error": (Bilingual("错误", "Error"), "bad"),
    "warning": (Bilingual("警告", "Warning"), "held"),
    "note": (Bilingual("提示", "Note"), "quiet"),
}


def worst(findings: Sequence[Finding]) -> str:
    """The gravest severity among findings; "" without any."""
    there = {one.severity for one in findings}
    return next((one for one in SEVERITIES if one in there), "")
