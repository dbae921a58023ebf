"""Packages to test with: real results on the published Rotterdam data, invented hospitals, a small log."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from deidentify.classification import labels_of_package
from rwd_platform.core.accounting import Accounting
from rwd_platform.core.canonical import sha256_of
from rwd_platform.core.text import Bilingual
from rwd_platform.log.checkpoint import Checkpoint, sign_checkpoint
from rwd_platform.log.entry import Act, Actor, Entry, Object, make_entry
from rwd_platform.log.merkle import inclusion_proof, nodes_completed_by, root_of
from rwd_platform.signing.ed25519 import signer
from rwd_platform.signing.keys import demo_key_ring
from studies.attrition import AttritionStep
from studies.dataset import build as build_dataset
from studies.evidence.bag import PackageSigner
from studies.evidence.inputs import (
    DossierInputs,
    InclusionProof,
    LogExtract,
    PackageInputs,
    QualityLine,
    Rows,
    Source,
    SourceFile,
)
from studies.evidence.papers import Papers
from studies.evidence.profiles.choice import audiences_of, check_audience_and_tier
from studies.evidence.profiles.profile import profile
from studies.evidence.statements import asked
from studies.evidence.templates import verify as standalone
from studies.missingness import Missing, missingness
from studies.results import ResultSet
from studies.run import run_analyses
from studies.tables import LINEAGE_COLUMNS, in_days
from tests.studies.rotterdam_lock import FILE, Lock, rotterdam_lock, rotterdam_protocol

PROTOCOL = Path(__file__).parents[2] / "studies" / "protocols" / "rotterdam.yaml"
HOSPITALS = (
    Bilingual("滨海医院（虚构）", "Binhai Hospital (invented)"),
    Bilingual("椰林医院（虚构）", "Yelin Hospital (invented)"),
    Bilingual("望洋医院（虚构）", "Wangyang Hospital (invented)"),
)


def package_signer() -> PackageSigner:
    demo = signer(demo_key_ring(), "package", "rwd-platform.example/package")
    return PackageSigner(demo.name, demo.public_key, demo.sign)


def acts_of(results: ResultSet) -> dict[int, Act]:
    """Entries 2, 3 and 6 of the log: this protocol frozen, this lock made, these results computed."""
    actor = Actor("user-1", "researcher", "org-1")
    return {
        2: Act(actor, "study.frozen", Object("study", "study-2", results.protocol_sha256)),
        3: Act(actor, "study.locked", Object("lock", results.lock_id)),
        6: Act(actor, "study.analysed", Object("run", "run-6", sha256_of(results.as_dict()))),
    }


def log_extract(
    results: ResultSet,
    day: int = 1,
    entries: int = 7,
    taken: tuple[int, ...] = (0, 2, 3, 6),
    acts: dict[int, Act] | None = None,
) -> LogExtract:
    """A log of `entries` acts, of which `taken` are extracted. Another `day` gives other times."""
    from datetime import UTC, datetime

    actor = Actor("user-1", "researcher", "org-1")
    made: list[Entry] = []
    nodes: dict[tuple[int, int], bytes] = {}
    for sequence in range(entries):
        other = Act(actor, "study.registered", Object("study", f"study-{sequence}"))
        act = (acts_of(results) if acts is None else acts).get(sequence, other)
        at = datetime(2026, 1, day, 8, sequence, tzinfo=UTC)
        entry = make_entry(
            act, log="log.example", sequence=sequence, at=at, old_hash="", new_hash="", detail_hash=""
        )
        made.append(entry)
        for depth, place, hashed in nodes_completed_by(sequence, entry.leaf_hash, lambda *node: nodes[node]):
            nodes[depth, place] = hashed
    root = root_of(entries, lambda level, index: nodes[level, index])
    log_signer = signer(demo_key_ring(), "log", "log.example")
    note = sign_checkpoint(
        Checkpoint("log.example", entries, root),
        key_name=log_signer.name,
        public_key=log_signer.public_key,
        sign=log_signer.sign,
    )
    proofs = tuple(
        InclusionProof(one, tuple(inclusion_proof(one, entries, lambda level, index: nodes[level, index])))
        for one in taken
    )
    body = b"".join(made[one].body + b"\n" for one in taken)
    return LogExtract(body, proofs, note, log_signer.public_key)


def with_lines(lineage: pd.DataFrame) -> pd.DataFrame:
    """File, line and digest in place of the source row that an older lock's rows are named after."""
    parts = [name.split(":") for name in lineage["source_row"]]
    return lineage.drop(columns="source_row").assign(
        source_file_sha256=[part[0] for part in parts],
        source_line=[int(part[1]) for part in parts],
        line_digest=[part[2] for part in parts],
    )


def sources(file_hashes: list[str]) -> tuple[Source, ...]:
    """Three hospitals, whose files carry the hashes that the lineage names."""
    names = ("rotterdam.ndjson.gz", "bundles.json", "tables.zip")
    found = []
    for place, hospital in enumerate(HOSPITALS):
        mine = file_hashes[place::3] or [hashlib.sha256(hospital.en.encode()).hexdigest()]
        files = tuple(
            SourceFile(
                f"{number}_{names[place]}",
                one,
                Accounting(accepted=9000 + number, rejected=4, quarantined=2, duplicate=3),
            )
            for number, one in enumerate(mine)
        )
        found.append(
            Source(
                f"org-{place + 1}",
                hospital,
                files,
                f"DA-2026-0{place + 1}",
                "entrusted",
                "ICF-2.0",
                f"EC-2026-1{place}",
            )
        )
    return tuple(found)


def quality_lines() -> tuple[QualityLine, ...]:
    dimensions = (
        Bilingual("完整性", "Completeness"),
        Bilingual("规范性", "Conformance"),
        Bilingual("合理性", "Plausibility"),
    )
    return tuple(
        QualityLine(
            hospital,
            dimension,
            rules=9,
            passed=7 + (place % 2),
            failed=1 - (place % 2),
            not_applicable=1,
            quarantined=place,
        )
        for hospital in HOSPITALS
        for place, dimension in enumerate(dimensions)
    )


BEFORE = (
    AttritionStep(
        Bilingual("研究数据库中有手术记录的患者", "Patients with an operation in the store"), 0, 2985
    ),
    AttritionStep(Bilingual("非女性或性别未记录", "Not female, or gender not recorded"), 2, 2983),
    AttritionStep(
        Bilingual("起始日未满 18 岁或年龄未知", "Younger than 18 at index, or age unknown"), 1, 2982
    ),
)


@cache
def rotterdam_inputs() -> PackageInputs:
    """What the demo's package is made from, without hospitals' files in between."""
    dataset = build_dataset(rotterdam_lock(), rotterdam_protocol(), BEFORE)
    return with_results(
        run_analyses(dataset, rotterdam_protocol(), "lock-3f9a0c5d"),
        lineage=(lineage := with_lines(dataset.lineage)),
        attrition=dataset.attrition,
        sources=sources(sorted(set(lineage["source_file_sha256"]))),
    )


@cache
def rotterdam_inputs_without_results() -> PackageInputs:
    protocol = rotterdam_protocol()
    return PackageInputs(
        protocol_text=PROTOCOL.read_text(encoding="utf-8"),
        protocol=protocol,
        results=ResultSet(protocol.id, protocol.sha256, "lock-none", ()),
        freeze={"protocol_sha256": protocol.sha256, "outcomes_read_before": False},
        lock={"lock_id": "lock-3f9a0c5d", "tables": {"subject": {"rows": 2982, "sha256": "0" * 64}}},
        attrition=(),
        quality={"suites": ["patient", "measurement"]},
        quality_lines=quality_lines(),
        deidentified={
            "policy": {"name": "lake", "version": "1.0", "sha256": "a" * 64},
            "dropped": {"Patient.name": 2982, "Patient.telecom": 2982, "Observation.note": 11},
        },
        sources=sources([FILE]),
        lineage=with_lines(pd.DataFrame(columns=list(LINEAGE_COLUMNS))),
        code={"studies/__init__.py": '"""Studies."""\n'},
        requirements="pandas==2.3.3\n",
        log=log_extract(ResultSet(protocol.id, protocol.sha256, "lock-none", ())),
        signer=package_signer(),
        purpose="REG-DRUG",
        version=1,
        dated="2026-01-05",
        demo=True,
        labels=labels_of_package,
    )


def with_results(results: ResultSet, **changes: Any) -> PackageInputs:
    """Inputs with these results, and a log that names them."""
    return with_changes(
        rotterdam_inputs_without_results(), results=results, log=log_extract(results), **changes
    )


def with_changes(inputs: PackageInputs, **changes: Any) -> PackageInputs:
    return dataclasses.replace(inputs, **changes)


def resigned(folder: Path) -> None:
    """Make manifests and signature fit changed files: what a forger with the signer's key could do."""
    payload = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted((folder / "data").rglob("*"))
        if path.is_file()
    }
    from studies.evidence.bag import bag

    info = dict(line.split(": ", 1) for line in (folder / "bag-info.txt").read_text().splitlines())
    info.pop("Payload-Oxum")
    for name, content in bag(payload, package_signer(), info).items():
        (folder / name).write_bytes(content)


def numbers(folder: Path) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = json.loads((folder / standalone.NUMBERS_JSON).read_text())["numbers"]
    return listed


@cache
def small_lock() -> Lock:
    """Every fifth patient of the published table."""
    lock = rotterdam_lock()
    wanted = set(lock["subject"]["subject_id"].iloc[::5])
    return {
        name: frame[frame["subject_id"].isin(wanted)].reset_index(drop=True) for name, frame in lock.items()
    }


@cache
def small_inputs() -> PackageInputs:
    """The same study on every fifth patient: quick to build."""
    dataset = build_dataset(small_lock(), rotterdam_protocol())
    return with_results(
        run_analyses(dataset, rotterdam_protocol(), "lock-small"),
        lineage=with_lines(dataset.lineage),
        attrition=dataset.attrition,
    )


# Mandatory items that nothing of these inputs answers: the protocol names no analysis primary or of sensitivity, and
# there is no lock whose project says how it was de-identified.
DEMONSTRATION_LACKS = ("STROBE.12", "CN-2021-27.4.2", "CN-2023.primary", "CN-2023.sensitivity")


def fit_statements() -> dict[str, Bilingual]:
    """Words for all that any profile asks, each its own, and why the demonstration lacks what it lacks."""
    said = {}
    for id, one in asked().items():
        if "." in id:
            continue
        texts = (f"关于 {id} 的说明。" + "字" * one.least, f"Words about {id}. " + "word " * one.least)
        said[id] = Bilingual(*(2 * [next(iter(one.choices))])) if one.choices else Bilingual(*texts)
    why = Bilingual("演示数据没有此项内容。", "The demonstration has nothing of this kind.")
    said |= dict.fromkeys(DEMONSTRATION_LACKS, why)
    return {id: Bilingual(*(text.strip() for text in texts)) for id, texts in said.items()}


FITNESS: dict[str, Any] = {"items": [{"id": "exposure", "status": "met", "answer": None}], "counts": {}}


PAPERS = Papers("2026-01-05")  # none is on file


def dossier_inputs(
    profile_id: str,
    audience: str = "",
    tier: str = "",
    statements: dict[str, Bilingual] | None = None,
    certificate: bytes | None = None,
    **changes: Any,
) -> PackageInputs:
    """The small study's package for a purpose; its first audience and usual tier where none are named."""
    wanted = profile(profile_id)
    audience = audience or audiences_of(wanted)[0]
    dossier = DossierInputs(
        profile=wanted,
        tier=check_audience_and_tier(wanted, audience, tier),
        statements=fit_statements() if statements is None else statements,
        tables=frozenset(name for name, frame in small_lock().items() if len(frame)),
        missing=small_missing(),
        rows=small_rows(),
        certificate=certificate,
        fitness=FITNESS,
        papers=PAPERS,
    )
    inputs = small_inputs()
    told = {
        "audience": audience,
        "purpose": profile_id,
        "freeze": {**inputs.freeze, "frozen_before_first_lock": True},
        "dossier": dossier,
    }
    return with_changes(inputs, **{**told, **changes})


@cache
def small_missing() -> tuple[Missing, ...]:
    return missingness(small_lock(), rotterdam_protocol())


@cache
def small_rows() -> Rows:
    days = in_days(small_lock())
    return Rows(build_dataset(small_lock(), rotterdam_protocol()), days.get("device_use"), days["subject"])


def nothing_found() -> PackageInputs:
    """A study whose cohort is empty: every planned analysis is in `not_done`."""
    protocol = rotterdam_protocol()
    lock = {name: frame.iloc[:0] for name, frame in rotterdam_lock().items()}
    dataset = build_dataset(lock, protocol)
    return with_results(
        run_analyses(dataset, protocol, "lock-empty"),
        lineage=with_lines(dataset.lineage),
        attrition=dataset.attrition,
    )
