"""One patient's disclosure as an AuditEvent: every cardinality of IHE BALP's profile for the source, in our own words.

The profile is read from its source, input/fsh/Disclose.fsh of IHE/ITI.BasicAudit; `broken` is our reading of it.
The base resource is checked by fhir.resources (R4B), which we did not write.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from ingestion.validate.unit_check import issues_of_resource
from rwd_platform.audit import balp
from rwd_platform.audit.balp import (
    DisclosureEvent,
    Party,
    PatientNamed,
    Remark,
    as_bytes,
    audit_event,
    bundle,
)
from rwd_platform.compliance.standing import purposes
from rwd_platform.core.text import Bilingual

Json = dict[str, Any]
HOSPITAL = Party("org-hospital-a", "演示医院甲 · Demo Hospital A")
REFERENCE = "patient-73511a80f507774c466d9a36b1f55f86"
EVENT = DisclosureEvent(
    log="rwd-platform.example/log",
    address="https://rwd.example.org",
    recorded="2026-11-02T08:00:00.000000Z",
    source=Party("org-operator", "演示研究院 · Demo Institute"),
    recipient=Party("circle-sponsor", "申办者甲 · Sponsor Ltd"),
    recipient_at="masked",
    custodian=HOSPITAL,
    patient=PatientNamed(REFERENCE, HOSPITAL),
    by_consent="paper-7",
    purpose="research",
    purpose_words="研究合作 · Research collaboration",
    package="EP-1",
    package_sha256="ab" * 32,
    sequence=58,
    leaf_hash="cd" * 32,
    details=(("release", "release-1"),),
)
NONE = Remark("informational", Bilingual("没有。", "None."))
UNTOLD = Remark("incomplete", Bilingual("另有 2 次。", "2 more."))


# -- the profile, in our own words -------------------------------------------------------------------------------


def coded(concept: Any, system: str, code: str) -> bool:
    """Whether a CodeableConcept or a Coding says that code of that system."""
    codings = concept.get("coding", [concept]) if isinstance(concept, dict) else []
    return any((one.get("system"), one.get("code")) == (system, code) for one in codings)


def agents_as(event: Json, system: str, code: str) -> list[Json]:
    return [one for one in event.get("agent", []) if coded(one.get("type", {}), system, code)]


def broken(event: Json) -> Iterator[str]:
    """Which rules of the profile an event breaks."""
    if event.get("modifierExtension"):
        yield "no modifierExtension"
    if not coded(event.get("type"), balp.DICOM, "110106"):
        yield "type is DCM 110106"
    if sum(coded(one, balp.LIFECYCLE, "disclose") for one in event.get("subtype", [])) != 1:
        yield "exactly one subtype disclose"
    if event.get("action") != "R":
        yield "action R"
    for name in ("recorded", "outcome"):
        if not event.get(name):
            yield f"{name} 1..1"
    if len(event.get("agent", [])) < 2:
        yield "agent 2..*"
    observer = event.get("source", {}).get("observer")
    for name, system, code, least, most, network in (
        ("source", balp.DICOM, "110153", 1, 1, True),
        ("recipient", balp.DICOM, "110152", 1, 1, True),
        ("custodian", balp.SNOMED, "159541003", 0, 1, False),
        ("authorizer", balp.SNOMED, "429577009", 0, 1, False),
    ):
        found = agents_as(event, system, code)
        if not least <= len(found) <= most:
            yield f"{name} {least}..{most}"
        for one in found:
            if not one.get("who"):
                yield f"{name} who"
            if network and not one.get("network"):
                yield f"{name} network"
            if name == "source" and one.get("who") != observer:
                yield "val-audit-source"
    if len(event.get("entity", [])) < 2:
        yield "entity 2..*"
    patients = [one for one in event.get("entity", []) if coded(one.get("type"), balp.ENTITY_TYPE, "1")]
    if len(patients) != 1:
        yield "exactly one patient entity"
    for one in patients:
        if not coded(one.get("role"), balp.OBJECT_ROLE, "1"):
            yield "patient role"
        if one.get("what", {}).get("type") != "Patient":
            yield "patient what is a Patient"


def without(place: Callable[[Json], Any], key: Any) -> Callable[[Json], None]:
    def spoil(event: Json) -> None:
        place(event).pop(key)

    return spoil


SPOILT: list[tuple[Callable[[Json], Any], str]] = [
    (lambda one: one.update(modifierExtension=[{"url": "urn:x", "valueCode": "x"}]), "no modifierExtension"),
    (lambda one: one["type"].update(code="110107"), "type is DCM 110106"),
    (without(lambda one: one["subtype"], 0), "exactly one subtype disclose"),
    (lambda one: one["subtype"].append(copy.deepcopy(one["subtype"][0])), "exactly one subtype disclose"),
    (lambda one: one.update(action="C"), "action R"),
    (lambda one: one.pop("recorded"), "recorded 1..1"),
    (lambda one: one.pop("outcome"), "outcome 1..1"),
    (lambda one: one.update(agent=one["agent"][:1]), "agent 2..*"),
    (lambda one: one["agent"].append(copy.deepcopy(one["agent"][0])), "source 1..1"),
    (without(lambda one: one["agent"], 1), "recipient 1..1"),
    (lambda one: one["agent"].append(copy.deepcopy(one["agent"][2])), "custodian 0..1"),
    (lambda one: one["agent"].append(copy.deepcopy(one["agent"][3])), "authorizer 0..1"),
    (lambda one: one["agent"][1].pop("who"), "recipient who"),
    (lambda one: one["agent"][0].pop("network"), "source network"),
    (lambda one: one["source"].update(observer={"display": "somebody else"}), "val-audit-source"),
    (lambda one: one.update(entity=one["entity"][:1]), "entity 2..*"),
    (lambda one: one["entity"].append(copy.deepcopy(one["entity"][0])), "exactly one patient entity"),
    (lambda one: one["entity"][0].pop("role"), "patient role"),
    (lambda one: one["entity"][0]["what"].update(type="Practitioner"), "patient what is a Patient"),
]


VARIANTS: dict[str, DisclosureEvent] = {
    "whole": EVENT,
    "nothing optional": replace(EVENT, custodian=None, by_consent="", details=()),
    "no address": replace(EVENT, address="", recipient_at="unknown"),
    "the hospital's number": replace(EVENT, patient=PatientNamed(REFERENCE, HOSPITAL, "MR-2026-0001")),
    "no code for the purpose": replace(EVENT, purpose="registration"),
    "hostile": replace(
        EVENT,
        purpose_words='"}],"x":[{"',
        recipient=Party("<script>", "名\u202e字"),
        patient=PatientNamed(REFERENCE, HOSPITAL, "'; DROP TABLE patient; --"),
    ),
}


@pytest.mark.parametrize("event", VARIANTS.values(), ids=VARIANTS)
def test_an_event_keeps_every_rule_of_the_profile(event: DisclosureEvent) -> None:
    assert list(broken(audit_event(event))) == []


@pytest.mark.parametrize(("spoil", "rule"), SPOILT, ids=[f"{n} {rule}" for n, (_, rule) in enumerate(SPOILT)])
def test_an_event_that_breaks_a_rule_is_found_by_the_check_above(
    spoil: Callable[[Json], Any], rule: str
) -> None:
    event = audit_event(EVENT)
    spoil(event)
    assert rule in list(broken(event))


@pytest.mark.parametrize("event", VARIANTS.values(), ids=VARIANTS)
def test_fhir_resources_and_our_own_gate_read_an_event(event: DisclosureEvent) -> None:
    from fhir.resources.R4B.auditevent import AuditEvent

    made = audit_event(event)
    read = AuditEvent.model_validate(made)
    assert json.loads(read.model_dump_json())["entity"][0]["what"] == made["entity"][0]["what"]
    assert issues_of_resource(made, "R4B") == () and issues_of_resource(made, "R4") == ()


def test_fhir_resources_refuses_an_event_without_what_the_base_asks_for() -> None:
    """The second opinion is one: it does not take everything."""
    from fhir.resources.R4B.auditevent import AuditEvent
    from pydantic import ValidationError

    for name in ("agent", "recorded", "type", "source"):
        event = audit_event(EVENT)
        event.pop(name)
        with pytest.raises(ValidationError):
            AuditEvent.model_validate(event)


# -- what it says ------------------------------------------------------------------------------------------------


def test_the_patient_is_a_keyed_reference_unless_the_hospital_gave_its_number() -> None:
    plain = as_bytes(audit_event(EVENT)).decode()
    assert REFERENCE in plain and "MR-2026-0001" not in plain
    own = audit_event(VARIANTS["the hospital's number"])
    what = own["entity"][0]["what"]
    assert what["identifier"]["value"] == "MR-2026-0001" and "reference" not in what
    assert what["identifier"]["assigner"]["identifier"]["value"] == HOSPITAL.id
    assert REFERENCE not in json.dumps(own), "the reference of the log is not given with the number"
    assert own["id"] == audit_event(EVENT)["id"], "an id that follows from the number would tell it"


def test_the_entry_of_the_log_stands_in_the_event() -> None:
    details = {one["type"]: one["valueString"] for one in audit_event(EVENT)["entity"][1]["detail"]}
    assert details == {
        "sha256": "ab" * 32, "log": "rwd-platform.example/log", "log-sequence": "58",
        "log-leaf-hash": "cd" * 32, "release": "release-1",
    }  # fmt: skip


def test_a_purpose_without_a_code_that_says_the_same_is_named_in_words_alone() -> None:
    (coded_purpose,) = audit_event(EVENT)["purposeOfEvent"]
    assert coded(coded_purpose, balp.REASON, "HRESCH") and coded_purpose["text"].startswith("研究合作")
    (in_words,) = audit_event(VARIANTS["no code for the purpose"])["purposeOfEvent"]
    assert list(in_words) == ["text"]


def test_every_code_of_a_purpose_is_of_hl7s_general_purposes_and_of_a_purpose_that_there_is() -> None:
    """The nine codes of GeneralPurposeOfUse (OID 2.16.840.1.113883.1.11.20449)."""
    general = {"COVERAGE", "ETREAT", "HMARKT", "HOPERAT", "HPAYMT", "HRESCH", "PATRQT", "PUBHLTH", "TREAT"}
    assert {one["code"] for one in balp.purpose_codes().values()} <= general
    assert balp.purpose_codes().keys() <= purposes().keys()
    assert {"registration", "post_market", "inspection"}.isdisjoint(balp.purpose_codes())


def test_an_address_that_is_not_known_is_said_to_be_absent_and_not_made_up() -> None:
    source, recipient, *_ = audit_event(VARIANTS["no address"])["agent"]
    for agent in (source, recipient):
        (extension,) = agent["network"]["_address"]["extension"]
        assert extension == {"url": balp.ABSENT, "valueCode": "unknown"} and "address" not in agent["network"]
    assert audit_event(EVENT)["agent"][0]["network"]["address"] == "https://rwd.example.org"


def test_custodian_and_authorizer_are_left_out_where_nobody_is_known() -> None:
    assert len(audit_event(EVENT)["agent"]) == 4
    assert len(audit_event(VARIANTS["nothing optional"])["agent"]) == 2
    (authorizer,) = agents_as(audit_event(EVENT), balp.SNOMED, "429577009")
    assert authorizer["who"] == audit_event(EVENT)["entity"][0]["what"]
    assert authorizer["policy"] == ["https://rwd-platform.example/log/paper/paper-7"]


# -- the bundle --------------------------------------------------------------------------------------------------


def test_the_same_question_is_the_same_file() -> None:
    made = [as_bytes(bundle([EVENT, replace(EVENT, leaf_hash="ef" * 32)], [UNTOLD])) for _ in range(2)]
    assert made[0] == made[1] and made[0] == json.dumps(
        json.loads(made[0]), ensure_ascii=False, sort_keys=True, separators=(",", ":")
    ).encode("utf-8")


def test_each_entry_has_a_name_of_its_own_and_one_patient() -> None:
    events = [replace(EVENT, sequence=n, leaf_hash=f"{n:064x}") for n in range(50)]
    found = bundle(events, [UNTOLD])
    names = [one["fullUrl"] for one in found["entry"]]
    assert len(set(names)) == 51 and all(name.startswith("urn:uuid:") and name[23] == "8" for name in names)
    kinds = [one["resource"]["resourceType"] for one in found["entry"]]
    assert kinds == ["AuditEvent"] * 50 + ["OperationOutcome"]


@pytest.mark.parametrize(("remark", "severity"), [(NONE, "information"), (UNTOLD, "warning")])
def test_a_bundle_without_events_says_why(remark: Remark, severity: str) -> None:
    from fhir.resources.R4B.bundle import Bundle

    found = bundle([], [remark])
    Bundle.model_validate(found)
    (entry,) = found["entry"]
    (issue,) = entry["resource"]["issue"]
    assert (issue["severity"], issue["code"]) == (severity, remark.code)
    assert remark.text.zh in issue["details"]["text"] and remark.text.en in issue["details"]["text"]
    assert issues_of_resource(entry["resource"], "R4B") == ()


def test_a_thousand_events_are_a_valid_bundle() -> None:
    from fhir.resources.R4B.bundle import Bundle

    events = [replace(EVENT, sequence=n, leaf_hash=f"{n:064x}") for n in range(1_000)]
    assert len(Bundle.model_validate(json.loads(as_bytes(bundle(events, [])))).entry) == 1_000
