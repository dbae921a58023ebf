"""The linter: what would leak, be invalid or be misread is an error, whichever way the policy came about."""

from __future__ import annotations

import pytest

from deidentify.fhir_paths import element_at, is_resource_type, modifiers_of
from deidentify.lint import Finding, has_errors, lint
from deidentify.policy import load_policy, parse_policy, shipped_policies
from rwd_platform.core.errors import PlatformError

HEAD = 'name = "t"\nversion = "1"\nzh = "测"\nen = "t"\nas_of = "2026-01-01"\n'


def findings(text: str) -> set[tuple[str, str, str]]:
    return {(one.severity, one.rule, one.where) for one in lint((HEAD + text).encode())}


# One line under its section, and the finding that it must give: (severity, rule, type, path).
FOUND = [
    ("error", "unknown_path", "Patient", 'colour = "keep"'),
    ("error", "unknown_path", "Patient", '"birthDate.year" = "keep"'),
    ("error", "unfit_action", "Patient", 'gender = "date:year"'),
    ("error", "unfit_action", "Observation", 'valueString = "date:year"'),
    ("error", "unfit_action", "Observation", 'issued = "date:month"'),
    ("error", "unfit_action", "Observation", 'valueTime = "date:shift"'),
    ("error", "shifted_birth", "Patient", 'birthDate = "date:shift"'),
    ("error", "shifted_birth", "RelatedPerson", 'birthDate = "date:shift"'),
    ("error", "shifted_birth", "FamilyMemberHistory", '"bornPeriod.start" = "date:shift"'),
    ("error", "unfit_action", "Patient", 'gender = "pseudonym"'),
    ("error", "unfit_action", "Observation", '"identifier.value" = "pseudonym"'),
    ("error", "unfit_action", "Observation", 'subject = "reference"'),
    ("error", "unfit_action", "Observation", '"subject.display" = "reference"'),
    ("error", "unfit_action", "Condition", '"code.coding.code" = "reference:Patient"'),
    ("error", "unfit_action", "Observation", 'effectiveDateTime = "age-band:5"'),
    ("error", "unfit_action", "Observation", 'valueQuantity = "age-band:5"'),
    ("error", "unfit_action", "Observation", 'valueInteger = "generalise:icd10:category"'),
    ("error", "unfit_action", "Condition", 'code = "generalise:icd10:category"'),
    ("error", "unfit_action", "Condition", 'code = "mask"'),
    ("error", "unfit_action", "Patient", '"name.given" = "mask"'),
    ("error", "unfit_action", "Condition", 'code = "keep"'),
    ("error", "kept_identifying", "Condition", '"code.text" = "keep"'),
    ("error", "kept_identifying", "Condition", '"code.coding.display" = "keep"'),
    ("error", "kept_identifying", "Condition", 'note = "keep"'),
    ("error", "kept_identifying", "Condition", '"note.text" = "keep"'),
    ("error", "kept_identifying", "Condition", 'text = "keep"'),
    ("error", "kept_identifying", "Condition", '"text.div" = "keep"'),
    ("error", "kept_identifying", "Condition", 'onsetString = "keep"'),
    ("error", "kept_identifying", "Patient", 'id = "keep"'),
    ("error", "kept_identifying", "Patient", 'name = "keep"'),
    ("error", "kept_identifying", "Patient", '"name.family" = "keep"'),
    ("error", "kept_identifying", "Patient", '"telecom.value" = "keep"'),
    ("error", "kept_identifying", "Patient", 'identifier = "keep"'),
    ("error", "kept_identifying", "Patient", '"identifier.value" = "keep"'),
    ("error", "kept_identifying", "Patient", '"address.line" = "keep"'),
    ("error", "kept_identifying", "Patient", '"address.city" = "keep"'),
    ("error", "kept_identifying", "Patient", 'photo = "keep"'),
    ("error", "kept_identifying", "Patient", '"photo.data" = "keep"'),
    ("error", "kept_identifying", "Patient", '"photo.url" = "keep"'),
    ("error", "kept_identifying", "Observation", '"subject.reference" = "keep"'),
    ("error", "kept_identifying", "Observation", '"meta.source" = "keep"'),
    ("error", "kept_identifying", "Observation", '"meta.profile" = "keep"'),
    ("error", "kept_identifying", "Device", 'serialNumber = "keep"'),
    ("warning", "true_date", "Condition", 'recordedDate = "keep"'),
    ("warning", "fine_geography", "Patient", '"address.city" = "generalise:region:prefecture"'),
    ("warning", "fine_geography", "Patient", '"address.state" = "generalise:region:province"'),
    ("warning", "fine_geography", "Location", '"position.latitude" = "keep"'),
]
UNSUSPICIOUS = [
    ("Patient", 'id = "pseudonym"'),
    ("Patient", 'birthDate = "age-band:5"'),
    ("Patient", 'birthDate = "date:year"'),
    ("Condition", 'onsetAge = "age-band:5"'),
    ("Condition", '"code.coding.system" = "keep"'),
    ("Condition", '"code.coding.code" = "generalise:icd10:category"'),
    ("Observation", '"subject.reference" = "reference:Patient"'),
    ("Observation", '"subject.type" = "keep"'),
    ("Observation", 'issued = "date:shift"'),
    ("Immunization", 'occurrenceString = "mask"'),
    ("Device", '"udiCarrier.deviceIdentifier" = "device-identifier"'),
]


@pytest.mark.parametrize(
    ("severity", "rule", "kind", "line"), FOUND, ids=[f"{c[2]} {c[3]}"[:60] for c in FOUND]
)
def test_what_a_line_does_wrong_is_found_at_its_place(severity: str, rule: str, kind: str, line: str):
    """Unknown paths, actions that do not fit, identifying elements kept, true dates and fine geography."""
    path = line.partition(" = ")[0].strip('"')
    assert (severity, f"lint.{rule}", f"[{kind}] {path}") in findings(f"[{kind}]\n{line}")


@pytest.mark.parametrize(("kind", "line"), UNSUSPICIOUS)
def test_what_is_right_is_not_complained_about(kind: str, line: str):
    """Only what is left out of these small policies is found, nothing about the line itself."""
    rules = {rule for _, rule, _ in findings(f"[{kind}]\n{line}")}
    assert rules <= {"lint.required_left_out", "lint.modifier_left_out"}


LEFT_OUT = [
    # policy, what FHIR requires or marks as modifier and the policy leaves out
    ('[Observation]\nstatus = "keep"', {("required_left_out", "code")}),
    (
        '[Observation]\nstatus = "mask"\n"code.coding.code" = "keep"',
        {("modifier_left_out", "status")},
    ),
    (
        '[Observation]\nstatus = "text"\n"code.coding.code" = "keep"',
        {("required_left_out", "status"), ("modifier_left_out", "status")},
    ),
    (
        '[Observation]\nstatus = "keep"\n"code.coding.code" = "keep"\n"component.valueBoolean" = "keep"',
        {("required_left_out", "component.code")},
    ),
    (
        '[Observation]\nstatus = "keep"\n"code.coding.code" = "keep"\ncomponent = "drop"',
        set(),
    ),
    (
        '[Observation]\nstatus = "keep"\n"code.coding.code" = "keep"\n"valueQuantity.value" = "keep"',
        {("modifier_left_out", "valueQuantity.comparator")},
    ),
    (
        '[Patient]\nactive = "keep"\ndeceasedBoolean = "keep"\ndeceasedDateTime = "drop"\n"link.type" = "keep"',
        {("modifier_left_out", "deceasedDateTime"), ("required_left_out", "link.other")},
    ),
    (
        '[Immunization]\nstatus = "keep"\n"vaccineCode.coding.code" = "keep"\nisSubpotent = "keep"\n'
        '"patient.reference" = "reference"\noccurrenceDateTime = "date:year"\noccurrenceString = "drop"',
        {("required_left_out", "occurrenceString")},
    ),
    (
        '[CarePlan]\nstatus = "keep"\nintent = "keep"\n"subject.reference" = "reference"\n'
        '"activity.detail.status" = "keep"',
        {("modifier_left_out", "activity.detail.doNotPerform")},
    ),
    (
        '[Patient]\nactive = "keep"\ndeceasedBoolean = "keep"\ndeceasedDateTime = "date:year"\n'
        '"link.type" = "keep"\n"link.other.reference" = "reference"\n"address.city" = "drop"\n'
        '"address.type" = "keep"',
        {("modifier_left_out", "address.use")},
    ),
]


@pytest.mark.parametrize(("text", "expected"), LEFT_OUT)
def test_what_fhir_requires_and_what_modifies_a_meaning_must_not_be_left_out(
    text: str, expected: set[tuple[str, str]]
):
    """Only where what it belongs to stays: nothing is missing from a component that is dropped whole."""
    found = {(rule.removeprefix("lint."), where.split("] ")[1]) for _, rule, where in findings(text)}
    assert found == expected


def test_every_unknown_name_is_listed_not_only_the_first():
    """`rwd deidentify` stops at the first; whoever writes a policy wants them all."""
    found = findings(
        '[Human]\nid = "keep"\n[Beast]\nresource = "drop"\n[Patient]\nnose = "keep"\near = "keep"'
    )
    unknown = {where for _, rule, where in found if rule.startswith("lint.unknown")}
    assert unknown == {"[Human]", "[Beast]", "[Patient] nose", "[Patient] ear"}


def test_an_unused_shape_is_only_a_note_and_a_used_one_is_not_mentioned():
    """A shape used by an unused shape only is used."""
    text = '[shape.a]\ncode = "keep"\n[shape.b]\ncoding = "shape:a"\n[Basic]\n"code.coding.code" = "keep"'
    notes = [one for one in lint((HEAD + text).encode()) if one.severity == "note"]
    assert [(one.where, one.rule) for one in notes] == [("[shape.b]", "lint.unused_shape")]
    assert not has_errors(tuple(notes))


def test_an_internal_policy_may_keep_true_dates_and_a_declared_geography_may_stay():
    """The lake is a limited data set that never leaves; it says so in its own file."""
    dates = '[Condition]\nrecordedDate = "keep"'
    assert "lint.true_date" not in {rule for _, rule, _ in findings("internal = true\n" + dates)}
    place = '[Patient]\n"address.city" = "generalise:region:prefecture"'
    for geography, warned in (
        ("country", True),
        ("province", True),
        ("prefecture", False),
        ("county", False),
    ):
        rules = {rule for _, rule, _ in findings(f'geography = "{geography}"\n{place}')}
        assert ("lint.fine_geography" in rules) is warned


@pytest.mark.parametrize("name", shipped_policies())
def test_the_policies_of_the_house_have_no_errors(name: str):
    """Nothing identifying is kept, nothing required or modifying is left out. Only the limited data set warns."""
    found = lint(load_policy(name))
    assert not has_errors(found)
    assert {one.rule for one in found} == ({"lint.true_date"} if name == "limited_dataset" else set())


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe", b"[Patient", b"x" * 2_000_000, "name = '王'".encode("gb18030")]
)
def test_bytes_that_are_no_policy_are_one_finding(content: bytes):
    """A page can show it where the other findings stand; both languages say why."""
    (only,) = lint(content, "sent.toml")
    assert (only.severity, only.rule, only.where) == ("error", "lint.unreadable", "sent.toml")
    assert "sent.toml" in only.zh and "sent.toml" in only.en


def test_findings_come_errors_first_and_speak_both_languages():
    """The same policy gives the same list; each finding is complete."""
    text = HEAD + '[shape.a]\ncode = "keep"\n[Condition]\nrecordedDate = "keep"\nnote = "keep"\n'
    found = lint(text.encode())
    assert found == lint(text.encode())
    order = [one.severity for one in found]
    assert order == sorted(order, key=("error", "warning", "note").index) and len(set(order)) == 3
    for one in found:
        assert isinstance(one, Finding) and one.zh and one.en and "{" not in one.zh + one.en
        assert set(one.as_dict()) == {"severity", "where", "rule", "zh", "en"}


def test_fhir_is_read_from_its_models_and_the_modifiers_from_its_specification():
    """A few facts of FHIR R4 by hand, against the models and the table that the linter reads."""
    assert element_at("Encounter", "class.code").type == "code"  # type: ignore[union-attr]
    assert element_at("Attachment", "data").type == "base64Binary"  # type: ignore[union-attr]
    assert element_at("Immunization", "occurrenceString").required  # type: ignore[union-attr]
    assert not element_at("Condition", "onsetString").required  # type: ignore[union-attr]
    assert element_at("Patient", "link.other.type").type == "uri"  # type: ignore[union-attr]
    assert element_at("Patient", "resourceType") is None
    assert is_resource_type("Patient")
    assert not any(map(is_resource_type, ("Coding", "DomainResource", "patient", "", "a b", "王")))
    assert modifiers_of("Patient") == ("active", "deceased[x]", "link")
    assert modifiers_of("AllergyIntolerance") == ("clinicalStatus", "verificationStatus")
    assert modifiers_of("Coding") == ()


SHIFTED = '[Encounter]\n"period.start" = "date:shift"\n'
BESIDE_SHIFTED = [
    # a line of another type, and whether it gives the offset away beside shifted encounters
    ("Observation", 'effectiveDateTime = "date:month"', True),
    ("Observation", 'effectiveDateTime = "date:year"', True),
    ("Observation", 'effectiveDateTime = "keep"', True),
    ("Observation", 'effectiveDateTime = "generalise:date:month"', True),
    ("Observation", 'issued = "keep"', True),
    ("Observation", '"component.valueDateTime" = "date:month"', True),
    ("Observation", 'effectivePeriod = "keep"', True),
    ("Observation", '"effectivePeriod.end" = "date:year"', True),
    ("MedicationRequest", '"dosageInstruction.timing.event" = "keep"', True),
    ("Appointment", 'start = "keep"', True),
    ("Immunization", 'expirationDate = "date:year"', True),
    ("Patient", 'deceasedDateTime = "date:year"', True),
    ("Patient", 'birthDate = "keep"', True),
    ("Patient", 'birthDate = "date:month"', True),
    ("Patient", 'birthDate = "date:year"', False),
    ("Patient", 'birthDate = "age-band:5"', False),
    ("Observation", 'effectiveDateTime = "date:shift"', False),
    ("Observation", 'effectiveDateTime = "drop"', False),
    ("Immunization", 'occurrenceDateTime = "mask"', False),
    ("Practitioner", 'birthDate = "date:year"', False),
    ("CodeSystem", 'date = "keep"', False),
    ("Medication", '"batch.expirationDate" = "date:month"', False),
]


@pytest.mark.parametrize(
    ("kind", "line", "wrong"), BESIDE_SHIFTED, ids=[f"{c[0]} {c[1]}" for c in BESIDE_SHIFTED]
)
def test_a_date_that_stays_true_beside_shifted_ones_is_an_error_and_refused(
    kind: str, line: str, wrong: bool
):
    """The true month of one event and the shifted day of another rule out most of the 365 offsets. Without any
    shifted date the same line is no such error; which says that the mixing is what is found.
    """
    path = line.partition(" = ")[0].strip('"')
    text = f"{SHIFTED}[{kind}]\n{line}"
    assert (("error", "lint.mixed_dates", f"[{kind}] {path}") in findings(text)) is wrong
    assert "lint.mixed_dates" not in {rule for _, rule, _ in findings(f"[{kind}]\n{line}")} or "shift" in line
    if wrong:
        with pytest.raises(PlatformError) as refused:
            parse_policy((HEAD + text).encode(), "own.toml")
        assert refused.value.code == "policy.malformed"
        assert f"[{kind}] {path}" in refused.value.en and "offset" in refused.value.en
        assert f"[{kind}] {path}" in refused.value.zh and "前移" in refused.value.zh
    else:
        assert parse_policy((HEAD + text).encode(), "own.toml").shifts_dates


def test_a_shifted_birth_date_is_refused_and_says_what_to_do_instead():
    """Somebody's birthday is known to many; with it, her offset, and all her dates, would be known too."""
    with pytest.raises(PlatformError, match="age-band:N or date:year") as refused:
        parse_policy((HEAD + '[Patient]\nbirthDate = "date:shift"').encode(), "own.toml")
    assert "age-band:N 或 date:year" in refused.value.zh


@pytest.mark.parametrize(
    "url", ["http://", "https://", "http:/", "http:///", "urn:/", "http://:80/", "http://./", "a:/"]
)
def test_an_address_without_a_host_is_no_family_of_code_systems(url: str):
    """`http://` would let every text stay that begins so."""
    text = f'[Patient]\nactive = "keep"\n[systems]\n"{url}" = "keep"'
    assert ("error", "lint.system_without_host", f"[systems] {url}") in findings(text)
    with pytest.raises(PlatformError, match="needs a host"):
        parse_policy((HEAD + text).encode(), "own.toml")


@pytest.mark.parametrize(
    ("url", "warned"),
    [
        ("https://his.example.org/codes/", True),
        ("http://his:8080/", True),
        ("http://terminology.hl7.org/CodeSystem/", False),
        ("https://his.example.org/codes/ward", False),
        ("urn:oid:1.2.3", False),
    ],
)
def test_a_family_of_systems_that_is_not_hl7s_is_warned_of(url: str, warned: bool):
    """`https://his.example.org/codes/WangXiaoming` would stay; below HL7's addresses only HL7's own names do."""
    found = findings(f'[Patient]\nactive = "keep"\n[systems]\n"{url}" = "keep"')
    assert (("warning", "lint.open_systems", f"[systems] {url}") in found) is warned
