"""One unit judged: is it valid, may it stay, what is left of it for the lake, and what goes to the vault.

Everything here is kept in memory until the whole upload is decided; nothing is written.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from deidentify.genetics import genetic_fault
from deidentify.policy import Policy, load_policy
from deidentify.pseudonym import Pseudonymiser
from deidentify.quarantine import GENETIC, Quarantine, quarantine
from deidentify.references import rewrite
from deidentify.scrub import scrub
from ingestion.terminology import check_terms
from ingestion.validate import check
from ingestion.views import View, flatten, load_views
from rwd_platform.core import json_text
from rwd_platform.core.accounting import Outcome
from rwd_platform.core.canonical import sha256_hex
from rwd_platform.core.errors import PlatformError
from rwd_platform.core.units import Issue, Resource, Unit
from rwd_platform.flows.admission import ID_MISSING, PATIENT_MISSING, Judged
from rwd_platform.flows.key_versions import PSEUDONYM, current_version
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.vault import sighting_of
from rwd_platform.records.tables import Upload

LAKE_POLICY = "lake"
_PATIENT = "Patient/"
# Where a resource says whom it is about. It goes before every other way to name a patient.
_ABOUT = ("subject", "patient", "beneficiary", "individual")
# The other elements by which R4 puts a resource into a patient's compartment
# (https://hl7.org/fhir/R4/compartmentdefinition-patient.html), for types in which they may stand alone.
_IN_COMPARTMENT = {
    "Appointment": ("participant.actor",),
    "AppointmentResponse": ("actor",),
    "AuditEvent": ("agent.who", "entity.what"),
    "Basic": ("author",),
    "CareTeam": ("participant.member",),
    "Claim": ("payee.party",),
    "Communication": ("sender", "recipient"),
    "CommunicationRequest": ("sender", "recipient", "requester"),
    "Composition": ("author", "attester.party"),
    "Coverage": ("policyHolder", "subscriber", "payor"),
    "DeviceRequest": ("performer",),
    "DocumentManifest": ("author", "recipient"),
    "DocumentReference": ("author",),
    "ExplanationOfBenefit": ("payee.party",),
    "Group": ("member.entity",),
    "Invoice": ("recipient",),
    "List": ("source",),
    "MedicationAdministration": ("performer.actor",),
    "MedicationDispense": ("receiver",),
    "Observation": ("performer",),
    "Person": ("link.target",),
    "Procedure": ("performer.actor",),
    "Provenance": ("target",),
    "QuestionnaireResponse": ("author", "source"),
    "RequestGroup": ("action.participant",),
    "Schedule": ("actor",),
    "ServiceRequest": ("performer",),
    "SupplyRequest": ("requester",),
}


def lake_pseudonyms(platform: Platform, upload: Upload) -> Pseudonymiser:
    """What makes the lake's pseudonyms for one source system of a hospital."""
    version = current_version(platform.records, PSEUDONYM, upload.organisation_id)
    key = platform.keys.derive("pseudonym", upload.organisation_id, version=version)
    return Pseudonymiser(key, upload.source_system, version, platform.keys.suite)


def owner_of(resource: Resource | None, pseudonyms: Pseudonymiser) -> str:
    """The pseudonym of the patient whom a resource as received is about, valid or not; "" where none is named.

    For what was accepted it is the patient_id of the lake. A resource that is about nobody and names several
    patients in other ways, a Group for one, is nobody's alone: "".
    """
    if resource is None:
        return ""
    if resource.get("resourceType") == "Patient":
        id = resource.get("id")
        return pseudonyms.token("Patient", id) if isinstance(id, str) and id else ""
    for name in _ABOUT:
        for patient in _patients_at(resource, name, pseudonyms, "Patient"):
            return patient
    paths = _IN_COMPARTMENT.get(str(resource.get("resourceType")), ())
    named = {patient for path in paths for patient in _patients_at(resource, path, pseudonyms)}
    return named.pop() if len(named) == 1 else ""


def _patients_at(element: Any, path: str, pseudonyms: Pseudonymiser, urn_type: str = "") -> Iterator[str]:
    """The patients whom the references at a path (`participant.actor`) name; several where it repeats."""
    name, _, rest = path.partition(".")
    found = element.get(name) if isinstance(element, dict) else None
    for one in found if isinstance(found, list) else [found]:
        if rest:
            yield from _patients_at(one, rest, pseudonyms, urn_type)
            continue
        reference = one.get("reference") if isinstance(one, dict) else None
        rewritten = rewrite(reference, pseudonyms, urn_type) if isinstance(reference, str) else None
        if rewritten is not None and rewritten.startswith(_PATIENT):
            yield rewritten.removeprefix(_PATIENT)


class Judge:
    """Everything one upload's units are judged with, loaded once."""

    def __init__(self, platform: Platform, upload: Upload) -> None:
        self.policy: Policy = load_policy(LAKE_POLICY)
        self.views: tuple[View, ...] = load_views()
        self.pseudonyms = lake_pseudonyms(platform, upload)
        self.see = sighting_of(platform, upload)
        self.fhir_version = upload.fhir_version

    def judge(self, unit: Unit, number: int, digest: str) -> Judged:
        resource_type = str((unit.resource or {}).get("resourceType", ""))
        judged = Judged(unit.place, unit.group, number, resource_type, Outcome.ACCEPTED, digest=digest)
        issues = unit.issues or check(unit, self.fhir_version)
        if issues or unit.resource is None:
            return replace(judged, outcome=Outcome.REJECTED, issues=issues)
        if "id" not in unit.resource:
            return judged.refused(Outcome.REJECTED, ID_MISSING)
        # Human genetic resources take another way; a measure that is not listed is the lesser reason.
        genetic = genetic_fault(unit.resource)
        if genetic:
            return judged.refused(Outcome.QUARANTINED, quarantine(GENETIC, genetic).issue)
        unknown_terms = check_terms(unit.resource)
        if unknown_terms:
            return replace(judged, outcome=Outcome.QUARANTINED, issues=unknown_terms)
        try:
            scrubbed = scrub(unit.resource, self.policy, self.pseudonyms)
        except Quarantine as held:
            return judged.refused(Outcome.QUARANTINED, held.issue)
        accepted = self._accepted(judged, scrubbed.resource, scrubbed.dropped)
        if resource_type != "Patient" or accepted.key is None:
            return accepted
        return replace(accepted, seen=self.see(unit.resource, accepted.patient_id))

    def _accepted(self, judged: Judged, resource: Resource | None, dropped: tuple[str, ...]) -> Judged:
        if resource is None:  # a type that the policy leaves behind whole: valid, counted, never stored
            return replace(judged, dropped=dropped)
        try:
            flat = tuple(flatten(resource, self.views))
        except PlatformError as problem:  # valid FHIR that no table has a place for, e.g. two values for one
            return judged.refused(Outcome.QUARANTINED, _as_issue(problem, judged.resource_type))
        if any(row.get("patient_id", "") is None for one in flat for row in one.rows):
            return judged.refused(Outcome.QUARANTINED, PATIENT_MISSING)
        return replace(
            judged,
            key=(judged.resource_type, str(resource["id"])),
            patient_id=_patient_of(resource),
            content_sha256=sha256_hex(json_text.dumps(resource).encode()),
            flat=flat,
            dropped=dropped,
        )


def _as_issue(problem: PlatformError, resource_type: str) -> Issue:
    return Issue(
        code="value",
        expression=resource_type,
        zh=problem.zh,
        en=problem.en,
        next_zh=problem.next_zh,
        next_en=problem.next_en,
        rule=problem.code,
    )


def _patient_of(resource: Resource) -> str:
    """The pseudonym of the patient a scrubbed resource is about; a Patient is about itself."""
    if resource.get("resourceType") == "Patient":
        return str(resource["id"])
    subject = resource.get("subject") or resource.get("patient") or {}
    reference = subject.get("reference", "") if isinstance(subject, dict) else ""
    return reference.removeprefix("Patient/") if reference.startswith("Patient/") else ""
