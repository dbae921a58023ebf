"""The package's files that are not the report: protocol, sources, quality, results, trace, proofs, code."""

from __future__ import annotations

import base64
import csv
import gzip
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from rwd_platform.core.canonical import canonical_json
from rwd_platform.core.columns import LINE_DIGEST, SOURCE_FILE, SOURCE_LINE, SUBJECT_ID
from rwd_platform.core.text import Bilingual
from rwd_platform.log.entry import Entry
from studies.attrition import AttritionStep
from studies.claims import LEVELS, after_unsealing
from studies.evidence.changed_rows import SEALED_ROWS
from studies.evidence.inputs import PackageInputs, QualityLine, Source, SourceFile, Traceable, Unsealing
from studies.evidence.labels import file_labels
from studies.evidence.templates import verify as standalone

SOURCES_JSON = "data/02_governance/sources.json"
DEIDENTIFIED_JSON = "data/02_governance/deid_report.json"
QUALITY_JSON = "data/04_quality/quality.json"
ATTRITION_JSON = "data/08_trace/attrition.json"
ATTRITION_CSV = "data/08_trace/attrition.csv"
INPUTS_JSON = "data/08_trace/inputs.json"
PROTOCOL_JSON = "data/01_protocol/protocol.json"
FREEZE_JSON = "data/01_protocol/freeze.json"
SIGNOFF_JSON = "data/10_signoff/signoff.json"
UNSEALING_JSON = "data/10_signoff/unsealing.json"
LABELS_JSON = "data/05_results/labels.json"
LINEAGE = "data/08_trace/lineage.csv.gz"
ROW_SETS_JSON = "data/08_trace/row_sets.json"
SEALED = SEALED_ROWS  # datasets for the recipient alone: an envelope is drawn anew each time
LOG_DOCUMENT = "data/09_audit/log_extract.json"  # for `rwd audit verify --extract`
VOLATILE = (
    LOG_DOCUMENT,
    UNSEALING_JSON,
    SEALED,
    standalone.AUDIT_EXTRACT,
    standalone.PROOFS_JSON,
    standalone.CHECKPOINT,
    "bag-info.txt",
    standalone.MANIFEST,
    standalone.TAG_MANIFEST,
    standalone.SIGNATURE,
)
TWO_ROLES = Bilingual(
    "asked_by 与 agreed_by 是角色，不是姓名：申请与同意由两个不同账号的人作出，角色可以相同；"
    "账号与时间见 unsealing.json。",
    "asked_by and agreed_by are roles and not names: two people, each under an account of their own, asked and agreed, "
    "and may have the same role. Accounts and times are in unsealing.json.",
)
_TEMPLATES = Path(__file__).parent / "templates"


def json_bytes(value: Any) -> bytes:
    """Readable JSON; NaN and infinity are refused."""
    return (json.dumps(plain(value), ensure_ascii=False, indent=1, allow_nan=False) + "\n").encode()


def plain(value: Any) -> Any:
    """JSON values: a bilingual text becomes {"zh", "en"}, tuples and sets become lists, dataclasses objects."""
    if isinstance(value, Bilingual):
        return {"zh": value.zh, "en": value.en}
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if hasattr(value, "__dataclass_fields__"):
        return {name: plain(getattr(value, name)) for name in value.__dataclass_fields__}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, set | frozenset):
        return sorted(plain(one) for one in value)  # one order: the same protocol gives the same bytes
    return value


def csv_bytes(rows: Iterable[Sequence[Any]]) -> bytes:
    """CSV with a byte-order mark, so that a spreadsheet reads the Chinese."""
    made = io.StringIO()
    csv.writer(made, lineterminator="\n").writerows(rows)
    return b"\xef\xbb\xbf" + made.getvalue().encode()


def json_documents(inputs: PackageInputs) -> dict[str, Any]:
    """The documents that the report's numbers may point into, by path."""
    documents: dict[str, Any] = plain(
        {
            SOURCES_JSON: {
                "format_version": 1,
                "counts": {
                    "hospitals": len({one.organisation_id for one in inputs.sources}),
                    "files": sum(len(one.files) for one in inputs.sources),
                },
                "sources": _sources(inputs),
            },
            DEIDENTIFIED_JSON: {"format_version": 1, **_deidentified(inputs)},
            QUALITY_JSON: {
                "format_version": 1,
                "lines": [_quality_line(one, inputs) for one in inputs.quality_lines],
                "facts": inputs.quality,
            },
            ATTRITION_JSON: {"format_version": 1, "steps": list(inputs.attrition)},
            PROTOCOL_JSON: inputs.protocol,
            FREEZE_JSON: inputs.freeze,
            INPUTS_JSON: {
                "format_version": 1,
                "lock": inputs.lock,
                "files": [] if inputs.is_aggregate else _files(inputs),
            },
            SIGNOFF_JSON: signoff(inputs),
        }
    )
    return documents


def _sources(inputs: PackageInputs) -> list[dict[str, Any]]:
    """Each source with its files under their labels; an aggregate package has the source's totals only."""
    found = []
    for source, labels in zip(inputs.sources, file_labels(inputs.sources), strict=True):
        files = [
            {
                "name": label,
                "sha256": file.sha256,
                "format": file.format,
                "accounting": file.accounting.as_dict(),
            }
            for file, label in zip(source.files, labels, strict=True)
        ]
        listed = {} if inputs.is_aggregate else {"files": files}
        found.append({**plain(source), "files": [], **listed, "accounting": source.accounting.as_dict()})
    return found


def _files(inputs: PackageInputs) -> list[dict[str, str]]:
    return [
        {"sha256": file.sha256, "name": label, "organisation": source.organisation_id}
        for source, labels in zip(inputs.sources, file_labels(inputs.sources), strict=True)
        for file, label in zip(source.files, labels, strict=True)
    ]


def _quality_line(line: QualityLine, inputs: PackageInputs) -> dict[str, Any]:
    """Counts of rules and rows; in an aggregate package the share of the rules that could be judged and passed."""
    if not inputs.is_aggregate:
        return asdict(line)
    judged = line.passed + line.failed
    share = round(line.passed / judged, 4) if judged else None
    return {"organisation": line.organisation, "dimension": line.dimension, "passed_share": share}


def _deidentified(inputs: PackageInputs) -> dict[str, Any]:
    """Dropped paths as a list, so that each has a pointer of its own; without counts in an aggregate package."""
    dropped = inputs.deidentified.get("dropped", {})
    counts = {} if inputs.is_aggregate else {path: {"count": count} for path, count in dropped.items()}
    listed = [{"path": path, **counts.get(path, {})} for path in sorted(dropped)]
    return {**inputs.deidentified, "dropped": listed}


def signoff(inputs: PackageInputs) -> dict[str, Any]:
    """Who signs, and what the signature means."""
    meaning = Bilingual(
        "本包由平台组装；签署人确认其内容与所列分析、数据锁定和日志一致。",
        "Assembled by the platform; the signer confirms that it agrees with the results, lock and log it names.",
    )
    return {
        "format_version": 1,
        "signer": inputs.signer.name,
        "public_key": inputs.signer.public_key.hex(),
        "algorithm": "Ed25519",
        "meaning": meaning,
        "demo_key": inputs.demo,
        "signature": standalone.SIGNATURE,
        "report_signature": _report_signature(inputs),
        "unsealing": _unsealed(inputs),
    }


def _report_signature(inputs: PackageInputs) -> dict[str, str] | None:
    """The key of the signature inside the PDFs: what is signed here vouches for it."""
    one = inputs.report_signer
    if one is None:
        return None
    return {"signer": one.name, "algorithm": one.algorithm, "public_key": one.public_key.hex()}


def _unsealed(inputs: PackageInputs) -> dict[str, Any] | None:
    """Who opened the results, by role, and what was known then: nothing that changes from run to run.

    What somebody saw may be a number of a few: it stays in the package for an authority.
    """
    one = inputs.unsealing
    if one is None:
        return None
    highest = after_unsealing(LEVELS[-1], outcomes_seen=one.outcomes_seen)
    return {
        "asked_by": one.asked.role,
        "agreed_by": one.agreed.role,
        **_two_people(one),
        "knowledge": one.knowledge,
        "seen": "" if inputs.is_aggregate else one.seen,
        "seen_before": bool(one.seen_before),
        "highest_claim": highest,
        "accounts_and_times": UNSEALING_JSON,
    }


def _two_people(one: Unsealing) -> dict[str, Any]:
    """The same role twice reads as one person: that the accounts are two is said. Their names differ between
    deployments, and the package's id does not depend on them.
    """
    two = one.asked.account != one.agreed.account
    return {"two_accounts": two, **({"who": TWO_ROLES} if two else {})}


def unsealing(inputs: PackageInputs) -> dict[str, Any]:
    """The accounts and the times of the two people; the log's extract has their entries."""
    one = inputs.unsealing
    if one is None:
        return {"format_version": 1, "unsealed": None}
    people = {"asked": asdict(one.asked), "agreed": asdict(one.agreed)}
    return {"format_version": 1, "unsealed": {**people, "outcomes_first_shown": one.seen_before}}


def fixed_files(inputs: PackageInputs, documents: Mapping[str, Any]) -> dict[str, bytes]:
    """All but report, results' drawings and index: the files that identify the package, and the volatile ones."""
    files = {name: json_bytes(document) for name, document in documents.items()}
    files["data/01_protocol/protocol.yaml"] = inputs.protocol_text.encode()
    files[UNSEALING_JSON] = json_bytes(unsealing(inputs))
    files[standalone.ARD_JSON] = json_bytes(inputs.results.as_dict())
    files["data/04_quality/reconciliation.csv"] = csv_bytes(_reconciliation(inputs))
    files[ATTRITION_CSV] = attrition_csv(inputs.attrition)
    files.update(_code(inputs))
    files.update(log_files(inputs))
    if not inputs.is_aggregate:
        files[LINEAGE] = gzip.compress(_lineage(inputs), mtime=0)
        files[ROW_SETS_JSON] = json_bytes({"format_version": 1, "row_sets": row_ordinals(inputs)})
    return files


def _reconciliation(inputs: PackageInputs) -> Iterable[Sequence[Any]]:
    """A line a file; in an aggregate package a line a source."""
    outcomes = ("received", "accepted", "rejected", "quarantined", "duplicate")
    named = ("organisation_id", "organisation_zh", "organisation_en")
    yield (*named, *(() if inputs.is_aggregate else ("file", "sha256")), *outcomes)
    for source, labels in zip(inputs.sources, file_labels(inputs.sources), strict=True):
        hospital = (source.organisation_id, *source.name)
        if inputs.is_aggregate:
            yield (*hospital, *_counts(source, outcomes))
            continue
        for file, label in zip(source.files, labels, strict=True):
            yield (*hospital, label, file.sha256, *_counts(file, outcomes))


def _counts(counted: Source | SourceFile, outcomes: Sequence[str]) -> list[Any]:
    counts = counted.accounting.as_dict()
    return [counts[one] for one in outcomes]


def attrition_csv(steps: Sequence[AttritionStep]) -> bytes:
    lines = [(place, *step.reason, step.left, step.remaining) for place, step in enumerate(steps)]
    return csv_bytes([("step", "reason_zh", "reason_en", "left", "remaining"), *lines])


def _code(inputs: PackageInputs) -> dict[str, bytes]:
    files = {f"data/07_code/src/{path}": text.encode() for path, text in inputs.code.items()}
    files["data/07_code/rerun.py"] = (_TEMPLATES / "rerun.py").read_bytes()
    files["data/07_code/RERUN.md"] = (_TEMPLATES / "RERUN.md").read_bytes()
    files["data/07_code/requirements.lock"] = inputs.requirements.encode()
    return files


def log_files(inputs: PackageInputs) -> dict[str, bytes]:
    """The log's extract in both forms with its proofs, the keys, and the programs that check and follow."""
    proofs = [
        {"sequence": proof.sequence, "path": [node.hex() for node in proof.path]}
        for proof in inputs.log.proofs
    ]
    return {
        LOG_DOCUMENT: _extract_in_one_file(inputs),
        standalone.AUDIT_EXTRACT: inputs.log.entries,
        standalone.PROOFS_JSON: json_bytes({"format_version": 1, "proofs": proofs}),
        standalone.CHECKPOINT: inputs.log.checkpoint.encode(),
        standalone.LOG_KEY: f"{inputs.log.public_key.hex()}\n".encode(),
        standalone.PACKAGE_KEY: f"{inputs.signer.public_key.hex()}\n".encode(),
        "data/08_trace/follow.py": (_TEMPLATES / "follow.py").read_bytes(),
        "data/09_audit/verify.py": (_TEMPLATES / "verify.py").read_bytes(),
    }


def _extract_in_one_file(inputs: PackageInputs) -> bytes:
    """The same entries, proofs and checkpoint in the form that `rwd audit verify --extract` reads."""
    lines = inputs.log.entries.decode().splitlines()
    proofs = [
        {
            "sequence": proof.sequence,
            "leaf_hash": Entry(proof.sequence, line.encode()).leaf_hash.hex(),
            "path": [node.hex() for node in proof.path],
        }
        for line, proof in zip(lines, inputs.log.proofs, strict=True)
    ]
    document = {"format": "rwd-audit-extract", "format_version": 1, "checkpoint": inputs.log.checkpoint}
    return canonical_json({**document, "entries": lines, "proofs": proofs}) + b"\n"


# --- the trace: rows by ordinal, never by id --------------------------------------------------------


def ordinals(inputs: Traceable) -> dict[str, int]:
    """subject_id -> its place among the lock's sorted ids, from 0. The ids themselves stay in the lock."""
    ids = {str(one) for one in inputs.lineage[SUBJECT_ID]}
    for row_set in inputs.results.row_sets.values():
        ids.update(row_set)
    return {subject: place for place, subject in enumerate(sorted(ids))}


def row_ordinals(inputs: PackageInputs) -> dict[str, list[int]]:
    places = ordinals(inputs)
    return {
        name: sorted(places[subject] for subject in ids)
        for name, ids in sorted(inputs.results.row_sets.items())
    }


def ordered_lineage(inputs: Traceable) -> pd.DataFrame:
    """row, variable, file, line, digest - sorted, without subject ids."""
    frame = inputs.lineage.assign(row=inputs.lineage[SUBJECT_ID].astype(str).map(ordinals(inputs)))
    columns = ["row", "variable", SOURCE_FILE, SOURCE_LINE, LINE_DIGEST]
    return frame[columns].sort_values(["variable", "row", SOURCE_FILE, SOURCE_LINE], ignore_index=True)


def _lineage(inputs: PackageInputs) -> bytes:
    text: str = ordered_lineage(inputs).to_csv(index=False, lineterminator="\n")
    return text.encode()


def page_trace(inputs: PackageInputs, numbers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the page needs to follow a number to its source lines; an aggregate package ends at the row set."""
    results = inputs.results.as_dict()
    row_sets = results["row_sets"]
    trace = {
        "numbers": list(numbers),
        "rows": {
            row["id"]: {key: value for key, value in row.items() if key != "id"} for row in results["rows"]
        },
        "row_sets": row_sets,
    }
    if inputs.is_aggregate:
        return trace
    for name, places in row_ordinals(inputs).items():
        row_sets[name]["ordinals"] = places
    hospitals = {source.organisation_id: plain(source.name) for source in inputs.sources}
    files: list[dict[str, Any]] = [
        {**file, "organisation": hospitals[file["organisation"]]} for file in _files(inputs)
    ]
    known = {file["sha256"]: place for place, file in enumerate(files)}
    lines = ordered_lineage(inputs)
    for sha256 in sorted(set(lines[SOURCE_FILE]) - set(known)):
        known[sha256] = len(files)
        files.append({"sha256": sha256, "name": sha256[:12], "organisation": None})
    variables = {
        str(variable): {
            "row": [int(one) for one in part["row"]],
            "file": [known[one] for one in part[SOURCE_FILE]],
            "line": [int(one) for one in part[SOURCE_LINE]],
            "digest": base64.b64encode(b"".join(bytes.fromhex(one) for one in part[LINE_DIGEST])).decode(),
        }
        for variable, part in lines.groupby("variable", sort=True)
    }
    return {**trace, "files": files, "variables": variables}
