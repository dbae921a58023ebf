"""Policies: what a privacy officer may write, and what is refused before any data is touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from deidentify.policy import POLICIES, Rule, load_policy, parse_policy
from rwd_platform.core.errors import PlatformError

HEAD = 'name = "t"\nversion = "1"\nzh = "测试"\nen = "test"\n'
HOUSE = ["cross_border", "default", "hipaa_safe_harbor", "lake", "limited_dataset"]
VERSIONS = {"lake": "3"}  # the others are at 1
DEMO_TYPES = {"Patient", "Encounter", "Condition", "Procedure", "MedicationDispense", "Observation"}

# Elements of FHIR R4 that change what the rest of a resource means (isModifier in the specification).
# A policy that drops one of these, without a word, turns a fact into another fact.
MODIFIER_ELEMENTS = [
    ("Patient", ("active", "deceasedBoolean", "deceasedDateTime", "link.other.reference", "link.type")),
    ("Encounter", ("status",)),
    ("Condition", ("clinicalStatus.coding.code", "verificationStatus.coding.code")),
    ("Procedure", ("status",)),
    ("Observation", ("status",)),
    ("DiagnosticReport", ("status",)),
    ("AllergyIntolerance", ("clinicalStatus.coding.code", "verificationStatus.coding.code")),
    ("Medication", ("status",)),
    ("MedicationRequest", ("status", "intent", "doNotPerform")),
    ("MedicationDispense", ("status",)),
    ("MedicationAdministration", ("status",)),
    ("Immunization", ("status", "isSubpotent")),
    ("Device", ("status",)),
    ("DeviceUseStatement", ("status",)),
]

REFUSED = [
    ("an unknown action", '[Patient]\ngender = "hold"', "gender"),
    ("an action that is no text", "[Patient]\ngender = 1", "gender"),
    ("an argument where none belongs", '[Patient]\ngender = "keep:always"', "gender"),
    ("a date without a precision", '[Patient]\nbirthDate = "date"', "birthDate"),
    ("a date with an unknown precision", '[Patient]\nbirthDate = "date:week"', "birthDate"),
    ("a reference to no type", '[Patient]\n"link.other.reference" = "reference:patient"', "link.other"),
    ("a path with an index", '[Patient]\n"name[0].family" = "keep"', "name[0]"),
    ("a path with an empty step", '[Patient]\n"name..family" = "keep"', "name..family"),
    ("a wildcard", '[Patient]\n"*" = "keep"', "*"),
    ("a path and a part of it", '[Patient]\nname = "drop"\n"name.family" = "keep"', "name.family"),
    (
        "a part named by a shape and again",
        '[shape.x]\na = "keep"\n[Patient]\nb = "shape:x"\n"b.a" = "drop"',
        "b.a",
    ),
    ("an unknown shape", '[Patient]\ncode = "shape:nothing"', "code"),
    (
        "a shape defined below its use",
        '[shape.x]\na = "shape:y"\n[shape.y]\nb = "keep"\n[Patient]\nid = "keep"',
        "a",
    ),
    ("a section that is no type", '[patient]\nid = "keep"', "patient"),
    ("a text outside the sections", 'colour = "red"\n[Patient]\nid = "keep"', "colour"),
    ("an empty section", "[Patient]", "Patient"),
    ("no section at all", "", "[...]"),
    ("a whole type kept", '[Patient]\nresource = "keep"', "resource"),
    ("a whole type dropped, with a path beside", '[Patient]\nresource = "drop"\nid = "keep"', "resource"),
    ("an extension named as a path", '[Patient]\nextension = "keep"', "extension"),
    ("a modifier extension silenced", '[Patient]\nmodifierExtension = "drop"', "modifierExtension"),
    ("implicit rules silenced", '[Patient]\nimplicitRules = "drop"', "implicitRules"),
    ("an extension that is no URL", '[extensions]\nrace = "keep"\n[Patient]\nid = "keep"', "race"),
    (
        "an extension with another action",
        '[extensions]\n"http://x/y" = "mask"\n[Patient]\nid = "keep"',
        "http",
    ),
    ("a system that is no address", '[systems]\nloinc = "keep"\n[Patient]\nid = "keep"', "loinc"),
    ("a system with another action", '[systems]\n"http://x/y" = "drop"\n[Patient]\nid = "keep"', "[systems]"),
    ("systems that are no section", 'systems = ["http://x"]\n[Patient]\nid = "keep"', "[systems]"),
    ("a type that FHIR does not have", '[Human]\nid = "keep"', "[Human]"),
    ("a data type that is no resource", '[Coding]\ncode = "keep"', "[Coding]"),
    (
        "a whole type dropped that FHIR does not have",
        '[Human]\nresource = "drop"\n[Patient]\nid = "keep"',
        "[Human]",
    ),
    ("an element that FHIR does not have", '[Patient]\ncolour = "keep"', "Patient.colour"),
    ("an element below a value", '[Patient]\n"gender.code" = "keep"', "Patient.gender.code"),
    ("an element deep down", '[Condition]\n"code.coding.kode" = "keep"', "Condition.code.coding.kode"),
    ("a choice by its family's name", '[Condition]\nonset = "keep"', "Condition.onset"),
    ("an age band without a width", '[Patient]\nbirthDate = "age-band"', "birthDate"),
    ("an age band of no years", '[Patient]\nbirthDate = "age-band:0"', "birthDate"),
    ("an age band without a day to tell ages at", '[Patient]\nbirthDate = "age-band:5"', "as_of"),
    ("a hierarchy nobody wrote", '[Patient]\ngender = "generalise:sex:1"', "sex"),
    ("a level nobody wrote", '[Condition]\n"code.coding.code" = "generalise:icd10:block"', "block"),
    ("a level left out", '[Condition]\n"code.coding.code" = "generalise:icd10"', "icd10"),
    ("the value as written", '[Condition]\n"code.coding.code" = "generalise:icd10:0"', "code.coding.code"),
    ("a quarter, which FHIR cannot express", '[Patient]\nbirthDate = "generalise:date:quarter"', "quarter"),
    ("a band of a number", '[Observation]\nvalueInteger = "generalise:number:tens"', "tens"),
    (
        "codes of a system that the hierarchy does not know",
        '[systems]\n"http://loinc.org" = "generalise:icd10:category"\n[Patient]\nid = "keep"',
        "http://loinc.org",
    ),
    (
        "a system taken out of nothing",
        '[systems]\n"http://x/y" = "drop"\n[Patient]\nid = "keep"',
        "http://x/y",
    ),
    ("ages told at no day", 'as_of = "2026-02-30"\n[Patient]\nid = "keep"', "as_of"),
    ("ages told at a year", "as_of = 2026\n[Patient]\nid = 'keep'", "as_of"),
    ("internal in words", 'internal = "yes"\n[Patient]\nid = "keep"', "internal"),
    ("a geography nobody knows", 'geography = "street"\n[Patient]\nid = "keep"', "geography"),
    ("nested without end", "a = " + "[" * 5000, "TOML"),
    ("an action of endless length", '[Patient]\ngender = "' + "x" * 9000 + '"', "gender"),
    ("broken TOML", "[Patient\n", "TOML"),
    ("the same key twice", '[Patient]\nid = "keep"\nid = "drop"', "TOML"),
]


@pytest.mark.parametrize(("what", "toml", "place"), REFUSED, ids=[case[0] for case in REFUSED])
def test_a_policy_that_cannot_be_obeyed_is_refused_and_the_place_is_named(what: str, toml: str, place: str):
    """Loading refuses unknown actions and malformed paths, so that no data is ever treated by a guess."""
    with pytest.raises(PlatformError) as refusal:
        parse_policy((HEAD + toml).encode(), "mine.toml")
    assert refusal.value.code == "policy.malformed"
    assert place in refusal.value.en
    assert "mine.toml" in refusal.value.zh and place in refusal.value.zh
    assert refusal.value.next_zh and refusal.value.next_en
    assert len(refusal.value.en) < 600


@pytest.mark.parametrize("missing", ["name", "version", "zh", "en"])
def test_a_policy_says_what_it_is_called_and_what_it_is_for(missing: str):
    """Name, version and a description in both languages are part of a policy: reports quote them."""
    lines = [line for line in HEAD.splitlines() if not line.startswith(f"{missing} =")]
    with pytest.raises(PlatformError, match=missing):
        parse_policy(("\n".join(lines) + '\n[Patient]\nid = "keep"').encode(), "mine.toml")


def test_a_file_that_is_not_utf_8_is_refused():
    """TOML is UTF-8; a policy saved in another encoding could say something else than it shows."""
    with pytest.raises(PlatformError, match="UTF-8"):
        parse_policy((HEAD + '[Patient]\nid = "keep" # 中').encode("gb18030"), "mine.toml")


def test_quoted_and_unquoted_paths_mean_the_same():
    """`code.text = ...` is a nested table in TOML and `"code.text" = ...` is a key; here both are one
    path.
    """
    quoted = parse_policy((HEAD + '[Condition]\n"code.text" = "drop"').encode(), "q")
    unquoted = parse_policy((HEAD + '[Condition]\ncode.text = "drop"').encode(), "u")
    assert quoted.rules == unquoted.rules == {"Condition": {"code.text": Rule("drop")}}


def test_a_shape_may_use_the_shapes_above_it():
    """A structure that occurs often is described once, and read from top to bottom."""
    policy = parse_policy(
        (
            HEAD + '[shape.coding]\ncode = "keep"\n[shape.coded]\ncoding = "shape:coding"\ntext = "text"\n'
            '[Condition]\ncode = "shape:coded"'
        ).encode(),
        "s",
    )
    assert policy.rules["Condition"] == {"code.coding.code": Rule("keep"), "code.text": Rule("text")}


@pytest.mark.parametrize("name", HOUSE)
def test_the_policies_of_the_house_load_and_cover_the_demo(name: str):
    """Each names itself, says what it is for in both languages, and knows every type the demo sends."""
    policy = load_policy(name)
    assert policy.name == name
    assert policy.version == VERSIONS.get(name, "1")
    assert len(policy.sha256) == 64
    assert set(policy.rules) >= DEMO_TYPES
    assert policy.dropped_types >= {"Organization", "Practitioner", "Location"}
    assert "Bundle" not in policy.known_types


@pytest.mark.parametrize("name", HOUSE)
def test_every_id_is_pseudonymised_and_every_reference_rewritten(name: str):
    """No path of the house's policies lets an id or a pointer through as it is."""
    for paths in load_policy(name).rules.values():
        assert paths["id"] == Rule("pseudonym")
        for path, rule in paths.items():
            if path.split(".")[-1] == "reference":
                assert rule.action == "reference", path


@pytest.mark.parametrize("name", HOUSE)
def test_code_systems_are_listed_one_by_one_but_for_hl7s(name: str):
    """Under a whole server's address anything could be written, so only published families are open."""
    systems = load_policy(name).systems
    assert {url for url in systems if url.endswith("/")} == {
        "http://terminology.hl7.org/CodeSystem/",
        "http://hl7.org/fhir/",
        "http://hl7.org/fhir/CodeSystem/",
        "http://hl7.org/fhir/NamingSystem/",
    }
    assert {url for url, kind in systems.items() if kind == "sctid"} == {
        "http://snomed.info/sct",
        "urn:oid:2.16.840.1.113883.6.96",
    }


@pytest.mark.parametrize("name", HOUSE)
def test_no_words_typed_by_people_are_kept(name: str):
    """Names, texts, notes, displays and identifiers are never kept, wherever they stand."""
    never = {"display", "text", "note", "identifier", "name", "telecom", "address", "serialNumber", "unit"}
    for resource_type, paths in load_policy(name).rules.items():
        for path, rule in paths.items():
            if path.startswith("address."):
                # Of an address the policy's hierarchy gives a code; its words never stay.
                assert rule.action == "generalise" or path in ("address.use", "address.type"), path
            elif never & set(path.split(".")) or path.endswith("String"):
                assert rule.action in ("drop", "text", "mask"), f"{resource_type}.{path}"


@pytest.mark.parametrize("name", HOUSE)
@pytest.mark.parametrize(("resource_type", "paths"), MODIFIER_ELEMENTS, ids=lambda value: str(value)[:20])
def test_what_modifies_a_meaning_is_kept(name: str, resource_type: str, paths: tuple[str, ...]):
    """FHIR marks elements that change what the rest means (`doNotPerform`); dropping one would lie."""
    rules = load_policy(name).rules[resource_type]
    for path in paths:
        assert rules[path].action in ("keep", "reference", "date"), path


def test_every_path_of_the_houses_policies_is_an_element_of_fhir():
    """The policies of the house are not looked up in FHIR when they are used, so this test does it."""
    for name in HOUSE:
        file = POLICIES / f"{name}.toml"
        checked = parse_policy(file.read_bytes(), file.name, file.parent)
        assert checked.sha256 == load_policy(name).sha256


def test_the_default_policy_leaves_no_date_finer_than_a_month():
    """Under `default` a birth date keeps its year and all other dates year and month; instants are
    dropped.
    """
    rules = load_policy("default").rules
    assert rules["Patient"]["birthDate"] == Rule("date", "year")
    dated = ("Date", "DateTime", "start", "end", "On", "Instant", "issued", "recorded", "whenHandedOver")
    for resource_type, paths in rules.items():
        for path, rule in paths.items():
            if path.endswith(dated):
                assert rule.action in ("date", "drop"), f"{resource_type}.{path}"


# What only the lake's tables ask for. A file that leaves a hospital's own computer has no such table to fill.
ONLY_IN_LAKE = {
    "AdverseEvent", "ChargeItem", "Consent", "ExplanationOfBenefit", "ImagingStudy", "MedicationStatement",
    "NutritionOrder", "Provenance", "SupplyDelivery",
}  # fmt: skip
PATHS_ONLY_IN_LAKE = {
    "MedicationRequest": "supportingInformation",
    "MedicationDispense": "supportingInformation",
    "MedicationAdministration": "supportingInformation",
    "Procedure": "performer.actor",
}


def test_the_two_policies_differ_only_in_dates():
    """`default` is the lake's policy with coarser dates, so a reviewer reads one and knows the other.

    The lake's own types and paths are listed above, and everything in them is left out by `default`.
    """
    lake, default = load_policy("lake").rules, load_policy("default").rules
    assert lake.keys() - default.keys() == ONLY_IN_LAKE and default.keys() <= lake.keys()
    assert load_policy("default").systems.items() <= load_policy("lake").systems.items()
    for resource_type in default:
        own = PATHS_ONLY_IN_LAKE.get(resource_type, "-")
        shared = {path for path in lake[resource_type] if not path.startswith(own)}
        assert shared == default[resource_type].keys() - {own.partition(".")[0]}
        for path, rule in default[resource_type].items():
            if path in shared and rule != lake[resource_type][path]:
                assert lake[resource_type][path] == Rule("keep")
                assert rule.action in ("date", "drop"), path


def test_a_policy_can_be_given_as_a_path_and_its_hash_is_that_of_its_bytes(tmp_path: Path):
    """A hospital may bring its own file; the account names it by the hash of exactly these bytes."""
    import hashlib

    content = (HEAD + '[Patient]\nid = "pseudonym"\n').encode()
    file = tmp_path / "mine.toml"
    file.write_bytes(content)
    assert load_policy(str(file)).sha256 == load_policy(file).sha256 == hashlib.sha256(content).hexdigest()


def test_an_unknown_policy_is_named_and_the_known_ones_are_offered():
    """Asking for a policy that does not exist answers with those that do."""
    with pytest.raises(PlatformError) as refusal:
        load_policy("lakes")
    assert refusal.value.code == "policy.unknown"
    assert ", ".join(HOUSE) in refusal.value.next_en


def test_dates_and_ages_may_be_asked_for_through_their_hierarchies():
    """`generalise:date:year` is `date:year`, and `generalise:age:five-years` is `age-band:5`."""
    rules = 'as_of = "2026-01-01"\n[Patient]\nbirthDate = "generalise:age:five-years"\n'
    rules += 'deceasedDateTime = "generalise:date:3"'
    assert parse_policy((HEAD + rules).encode(), "h").rules["Patient"] == {
        "birthDate": Rule("age-band", "5"),
        "deceasedDateTime": Rule("date", "year"),
    }


def test_a_policy_file_that_is_a_folder_empty_or_endless_is_named(tmp_path: Path):
    """Before anything is read of the data, each is refused by what it is."""
    (tmp_path / "empty.toml").write_bytes(b" \n")
    (tmp_path / "large.toml").write_bytes(b"# " + b"x" * 10_000_000)
    (tmp_path / "folder.toml").mkdir()
    for name, said in (("empty.toml", "empty"), ("large.toml", "1 MB"), ("folder.toml", "folder")):
        with pytest.raises(PlatformError, match=said) as refusal:
            load_policy(str(tmp_path / name))
        assert refusal.value.code == "policy.malformed"
    with pytest.raises(PlatformError, match="1 MB"):
        parse_policy(b"#" * 2_000_000, "sent.toml")


@pytest.mark.parametrize("name", ["王小明", "王13800138000", "13800138000.toml", "WangXiaoming.toml"])
def test_a_policy_is_not_called_by_a_persons_name_or_number(name: str, tmp_path: Path):
    """A slip on the command line must not bring a patient's name or number into a log."""
    for content in (None, b"", b"[Patient"):
        path = tmp_path / name
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(PlatformError) as refused:
            load_policy(str(path))
        said = " ".join(refused.value.as_dict().values())
        assert name.removesuffix(".toml") not in said and "138" not in said
