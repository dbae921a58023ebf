"""A derived policy holds only its differences: what it says replaces the base at, above and below a path."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from deidentify.policy import POLICIES, Policy, Rule, load_policy, parse_policy
from rwd_platform.core.errors import PlatformError

HEAD = 'name = "{0}"\nversion = "1"\nzh = "测"\nen = "t"\n'
SYSTEMS = '[systems]\n"http://loinc.org" = "keep"\n"http://x/own" = "keep"\n'
BASE = """
as_of = "2026-01-01"
internal = true
geography = "province"
[systems]
"http://loinc.org" = "keep"
"http://x/own" = "keep"
[extensions]
"http://x/a" = "keep"
[shape.coding]
system = "keep"
code = "keep"
[shape.coded]
coding = "shape:coding"
text = "text"
[shape.period]
start = "date:month"
end = "date:month"
[Patient]
id = "pseudonym"
birthDate = "date:month"
address = "drop"
"name.family" = "mask"
"name.given" = "drop"
[Encounter]
id = "pseudonym"
period = "shape:period"
type = "shape:coded"
[Location]
resource = "drop"
"""


def derived(tmp_path: Path, text: str, base: str = BASE) -> Policy:
    (tmp_path / "base.toml").write_text(HEAD.format("base") + base, encoding="utf-8")
    content = HEAD.format("own") + 'extends = "base.toml"\n' + text
    (tmp_path / "own.toml").write_text(content, encoding="utf-8")
    return load_policy(tmp_path / "own.toml")


REPLACED = [
    # what the derived policy says of Patient, and what then holds under that path
    ("at", 'birthDate = "date:year"', "birthDate", {"birthDate": Rule("date", "year")}),
    ("below", 'name = "drop"', "name", {"name": Rule("drop")}),
    ("above", '"address.use" = "keep"', "address", {"address.use": Rule("keep")}),
    (
        "beside",
        '"name.use" = "keep"',
        "name",
        {"name.family": Rule("mask"), "name.given": Rule("drop"), "name.use": Rule("keep")},
    ),
    (
        "two below one above",
        '"address.use" = "keep"\n"address.type" = "keep"',
        "address",
        {"address.use": Rule("keep"), "address.type": Rule("keep")},
    ),
]


@pytest.mark.parametrize(("case", "text", "under", "expected"), REPLACED, ids=[case[0] for case in REPLACED])
def test_an_action_replaces_the_bases_at_above_and_below_its_path(
    tmp_path: Path, case: str, text: str, under: str, expected: dict[str, Rule]
):
    """What is under the path is then what the derived policy says; everything else is the base's."""
    rules = derived(tmp_path, f"[Patient]\n{text}").rules["Patient"]
    assert {path: rule for path, rule in rules.items() if path.split(".")[0] == under} == expected
    base = load_policy(tmp_path / "base.toml").rules["Patient"]
    others = {path: rule for path, rule in rules.items() if path.split(".")[0] != under}
    assert others == {path: rule for path, rule in base.items() if path.split(".")[0] != under}


def test_a_name_that_only_begins_alike_is_another_path(tmp_path: Path):
    """`name` has nothing to do with `nameless`: paths are compared element by element."""
    base = BASE.replace('"name.family" = "mask"', 'deceasedBoolean = "keep"\n"name.family" = "mask"')
    rules = derived(tmp_path, '[Patient]\ndeceasedDateTime = "date:year"', base).rules["Patient"]
    assert rules["deceasedBoolean"] == Rule("keep")


def test_a_changed_shape_is_changed_wherever_the_base_used_it(tmp_path: Path):
    """So a stricter policy coarsens every period in two lines."""
    policy = derived(tmp_path, '[shape.period]\nstart = "date:year"\n[shape.coding]\ncode = "drop"')
    assert policy.rules["Encounter"]["period.start"] == Rule("date", "year")
    assert policy.rules["Encounter"]["period.end"] == Rule("date", "month")
    assert policy.rules["Encounter"]["type.coding.code"] == Rule("drop"), "also through another shape"


def test_a_part_of_what_the_base_took_from_a_shape_can_be_replaced(tmp_path: Path):
    """Paths are compared after shapes are expanded."""
    rules = derived(tmp_path, '[Encounter]\n"type.text" = "mask"').rules["Encounter"]
    assert rules["type.text"] == Rule("mask") and rules["type.coding.code"] == Rule("keep")
    rules = derived(tmp_path, '[Encounter]\ntype = "drop"').rules["Encounter"]
    assert [path for path in rules if path.startswith("type")] == ["type"]


def test_the_bases_shapes_can_be_used(tmp_path: Path):
    """A derived policy need not describe a structure again."""
    rules = derived(tmp_path, '[Encounter]\nserviceType = "shape:coded"').rules["Encounter"]
    assert rules["serviceType.coding.system"] == Rule("keep")


def test_a_type_is_dropped_revived_and_added(tmp_path: Path):
    """`resource = "drop"` and a section with paths each replace what the base said of the type."""
    policy = derived(
        tmp_path,
        '[Encounter]\nresource = "drop"\n[Location]\nid = "pseudonym"\n[Observation]\nid = "pseudonym"',
    )
    assert policy.dropped_types == {"Encounter"}
    assert policy.rules["Location"] == policy.rules["Observation"] == {"id": Rule("pseudonym")}
    assert "Encounter" not in policy.rules


def test_systems_and_extensions_are_added_and_taken_out(tmp_path: Path):
    """An address of the base is taken out with `drop`; others are added."""
    policy = derived(
        tmp_path,
        '[systems]\n"http://x/own" = "drop"\n"http://snomed.info/sct" = "sctid"\n'
        '[extensions]\n"http://x/a" = "drop"\n"http://x/b" = "keep"',
    )
    assert policy.systems == {"http://loinc.org": "keep", "http://snomed.info/sct": "sctid"}
    assert policy.extensions == {"http://x/b"}


def test_the_day_and_the_geography_are_inherited_but_internal_is_not(tmp_path: Path):
    """Who derives a policy for others from an internal one must not get its permission along with it."""
    policy = derived(tmp_path, "")
    assert (policy.as_of, policy.geography, policy.internal) == ("2026-01-01", "province", False)
    own = derived(tmp_path, 'as_of = 2027-06-01\ngeography = "none"\ninternal = true')
    assert (own.as_of, own.geography, own.internal) == ("2027-06-01", "none", True)
    assert (policy.name, policy.bases) == ("own", ("base",))


def test_a_chain_is_resolved_from_its_end(tmp_path: Path):
    """`cross_border` builds on `hipaa_safe_harbor`, which builds on `default`."""
    policy = load_policy("cross_border")
    assert policy.bases == ("hipaa_safe_harbor", "default")
    assert policy.rules["Patient"]["birthDate"] == Rule("age-band", "5")  # its own
    assert policy.rules["Condition"]["recordedDate"] == Rule("date", "year")  # of the one below
    assert policy.rules["Patient"]["gender"] == Rule("keep")  # of the one at the end


def test_the_hash_changes_with_the_base_and_with_the_hierarchies(tmp_path: Path):
    """A report that names the hash names all that decided: the file, its bases, its hierarchies."""
    one = derived(tmp_path, "")
    other = derived(tmp_path, "", BASE.replace("date:month", "date:year"))
    assert one.sha256 != other.sha256
    alone = HEAD.format("own") + '[Condition]\n"code.coding.code" = "generalise:icd10:category"'
    plain = hashlib.sha256(alone.encode()).hexdigest()
    assert parse_policy(alone.encode(), "own.toml").sha256 != plain


CHAINS = [
    ("itself", {"own": "own.toml"}, "comes back"),
    (
        "in a circle",
        {"own": "b.toml", "b": "c.toml", "c": "own.toml"},
        "own.toml → b.toml → c.toml → own.toml",
    ),
    ("on a circle", {"own": "b.toml", "b": "c.toml", "c": "b.toml"}, "comes back"),
    ("on nothing", {"own": "none.toml"}, "no policy none.toml"),
    ("on an unknown name", {"own": "strict"}, "no policy strict"),
    ("on a file elsewhere", {"own": "../b.toml"}, "beside this one"),
    ("on an absolute path", {"own": "/etc/hosts"}, "beside this one"),
    ("on nine others", {"own": "b0.toml", **{f"b{n}": f"b{n + 1}.toml" for n in range(9)}}, "more than 8"),
]


@pytest.mark.parametrize(("case", "files", "said"), CHAINS, ids=[case[0] for case in CHAINS])
def test_a_chain_that_does_not_end_well_is_refused(
    tmp_path: Path, case: str, files: dict[str, str], said: str
):
    """A circle, a base that is not there and one outside the folder are each named in both languages."""
    for name, base in files.items():
        (tmp_path / f"{name}.toml").write_text(HEAD.format(name) + f'extends = "{base}"\n', encoding="utf-8")
    with pytest.raises(PlatformError, match=said) as refusal:
        load_policy(tmp_path / "own.toml")
    assert refusal.value.code == "policy.malformed" and "extends" in refusal.value.zh


def test_a_policy_that_came_without_a_folder_may_only_build_on_those_of_the_house():
    """What is sent over the network must not be able to name files of this machine."""
    text = HEAD.format("own") + 'extends = "default"\n[Patient]\nbirthDate = "drop"'
    assert parse_policy(text.encode(), "sent.toml").rules["Patient"]["birthDate"] == Rule("drop")
    with pytest.raises(PlatformError, match="extends"):
        parse_policy(text.replace('"default"', '"default.toml"').encode(), "sent.toml")


def test_a_fault_in_the_base_is_told_of_the_base(tmp_path: Path):
    """The refusal names the file that has to be mended."""
    with pytest.raises(PlatformError, match=r"base\.toml"):
        derived(tmp_path, "", BASE.replace('"mask"', '"hide"'))


def test_what_the_base_lacks_cannot_be_taken_out(tmp_path: Path):
    """A mistyped address in a `drop` would otherwise leave the right one in, silently."""
    with pytest.raises(PlatformError, match="http://x/onw"):
        derived(tmp_path, '[systems]\n"http://x/onw" = "drop"')


def test_every_policy_of_the_house_ends_at_one_that_stands_alone():
    """No chain of the house is longer than three files."""
    for file in POLICIES.glob("*.toml"):
        assert len(load_policy(file.stem).bases) <= 2
