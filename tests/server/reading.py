"""Packages as their readers meet them: contents, checklists, statements, results, each a file that its manifest lists.

Small and invented, in the archive's own form; `released` lets one go to the authority as two officers would have.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rwd_platform.core.canonical import sha256_file, sha256_hex
from rwd_platform.core.clock import as_text
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.release_votes import release_act
from rwd_platform.log.entry import Act, Object
from rwd_platform.records.tables import EvidencePackage, OutputRelease
from studies.evidence.templates import verify as standalone
from tests.server import seed

REPORT = "data/06_report/report_zh.pdf"
TABLE = "data/05_results/tables/attrition_zh.csv"
FIGURE = "data/05_results/figures/forest_zh.svg"
PAGE = "data/00_index/index.html"
PDF = b"%PDF-1.7 a report"
Files = dict[str, bytes]


def pair(zh: str, en: str) -> dict[str, str]:
    return {"zh": zh, "en": en}


def part(title: dict[str, str], status: str, **more: Any) -> dict[str, Any]:
    return {
        "id": title["zh"], "title": title, "status": status, "place": None, "confirm_place": False, "files": [],
        "statement": None, "reason": None, "who": None, "next": None, **more,
    }  # fmt: skip


def contents() -> dict[str, Any]:
    said = {
        "id": "literature",
        "asks": pair("文献", "Literature"),
        "said": pair("没有做文献检索", "None was searched"),
    }
    return {
        "format_version": 1, "profile": "reg_drug", "title": pair("药品注册", "Registration of a drug"),
        "reader": pair("药审中心", "the drug centre"), "says": [pair("不代表结论。", "It anticipates nothing.")],
        "expected": 3, "found": 2,
        "parts": [
            part(pair("研究报告", "Study report"), "found", files=[REPORT], confirm_place=True,
                 place=pair("模块五 5.3.5.4", "Module 5, 5.3.5.4")),
            part(pair("文献检索", "Search of the literature"), "found", statement=said),
            part(pair("核查记录", "Record of verification"), "explained", reason=pair("尚未核查", "not verified yet")),
            part(pair("安全性", "Safety"), "not_asked", reason=pair("方案没有安全性分析", "no safety is planned")),
            part(pair("手稿", "Manuscript"), "left_out", files=["data/06_report/not-there.pdf"]),
        ],
    }  # fmt: skip


def item(id: str, status: str, **more: Any) -> dict[str, Any]:
    return {
        "id": id, "section": pair("方法", "Methods"), "asks": pair(f"条目 {id} 的要求", f"what item {id} asks"),
        "mandatory": True, "confirm": False, "status": status, "reason": None, "places": [], "lacks": [], **more,
    }  # fmt: skip


def place(file: str, **more: Any) -> dict[str, Any]:
    return {
        "label": pair("流失表", "Attrition"), "says": pair("纳入 2,990 例", "2,990 were included"), "file": file,
        "pointer": "/steps/0", "anchor": "", "statement": "", **more,
    }  # fmt: skip


def checklist(id: str = "STROBE", items: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    listed = items if items is not None else [
        item("13a", "answered", places=[place(TABLE)]),
        item("20", "not_applicable", reason=pair("没有敏感性分析", "no sensitivity analysis")),
        item("22", "answered", mandatory=False, places=[place("", statement="funding", label=pair("资助", "Funding"))]),
    ]  # fmt: skip
    counts = {"answered": 2, "not_applicable": 1, "explained": 0, "needs_statement": 0, "missing": 0}
    return {
        "format_version": 1, "checklist": id, "name": pair(f"{id} 观察性研究", f"{id} observational studies"),
        "source": pair("来源甲", "source A"), "applies": True, "counts": counts, "items": listed,
    }  # fmt: skip


def row(id: str, value: float | None, **more: Any) -> dict[str, Any]:
    return {
        "id": id,
        "unit": "",
        "value": value,
        "ci_low": None,
        "ci_high": None,
        "n": None,
        "events": None,
        **more,
    }


def results(**changes: Any) -> dict[str, Any]:
    rows = [
        row(seed.ARD_ID, 0.842, ci_low=0.7217, ci_high=0.9823, n=1546, events=1059),
        row("cohort.subjects.analysed", 30),
    ]
    return {"rows": rows, "not_done": {"restricted.crude": "没有事件 / no events"}, **changes}


def statements(**said: dict[str, str]) -> dict[str, Any]:
    asked = {"literature": pair("文献检索", "Literature"), "funding": pair("资助", "Funding")}
    return {
        "format_version": 1,
        "statements": {id: {"asks": asked[id], "said": one} for id, one in said.items()},
    }


def files(**documents: Any) -> Files:
    """The payload. `documents` replace contents, checklists (by id), results, statements; None takes one out."""
    made = {
        "contents": contents(), "checklists": {"STROBE": checklist()}, "results": results(),
        "statements": statements(literature=pair("没有做", "None")), **documents,
    }  # fmt: skip
    found: dict[str, Any] = {
        "data/00_index/contents.json": made["contents"],
        "data/05_results/ard.json": made["results"],
        "data/02_governance/statements.json": made["statements"],
        "data/06_report/numbers.json": {"numbers": []},
        **{f"data/00_index/checklists/{id}.json": one for id, one in (made["checklists"] or {}).items()},
    }
    told = {name: _bytes(one) for name, one in found.items() if one is not None}
    plain = {REPORT: PDF, TABLE: "步骤,人数\n".encode(), FIGURE: b"<svg xmlns='http://www.w3.org/2000/svg'/>",
             PAGE: b"<script>alert(1)</script>"}  # fmt: skip
    return {**told, **plain}


def _bytes(one: Any) -> bytes:
    return one if isinstance(one, bytes) else json.dumps(one, ensure_ascii=False).encode()


def put(
    platform: Platform,
    id: str = "EP-read-1",
    *,
    version: int = 1,
    payload: Mapping[str, bytes] | None = None,
    released: bool = True,
    described: Mapping[str, Any] | None = None,
    **columns: Any,
) -> EvidencePackage:
    """A package of the seeded study in the store and on record; released to the authority unless told otherwise.

    `described`: what its package.json says beside.
    """
    held = dict(payload if payload is not None else files())
    identifying = sorted(name for name in held if not name.startswith("data/06_report/"))
    held["data/00_index/package.json"] = _bytes(
        {"package_id": id, "name": id, "version": version, "files": {"identifying": identifying},
         "protocol_sha256": "0" * 64, "lock_id": seed.LOCK, "results_sha256": str(version), "audience": "authority",
         **(described or {})}
    )  # fmt: skip
    manifest = standalone.manifest_bytes({name: sha256_hex(one) for name, one in held.items()})
    members = {f"{id}/{name}": one for name, one in {**held, standalone.MANIFEST: manifest}.items()}
    path = platform.layout.packages / f"{id}.zip"
    path.write_bytes(standalone.zip_bytes(members))
    fields: dict[str, Any] = {
        "organisation_id": "org-operator", "project_id": "demo", "study_id": seed.STUDY, "run_id": seed.RUN,
        "purpose": "registration", "audience": "authority", **columns,
    }  # fmt: skip
    package = EvidencePackage(
        id=id, version=version, file_name=path.name, sha256=sha256_file(path), bytes=path.stat().st_size,
        state="assembled", made_at=as_text(platform.clock()), **fields,
    )  # fmt: skip
    platform.records.write(package, audit=Act(seed.SEED, "package.assembled", Object("package", id)))
    if released:
        release(platform, package)
    return platform.records.get(EvidencePackage, id)


def release(platform: Platform, package: EvidencePackage) -> None:
    at = as_text(platform.clock())
    one = OutputRelease(
        id=f"release-{package.id}", organisation_id=package.organisation_id, project_id=package.project_id,
        package_id=package.id, product="urn:dev|LC-1", recipient_kind="competent_authority", circle="org-authority",
        content_sha256=package.sha256, conditions={"purpose": "再评价"},
        verdict={"recipient": "competent_authority", "outcome": "pass", "findings": []}, state="released",
        requested_by="user-researcher", requested_at=at, decided_at=at,
    )  # fmt: skip
    platform.records.write(one, audit=release_act(seed.SEED, "release.released", one))
