"""A study with results and packages on record, without the minutes that locking and assembling take."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rwd_platform.core.canonical import canonical_json, sha256_file, sha256_of
from rwd_platform.core.clock import as_text
from rwd_platform.flows.platform import Platform
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.tables import (
    AnalysisRun,
    DataLockRecord,
    EvidencePackage,
    QualityRun,
    ReleaseCircle,
    Study,
    User,
)
from tests.flows.papers import put_papers

ASSEMBLER = Actor("researcher", "researcher", "org-operator")
OFFICER = Actor("privacy", "privacy", "org-operator")
OFFICER_2 = Actor("privacy-2", "privacy", "org-operator")
REGULATOR = Actor("regulator", "regulator", "org-authority")
PROTOCOL = (Path(__file__).parents[2] / "studies" / "protocols" / "rotterdam.yaml").read_text("utf-8")
CONDITIONS = {
    "purpose": "再评价",
    "authorisation": "药监函〔2026〕12号",
    "encryption": "ab" * 32,
}  # the regulator's

CIRCLES = [
    {"id": id, "organisation_id": "org-operator", "kind": "sponsor", "name_zh": zh, "name_en": en, "legal_name": legal,
     "credit_code": "", "registered_by": "privacy", "registered_at": "2026-11-01T00:00:00.000000Z"}
    for id, zh, en, legal in (
        ("circle-sponsor", "申办者甲", "Sponsor Ltd", "申办者甲有限公司"),
        ("circle-another", "申办者乙", "Another Sponsor", "申办者乙有限公司"),
        ("circle-branch", "申办者甲北京分部", "Sponsor Ltd (Beijing)", "申办者甲有限公司"),
    )
]  # fmt: skip


def people(first: int, last: int) -> list[str]:
    """Subject tokens of one project: `subjects 1 to 40` are the same persons wherever they are named."""
    return [f"s{number:04d}" for number in range(first, last + 1)]


def results_of(people_behind: Mapping[str, Iterable[str]], **rows: int) -> dict[str, Any]:
    """Results that count the people of each row set; more rows by id and count."""
    counted = {name: sorted(ids) for name, ids in people_behind.items()}
    made = [_row(f"{name}.subjects", len(ids), name) for name, ids in counted.items()]
    made += [
        {**_row(f"{name}.subjects", count, next(iter(counted))), "variable": name}
        for name, count in rows.items()
    ]
    return {
        "format_version": 1,
        "study": "demo",
        "protocol_sha256": "0" * 64,
        "lock_id": "L-1",
        "rows": made,
        "series": [],
        "row_sets": {
            name: {"subjects": len(ids), "sha256": sha256_of(ids)} for name, ids in sorted(counted.items())
        },
        "not_done": {},
    }


def _row(id: str, value: int, row_set: str) -> dict[str, Any]:
    return {
        "id": id, "analysis": row_set, "method": "count", "group": "", "variable": "", "statistic": "subjects",
        "value": value, "unit": "", "ci_low": None, "ci_high": None, "ci_level": None, "n": None, "events": None,
        "variables": [], "row_set": row_set, "data_hash": "", "engine": "", "engine_version": "", "warnings": [],
    }  # fmt: skip


def put_study(platform: Platform, project: str = "demo", organisation: str = "org-operator") -> str:
    at = as_text(platform.clock())
    quality = QualityRun(
        id="quality-1", organisation_id="org-operator", made_at=at, verdict="admit", report={}
    )
    study = Study(
        id=f"study-{project}", organisation_id=organisation, project_id=project, title_zh="演示研究",
        title_en="Demo study", protocol=PROTOCOL, protocol_sha256="0" * 64, state="analysed", registered_at=at,
    )  # fmt: skip
    lock = DataLockRecord(
        id=f"L-{project}", organisation_id=organisation, project_id=project, study_id=study.id,
        quality_run_id="quality-1", made_at=at, manifest={"content": {"facts": {}, "tables": {}}},
    )  # fmt: skip
    who = [] if platform.records.find(User, OFFICER.id) else [ASSEMBLER, OFFICER, OFFICER_2]
    circles = [] if platform.records.find(ReleaseCircle, "circle-sponsor") else CIRCLES
    for row in (quality, study, lock, *map(account, who), *(ReleaseCircle(**one) for one in circles)):
        _put(platform, row)
    put_papers(platform, ("org-authority", *(one["id"] for one in CIRCLES)), organisation)
    return study.id


def account(actor: Actor) -> User:
    """The account that somebody asks or votes under; nobody can log in to it."""
    return User(
        id=actor.id, organisation_id=actor.organisation, login=f"{actor.id}-account", role=actor.role, name=actor.id,
        password_hash="", created_at="",
    )  # fmt: skip


def put_package(
    platform: Platform,
    people_behind: Mapping[str, Iterable[str]],
    results: Mapping[str, Any] | None = None,
    *,
    id: str = "EP-1",
    project: str = "demo",
    support: Mapping[str, Any] | None = None,
    audience: str = "aggregate",
    organisation: str = "org-operator",
    numbers: Iterable[Mapping[str, Any]] = (),
    files: Mapping[str, bytes] | None = None,
) -> str:
    """A package whose archive holds these results, of a run with these people; the study is made if need be."""
    if platform.records.find(Study, f"study-{project}") is None:
        put_study(platform, project, organisation)
    held = dict(results if results is not None else results_of(people_behind))
    at, run_id = as_text(platform.clock()), f"run-{id}"
    stored = json.loads(canonical_json(dict(support if support is not None else held)))
    run = AnalysisRun(
        id=run_id, organisation_id=organisation, project_id=project, study_id=f"study-{project}",
        lock_id=f"L-{project}", made_at=at, results_sha256=sha256_of(stored), results=stored,
    )  # fmt: skip
    place = platform.layout.results / run_id
    place.mkdir(parents=True)
    (place / "row_sets.json").write_text(
        json.dumps({name: sorted(ids) for name, ids in people_behind.items()})
    )
    path = platform.layout.packages / f"{id}.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{id}/data/05_results/ard.json", json.dumps(held))
        archive.writestr(f"{id}/manifest-sha256.txt", f"{'a' * 64}  data/05_results/ard.json\n")
        archive.writestr(f"{id}/data/06_report/numbers.json", json.dumps({"numbers": list(numbers)}))
        for name, content in (files or {}).items():
            archive.writestr(f"{id}/{name}", content)
    package = EvidencePackage(
        id=id, organisation_id=organisation, project_id=project, study_id=f"study-{project}", run_id=run_id,
        purpose="registration", version=1, audience=audience, file_name=path.name, sha256=sha256_file(path),
        bytes=path.stat().st_size, state="assembled", made_at=at,
    )  # fmt: skip
    _put(platform, run, Act(ASSEMBLER, "study.analysed", Object("run", run_id)))
    _put(platform, package, Act(ASSEMBLER, "package.assembled", Object("package", id)))
    return id


def _put(platform: Platform, row: Any, act: Act | None = None) -> None:
    about = act or Act(ASSEMBLER, "seed.written", Object(str(row.__tablename__), row.id))
    platform.records.write(row, audit=about)
