"""What of a package counts people beside its results: the attrition, and the agreement with charts.

Both are held to the smallest cell wherever the results are: before a release, and at an acceptance. What a hospital
sent (sources.json, reconciliation.csv) is counted in records: that says nothing about how many people there were.
"""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import replace

from deidentify.disclosure.accounts import rounds, steps
from deidentify.disclosure.check import outcome_of
from deidentify.disclosure.findings import Finding, Verdict
from deidentify.disclosure.recipients import recipient_of
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.release_ledger import PACKAGE_UNREADABLE
from rwd_platform.records.tables import EvidencePackage

# Their names are those of studies.evidence.documents and studies.evidence.sample.files, which load what a web process
# has no use for.
ATTRITION_JSON, ATTRITION_CSV = "data/08_trace/attrition.json", "data/08_trace/attrition.csv"
VERIFICATION_JSON = "data/04_quality/source_verification.json"
ACCOUNTS = (ATTRITION_JSON, ATTRITION_CSV, VERIFICATION_JSON)
_MALFORMED = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    RecursionError,
    csv.Error,
    zipfile.BadZipFile,
)


def small_in_accounts(files: Mapping[str, bytes], minimum: int) -> list[Finding]:
    """Findings in those of ACCOUNTS that `files` holds. Raises ValueError, KeyError and the like for what is none."""
    found: list[Finding] = []
    if ATTRITION_JSON in files:
        found += steps(ATTRITION_JSON, json.loads(files[ATTRITION_JSON])["steps"], minimum)
    if ATTRITION_CSV in files:
        text = io.StringIO(files[ATTRITION_CSV].decode("utf-8-sig"), newline="")
        told = [{name: int(row[name]) for name in ("left", "remaining")} for row in csv.DictReader(text)]
        found += steps(ATTRITION_CSV, told, minimum)
    if VERIFICATION_JSON in files:
        found += rounds(VERIFICATION_JSON, json.loads(files[VERIFICATION_JSON]), minimum)
    return found


def with_accounts(platform: Platform, package: EvidencePackage, verdict: Verdict) -> Verdict:
    """A verdict on the results of a package, with what is found in its accounts. Raises PACKAGE_UNREADABLE."""
    policy = recipient_of(verdict.recipient)
    if policy.full_listings:
        return verdict
    top = package.file_name.removesuffix(".zip")
    try:
        with zipfile.ZipFile(platform.layout.packages / package.file_name) as archive:
            there = set(archive.namelist())
            files = {name: archive.read(f"{top}/{name}") for name in ACCOUNTS if f"{top}/{name}" in there}
        found = small_in_accounts(files, policy.minimum_cell)
    except _MALFORMED:
        raise PACKAGE_UNREADABLE.error(package=package.id) from None
    findings = (*verdict.findings, *found)
    return replace(verdict, findings=findings, outcome=outcome_of(findings))
