"""Rows as the flows leave them, so that pages can be tested without waiting for a whole journey.

The numbers are invented and small; what the journey's own test checks is that real ones arrive here too.
"""

# ruff: noqa: E501 - tables are easier to read on one line
from __future__ import annotations

import json
import zipfile
from typing import Any

import pandas as pd

from rwd_platform.core.canonical import sha256_file, sha256_hex, sha256_of
from rwd_platform.core.clock import as_text
from rwd_platform.core.text import Bilingual
from rwd_platform.flows.erase_duties import read_answers
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.release_votes import release_act
from rwd_platform.flows.transfer import decide_transfer
from rwd_platform.flows.withdraw import retention
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.tables import (
    AnalysisRun,
    BreakGlassRequest,
    DataLockRecord,
    DroppedElement,
    ErasureRequest,
    EvidencePackage,
    OutputRelease,
    QualityRun,
    RiskRun,
    Study,
    TextReview,
    UnitIssue,
    Upload,
    UploadFile,
    Withdrawal,
)
from rwd_platform.store.receipts import ReceiptLine, write_receipt

SEED = Actor("user-researcher", "researcher", "org-operator")
UPLOAD, STUDY, PACKAGE, RUN = "upload-1", "study-1", "EP-demo-1", "run-1"
LOCK = f"L-{sha256_hex(b'the lock')}"  # as long as real ones: pages have to hold it
FILE_SHA256 = sha256_hex(b"the file")
NUMBER = "n0001"
ERASURE = "erasure-1"
ARD_ID = "restricted.crude.hormon.hazard_ratio"

PROTOCOL = """\
id: demo
title: {zh: 演示方案, en: Demo protocol}
question: {zh: 用药者复发是否更少？, en: "Do the treated have fewer recurrences?"}
estimand:
  population: {zh: 淋巴结阳性患者, en: Node-positive patients}
exposure: {records: {table: drug_exposure}}
analyses:
  - {id: restricted.crude, title: {zh: 未校正, en: Crude}}
limits:
  - {zh: 未测量的混杂, en: Unmeasured confounding}
"""


def _write(platform: Platform, *rows: Any) -> None:
    for row in rows:
        kind = str(row.__tablename__)
        platform.records.write(
            row, audit=Act(SEED, "seed.written", Object(kind, str(getattr(row, "id", "-"))))
        )


def seed_upload(platform: Platform, *, organisation: str = "hospital-a", id: str = UPLOAD) -> None:
    """An admitted upload: one good file with three reasons for keeping units out, one that could not be read."""
    at = as_text(platform.clock())
    upload = Upload(
        id=id,
        organisation_id=organisation,
        source_system="HIS",
        agreement="AG-2026-01",
        platform_role="entrusted",
        consent_version="v3",
        ethics_id="EC-2026-7",
        fhir_version="R4",
        state="admitted",
        received_at=at,
        received_by=f"user-{organisation}",
        receipt_sha256="0" * 64,
    )
    problem = {
        "code": "intake.broken_gzip",
        "zh": "压缩文件不完整。",
        "en": "The gzip file is cut short.",
        "next_zh": "请重新导出后再发送。",
        "next_en": "Export it again and send it again.",
    }
    good = UploadFile(
        id=f"{id}-f1",
        organisation_id=organisation,
        upload_id=id,
        position=0,
        name="患者 2026-10.ndjson.gz",
        sha256=FILE_SHA256 if id == UPLOAD else sha256_hex(f"{id} first".encode()),
        bytes=1_234_567,
        received=3012,
        accepted=2981,
        rejected=12,
        quarantined=3,
        duplicate=16,
    )
    broken = UploadFile(
        id=f"{id}-f2",
        organisation_id=organisation,
        upload_id=id,
        position=1,
        name="broken.ndjson.gz",
        sha256=sha256_hex(id.encode()),
        bytes=20,
        received=1,
        rejected=1,
        problem=problem,
    )
    _write(platform, upload, good, broken)
    _write(platform, *(_issue(id, organisation, number, rule) for number, rule in enumerate(_RULES)))
    _write(
        platform,
        DroppedElement(
            upload_id=id, path="Patient.name", organisation_id=organisation, policy="lake", times=990
        ),
    )


_RULES = (
    ("rejected", "missing-element", "Observation.status", "缺少必填元素 Observation.status。",
     "The required element Observation.status is missing.", "请在导出中补上该元素。", "Add it to the export."),
    ("rejected", "missing-element", "Observation.status", "缺少必填元素 Observation.status。",
     "The required element Observation.status is missing.", "请在导出中补上该元素。", "Add it to the export."),
    ("quarantined", "unknown-measure", "Observation.code", "观察项编码不在测量目录中。",
     "The observation's code is not in the list of measures.", "请改用目录中的编码。", "Use a listed code."),
)  # fmt: skip


def _issue(upload_id: str, organisation: str, number: int, rule: tuple[str, ...]) -> UnitIssue:
    outcome, name, expression, zh, en, next_zh, next_en = rule
    return UnitIssue(
        id=f"{upload_id}-i{number}",
        organisation_id=organisation,
        upload_id=upload_id,
        file_id=f"{upload_id}-f1",
        unit=number,
        outcome=outcome,
        file="患者 2026-10.ndjson.gz",
        line=100 + number,
        resource_type="Observation",
        rule=name,
        code="required",
        expression=expression,
        zh=zh,
        en=en,
        next_zh=next_zh,
        next_en=next_en,
    )


def seed_quality(platform: Platform) -> None:
    def score(category: str, zh: str, en: str, passed: int, asked: int) -> dict[str, Any]:
        shown = f"{100 * passed / asked:.2f}%" if asked else "不适用"
        text = {"zh": shown, "en": shown if asked else "not applicable"}
        return {
            "category": category,
            "label": {"zh": zh, "en": en},
            "numerator": passed,
            "denominator": asked,
            "share": passed / asked if asked else None,
            "text": text,
            "rules_kept": 3,
            "rules_asked": 4,
        }

    def card(organisation: str | None) -> dict[str, Any]:
        scores = [
            score("conformance", "规范性", "Conformance", 990, 1000),
            score("completeness", "完整性", "Completeness", 470, 500),
            score("plausibility", "合理性", "Plausibility", 0, 0),
            score("all", "全部", "All categories", 1460, 1500),
        ]
        return {"organisation_id": organisation, "scores": scores}

    reason = {
        "rule": "patient.once",
        "zh": "同一患者有两条基本信息。",
        "en": "A patient has two basic records.",
    }
    verdicts = [
        {"table": "patient", "organisation_id": None, "verdict": "quarantine", "reasons": [reason]},
        {"table": "visit", "organisation_id": None, "verdict": "admit", "reasons": []},
    ]
    hospital = {
        "table": "patient",
        "organisation_id": "hospital-b",
        "verdict": "quarantine",
        "reasons": [reason],
    }
    _write(platform, QualityRun(
        id="quality-1", organisation_id="org-operator", made_at=as_text(platform.clock()), verdict="quarantine",
        report={
            "lake_versions": {}, "gate": {"verdict": "quarantine", "tables": verdicts, "hospitals": [hospital]},
            "scorecard": {"hospitals": [card(None), card("hospital-a"), card("hospital-b")]},
            "checks": {}, "held_back": {"patient": {"rows": 2, "by_rule": {"patient.once": 2}}},
        },
    ))  # fmt: skip


def _ard_row(id: str, statistic: str, value: float | None, **more: Any) -> dict[str, Any]:
    row = {
        "id": id, "analysis": id.rsplit(".", 2)[0], "method": "Cox, crude, Efron ties", "group": "", "variable": "hormon",
        "statistic": statistic, "value": value, "unit": "", "ci_low": None, "ci_high": None, "ci_level": None, "n": 1546,
        "events": 1059, "variables": ["hormon", "time_days"], "row_set": "restricted", "data_hash": "", "engine": "",
        "engine_version": "", "warnings": [],
    }  # fmt: skip
    return {**row, **more}


def results() -> dict[str, Any]:
    forest = ("result", "title_zh", "title_en", "n", "events", "hazard_ratio", "ci_low", "ci_high")
    curve = ("time_days", "survival", "ci_low", "ci_high")
    lines = [
        [
            "all.crude.hormon.hazard_ratio",
            "全部患者，未校正",
            "All, crude",
            2982,
            1670,
            1.2994,
            1.1207,
            1.5067,
        ],
        [ARD_ID, "淋巴结阳性，未校正", "Node-positive, crude", 1546, 1059, 0.842, 0.7217, 0.9823],
        ["restricted.none.hormon.hazard_ratio", "不能估计", "Not estimable", 10, 0, None, None, None],
        ["overseas.hazard_ratio", "境外试验", "The overseas trial", 686, 299, 0.6949, 0.5438, 0.8879],
    ]
    love = [["age", "", 0.62, 0.0], ["size", "over50", 0.21, 0.01], ["meno", "postmenopausal", 0.9, None]]

    def series(id: str, columns: tuple[str, ...], points: list[list[Any]]) -> dict[str, Any]:
        return {"id": id, "analysis": id.rsplit(".", 2 if "curve" in id else 1)[0], "columns": list(columns),
                "points": points, "row_set": ""}  # fmt: skip

    return {
        "format_version": 1, "study": "demo", "protocol_sha256": "0" * 64, "lock_id": LOCK,
        "rows": [
            _ard_row(ARD_ID, "hazard_ratio", 0.842, ci_low=0.7217, ci_high=0.9823, ci_level=0.95),
            _ard_row("restricted.km.exposed.median", "median", None, unit="days", group="exposed", variable=""),
            _ard_row("restricted.km.comparator.median", "median", 1344.0, unit="days", ci_low=1219.0, ci_high=1539.0),
            _ard_row("restricted.log_rank.p_value", "p_value", 0.0285, variable=""),
        ],
        "series": [
            series("comparison.forest.lines", forest, lines),
            series("restricted.km.curve.exposed", curve, [[0, 1, 1, 1], [900, 0.8, 0.7, 0.9], [4000, 0.4, 0.3, 0.5]]),
            series("restricted.km.curve.comparator", curve, [[0, 1, 1, 1], [700, 0.7, 0.6, 0.8], [5100, 0.3, 0.2, 0.4]]),
            series("restricted.km.at_risk", ("time_days", "exposed", "comparator"), [[0, 339, 1207], [1826, 150, 500]]),
            series("restricted.balance.love", ("variable", "level", "smd_unweighted", "smd_weighted"), love),
        ],
        "row_sets": {"restricted": {"subjects": 2, "sha256": ""}}, "not_done": {"restricted.x": "没有事件 / no events"},
    }  # fmt: skip


def seed_study(
    platform: Platform,
    *,
    state: str = "analysed",
    organisation: str = "org-operator",
    protocol: str = PROTOCOL,
) -> None:
    """A study that has come as far as `state`. The protocol is a text to look at; to go on with it takes a real one."""
    at = as_text(platform.clock())
    _write(platform, Study(
        id=STUDY, organisation_id=organisation, project_id="demo", title_zh="演示研究", title_en="Demo study",
        protocol=protocol, protocol_sha256=sha256_hex(protocol.encode()), state=state, registered_at=at,
        frozen_at=at if state != "registered" else "", frozen_by="user-researcher" if state != "registered" else "",
    ))  # fmt: skip
    if state in ("locked", "analysed"):
        seed_lock(platform, organisation)
    if state == "analysed":
        stored = results()
        _write(platform, AnalysisRun(
            id=RUN, organisation_id=organisation, project_id="demo", study_id=STUDY, lock_id=LOCK, made_at=at,
            results_sha256=sha256_of(stored), results=stored,
        ))  # fmt: skip
        _keep_lineage(platform)


def seed_lock(platform: Platform, organisation: str, study_id: str = STUDY, id: str = LOCK) -> None:
    def step(zh: str, en: str, left: int, remaining: int) -> dict[str, Any]:
        return {"reason": {"zh": zh, "en": en}, "left": left, "remaining": remaining}

    steps = [
        step("有手术记录", "With a record of surgery", 0, 2990),
        step("18 岁以上的女性", "Women of 18 or more", 6, 2984),
        step("有乳腺癌诊断", "With a diagnosis of breast cancer", 2, 2982),
    ]
    seed_quality(platform)
    _write(platform, DataLockRecord(
        id=id, organisation_id=organisation, project_id="demo", study_id=study_id, quality_run_id="quality-1",
        made_at=as_text(platform.clock()), manifest={"id": id, "content": {"facts": {"attrition": steps}, "tables": {}}},
    ))  # fmt: skip


LINKED_AND_FIT: dict[str, Any] = {
    "linkage": {
        "link.linked": 1200, "link.disagree": 4, "link.no_birth_date": 2,
        "run": {
            "minimum": 20, "base": 10,
            "account": {
                "sources": [{}, {}], "persons": 3100,
                "persons_by_roles": {"care": 1860, "care+payment": 1240, "payment": None},
            },
            "errors": [{"roles": ["care", "payment"], "counts": {"pairs": 1240}, "links_at_most": {"high": 0.0045}}],
        },
    },
    "fitness": {
        "items_sha256": "cd" * 32, "assessment_sha256": "ab" * 32,
        "counts": {
            "relevance": {"met": 6, "partly": 2, "not_met": 1, "not_known": 3},
            "reliability": {"met": 8, "partly": 0, "not_met": 0, "not_known": 5},
        },
    },
}  # fmt: skip


def say_of_lock(platform: Platform, lock: DataLockRecord, **facts: Any) -> None:
    """Put facts into the record of a lock, as the flow that makes locks writes them."""
    content = lock.manifest["content"]
    lock.manifest = {**lock.manifest, "content": {**content, "facts": {**content["facts"], **facts}}}
    _write(platform, lock)


def _keep_lineage(platform: Platform) -> None:
    """Two subjects behind the number, a third that is not, and the line receipt of the file they came from."""
    lines = [
        ReceiptLine(FILE_SHA256, line, None, None, letter * 64, "accepted")
        for line, letter in ((7, "d"), (8, "f"), (9, "e"))
    ]
    write_receipt(platform.layout.receipt(UPLOAD), {FILE_SHA256: b"k" * 32}, lines)
    place = platform.layout.results / RUN
    place.mkdir(parents=True)
    (place / "row_sets.json").write_text(json.dumps({"restricted": ["s1", "s2"]}))
    columns = [
        "organisation_id",
        "subject_id",
        "variable",
        "source_file_sha256",
        "source_line",
        "line_digest",
    ]
    rows = [
        ["s1", "hormon", FILE_SHA256, 7, "d" * 64],
        ["s2", "hormon", FILE_SHA256, 9, "e" * 64],
        ["s1", "time_days", FILE_SHA256, 8, "f" * 64],
        ["s3", "hormon", FILE_SHA256, 1, "0" * 64],
    ]
    pd.DataFrame([["hospital-a", *row] for row in rows], columns=columns).to_parquet(
        place / "lineage.parquet", index=False
    )


def seed_package(platform: Platform, *, organisation: str = "org-operator") -> None:
    """A package's record and a small archive with the file of numbers; it is not a package that verifies."""
    name = f"{PACKAGE}.zip"
    printed = [
        {"id": NUMBER, "place": "主要结果 · primary", "file": "data/05_results/ard.json", "ard_id": ARD_ID,
         "field": "value", "format": "ratio", "zh": "0.84", "en": "0.84"},
        {"id": "n0002", "place": "流失 · attrition", "file": "data/03_population/attrition.json",
         "pointer": "/steps/0/remaining", "format": "int", "zh": "2,990", "en": "2,990"},
    ]  # fmt: skip
    platform.layout.packages.mkdir(parents=True, exist_ok=True)
    path = platform.layout.packages / name
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{PACKAGE}/data/06_report/numbers.json", json.dumps({"numbers": printed}))
        archive.writestr(f"{PACKAGE}/bagit.txt", "BagIt-Version: 1.0\n")
    _write(platform, EvidencePackage(
        id=PACKAGE, organisation_id=organisation, project_id="demo", study_id=STUDY, run_id=RUN,
        purpose="registration", version=1, audience="authority", file_name=name, sha256=sha256_file(path),
        bytes=path.stat().st_size, state="assembled", made_at=as_text(platform.clock()),
    ))  # fmt: skip


def seed_release(platform: Platform, *, organisation: str = "org-operator") -> str:
    """The package, released to the authority: its conditions were met and two officers agreed. Its id."""
    package = platform.records.get(EvidencePackage, PACKAGE)
    at = as_text(platform.clock())
    conditions = {"purpose": "再评价", "authorisation": "药监函〔2026〕12号", "encryption": "ab" * 32}
    verdict = {
        "recipient": "competent_authority",
        "outcome": "pass",
        "findings": [],
        "smallest_change": [],
        "minimal": True,
    }
    released = OutputRelease(
        id="release-done", organisation_id=organisation, project_id="demo", package_id=PACKAGE, product="urn:dev|LC-1",
        recipient_kind="competent_authority", circle="org-authority", content_sha256=package.sha256,
        conditions=conditions, verdict=verdict, state="released", requested_by="user-researcher", requested_at=at,
        decided_at=at,
    )  # fmt: skip
    platform.records.write(released, audit=release_act(SEED, "release.released", released))
    return "release-done"


def seed_transfer(platform: Platform, *, persons: int = 0, package_id: str = "") -> str:
    """A decision of the real rules: nobody in it is allowed, 100,000 people without any duty done are not."""
    return decide_transfer(
        platform, SEED, title=Bilingual("向境外申办者提供汇总结果", "Aggregate results to a sponsor abroad"),
        recipient="Demo Sponsor Ltd", facts=case(persons), package_id=package_id,
    ).id  # fmt: skip


def case(persons: int) -> dict[str, Any]:
    def people(count: int) -> dict[str, Any]:
        return {"general_only": {"first_key": 0, "count": 0}, "sensitive": {"first_key": 0, "count": count}}

    no = False
    return {
        "on": "2026-11-02", "crosses_border": True,
        "exporter": {"ciio": "no", "state_organ": no, "foreign_controlled": no},
        "recipient": {"foreign_or_foreign_controlled": True, "restricted_list": no},
        "persons": people(persons), "ledger_this_year": people(0),
        "data": {
            "anonymised_and_reviewed": no, "important": "no", "core_or_secret": no, "overseas_origin_only": no,
            "human_genetic_information": no, "key_pedigree_or_special_region": no, "exome_genome_persons": 0,
            "genetic_material": no,
        },
        "exemption_basis": {"kind": None, "evidence": no},
        "free_trade_zone_pack": {"id": None, "listed": None, "route_if_listed": None},
        "mechanism_in_force": {"kind": None, "valid_until": None, "covers_purpose_fields_recipient_scale": no},
        "duties": {
            "impact_assessment": no, "notice_and_separate_consent": no, "guardian_consent_if_minors": no,
            "ethics_approval": no,
        },
        "human_genetic_resources": {
            "reported": no, "backed_up": no, "review_passed": no, "filed_cooperation_both_may_use": no,
            "exit_certificate": no,
        },
        "foreign_judicial_request": {"is": no, "authority_approved": no},
    }  # fmt: skip


def seed_decisions(platform: Platform, *, requested_by: str = "user-hospital-a") -> None:
    """What waits for a privacy officer: a break-glass request, a release, a text; and a lock's risk report."""
    at = as_text(platform.clock())
    _write(
        platform,
        BreakGlassRequest(
            id="bg-1",
            organisation_id="hospital-a",
            patient_id="p1.intl.1.abcdefghijklmnop",
            requested_by=requested_by,
            requester_organisation_id="hospital-a",
            reason="随访中出现严重不良事件，须联系患者",
            minutes=30,
            state="requested",
            requested_at=at,
        ),
        OutputRelease(
            id="release-1",
            organisation_id="org-operator",
            project_id="demo",
            package_id=PACKAGE,
            product="LC-0173",
            recipient_kind="competent_authority",
            circle="org-authority",
            content_sha256="0" * 64,
            conditions={},
            verdict={"outcome": "review", "findings": []},
            state="requested",
            requested_by="user-researcher",
            requested_at=at,
        ),
        TextReview(
            id="text-1",
            organisation_id="org-operator",
            project_id="demo",
            lock_id=LOCK,
            state="cleaned",
            sealed=b"sealed",
            spans=2,
            detectors="rules 1",
            made_at=at,
        ),
        RiskRun(
            id="risk-1",
            organisation_id="org-operator",
            project_id="demo",
            of_kind="lock",
            of_id=LOCK,
            level=2,
            verdict="enclave",
            made_at=at,
            report={},
        ),
    )


def seed_erasure(platform: Platform) -> None:
    """A patient who withdrew, and the hospital's request to erase, which waits for its two officers."""
    at, patient = as_text(platform.clock()), "p1.intl.1.qponmlkjihgfedcb"
    answers = read_answers({rule["id"]: "no" for rule in retention().rules}, platform.clock().date())
    duties = {
        **answers,
        "platform_sees": {"locks": 1, "registration_package": [PACKAGE]},
    }
    _write(
        platform,
        Withdrawal(
            id="withdrawal-1", organisation_id="hospital-a", patient_id=patient, reason="consent-withdrawn",
            withdrawn_on="2026-11-01", consent_version="v3", received_by="user-hospital-a", recorded_at=at,
        ),
        ErasureRequest(
            id=ERASURE, organisation_id="hospital-a", patient_id=patient, reason="consent-withdrawn", state="requested",
            requested_by="user-hospital-a", requester_organisation_id="hospital-a", requested_at=at, duties=duties,
            counts={},
        ),
    )  # fmt: skip


def seed_everything(platform: Platform) -> str:
    """All of it; the id of a transfer on hold."""
    seed_upload(platform)
    seed_upload(platform, organisation="hospital-b", id="upload-b")
    seed_study(platform)
    seed_package(platform)
    seed_release(platform)
    seed_transfer(platform)
    return seed_transfer(platform, persons=100_000, package_id=PACKAGE)
