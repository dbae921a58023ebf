"""Whom rows are sealed to, said by a package of itself and of the version before: tier, envelope, certificate."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from rwd_platform.core.errors import PlatformError
from studies.evidence.changed_rows import SEALED_ROWS, row_facts
from studies.evidence.changes import CHANGES_JSON, CHANGES_TEXT, Version, changes, read_version, texts
from studies.evidence.documents import SEALED
from studies.evidence.package import BuiltPackage, build
from studies.evidence.recipient import read_recipient
from studies.evidence.templates import verify as standalone
from studies.evidence.verify import verify_package
from tests.evidence.fixtures import dossier_inputs
from tests.evidence.submission.keys import needs_openssl, opened, recipient

ONE, OTHER = recipient(), recipient(place=1)
FIRST = Version({"row_data_tier": "T1"}, {"rows": []}, {})


def version(tier: str | None, to: Any = None, *, sealed: bool | None = None) -> Version:
    told = read_recipient(to.certificate.decode()).as_dict() if to is not None else None
    described: dict[str, Any] = {"row_data_tier": tier} if tier else {}
    described |= {"sealed_to": told} if told else {}
    return dataclasses.replace(
        FIRST, description=described, sealed=to is not None if sealed is None else sealed
    )


def files_of(before: Version, after: Version) -> dict[str, list[str]]:
    found = changes(before, after)["files"]
    return {kind: paths for kind, paths in found.items() if paths}


def said(before: Version, after: Version) -> tuple[str, str]:
    text = texts({**changes(before, after), "before": NAMED, "after": NAMED})
    return text["zh"], text["en"]


NAMED = {"version": 1, "name": "EP", "package_id": "EP-1"}


def test_the_name_of_the_envelope_is_one() -> None:
    assert SEALED_ROWS == SEALED


def test_rows_that_come_into_a_package_are_told_with_their_tier_and_recipient() -> None:
    before, after = version("T1"), version("T3", ONE)
    found = changes(before, after)["rows"]
    assert found["same"] == {"tier": False, "sealed_to": False}
    assert found["before"] == {"tier": "T1", "sealed": False, "sealed_to": None}
    assert found["after"]["sealed_to"]["subject"] == "CN=recipient-0"
    assert files_of(before, after) == {"added": [SEALED_ROWS]}
    assert files_of(after, before) == {"removed": [SEALED_ROWS]}
    sha256 = read_recipient(ONE.certificate.decode()).sha256
    for text, words in zip(said(before, after), (("T1", "T3", "2036-01-01"), ("no sealed rows", "valid until")),
                           strict=True):  # fmt: skip
        assert all(one in text for one in (*words, "CN=recipient-0", "07", sha256, SEALED_ROWS))


def test_another_recipient_is_a_change_and_the_same_one_is_none() -> None:
    other = changes(version("T3", ONE), version("T3", OTHER))["rows"]
    assert other["same"] == {"tier": True, "sealed_to": False}
    zh, en = said(version("T3", ONE), version("T3", OTHER))
    assert "由“CN=recipient-0" in zh and "CN=recipient-1" in en and "the same (T3)" in en
    assert changes(version("T3", ONE), version("T3", ONE))["rows"]["same"] == {
        "tier": True,
        "sealed_to": True,
    }
    assert files_of(version("T3", ONE), version("T3", ONE)) == {"changed": [SEALED_ROWS]}, "drawn anew"


def test_packages_of_before_say_what_they_say_and_are_compared() -> None:
    """The oldest know no tier; later ones sealed rows and did not say to whom."""
    for before, words in (
        (version(None), "not stated"),
        (version("T3", sealed=True), "does not say to whom"),
    ):
        facts = row_facts(changes(before, version("T3", ONE))["rows"])
        assert words in " ".join(one.before.en for one in facts)
        assert all(one.title.zh and one.before.zh and one.after.zh for one in facts)


@pytest.mark.parametrize("spoilt", ["x", 1, [], {}, {"subject": 1},
    {"subject": "a", "issuer": "a", "serial": "1", "sha256": "2", "valid_from": "x", "valid_until": "y"}])  # fmt: skip
def test_what_is_no_recipient_is_named_as_unreadable(spoilt: Any) -> None:
    bad = dataclasses.replace(version("T3", ONE), description={"row_data_tier": "T3", "sealed_to": spoilt})
    with pytest.raises(PlatformError, match=r"package\.json"):
        changes(bad, version("T1"))
    with pytest.raises(PlatformError, match=r"package\.json"):
        changes(version("T1"), dataclasses.replace(FIRST, description={"row_data_tier": 3}))


def test_a_hostile_name_stays_on_its_line() -> None:
    told = read_recipient(ONE.certificate.decode()).as_dict() | {"subject": "CN=a\n# b|c\u202e"}
    bad = dataclasses.replace(version("T3", ONE), description={"row_data_tier": "T3", "sealed_to": told})
    text = said(version("T1"), bad)[1]
    assert "\n# b" not in text and "\u202e" not in text


# -- in a package -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[BuiltPackage, BuiltPackage, BuiltPackage]:
    """Without rows, then sealed to one, then to another."""
    folder = tmp_path_factory.mktemp("sealed")
    made: list[BuiltPackage] = []
    for number, (tier, to) in enumerate((("T1", None), ("T3", ONE), ("T3", OTHER)), 1):
        before = read_version(made[-1].path) if made else None
        made.append(build(ordered(number, tier, to, before), folder / str(number)))
    return made[0], made[1], made[2]


def ordered(number: int, tier: str, to: Any, before: Version | None) -> Any:
    inputs = dossier_inputs("reg_drug")
    assert inputs.dossier is not None
    chosen = dataclasses.replace(inputs.dossier, tier=tier, certificate=to.certificate if to else None)
    return dataclasses.replace(inputs, version=number, dossier=chosen, previous=before)


def document(package: BuiltPackage, name: str) -> Any:
    return json.loads((package.folder / name).read_text(encoding="utf-8"))


@needs_openssl
def test_a_package_says_to_whom_its_rows_are_sealed_and_it_is_who_opens_them(
    built: tuple[BuiltPackage, BuiltPackage, BuiltPackage], tmp_path: Path
) -> None:
    none, one, other = built
    assert "sealed_to" not in document(none, standalone.PACKAGE_JSON)
    for package, to in ((one, ONE), (other, OTHER)):
        told = document(package, standalone.PACKAGE_JSON)
        assert (told["row_data_tier"], told["sealed_to"]) == (
            "T3", read_recipient(to.certificate.decode()).as_dict()
        )  # fmt: skip
        assert opened((package.folder / SEALED_ROWS).read_bytes(), to, tmp_path)
    assert not any(verify_package(one.folder).failures for one in built)


def test_the_next_version_tells_rows_added_and_another_recipient(
    built: tuple[BuiltPackage, BuiltPackage, BuiltPackage],
) -> None:
    _, one, other = built
    added, changed = (document(each, CHANGES_JSON) for each in (one, other))
    assert SEALED_ROWS in added["files"]["added"] and SEALED_ROWS in changed["files"]["changed"]
    assert added["rows"]["same"] == {"tier": False, "sealed_to": False}
    assert changed["rows"]["same"] == {"tier": True, "sealed_to": False}
    for language in ("zh", "en"):
        text = (other.folder / CHANGES_TEXT[language]).read_text(encoding="utf-8")
        assert "CN=recipient-0" in text and "CN=recipient-1" in text and SEALED_ROWS in text


def test_the_same_order_gives_the_same_bytes_but_for_the_envelope(
    built: tuple[BuiltPackage, BuiltPackage, BuiltPackage], tmp_path: Path
) -> None:
    none, one, _ = built
    again = build(ordered(2, "T3", ONE, read_version(none.path)), tmp_path)
    assert again.package_id == one.package_id
    volatile = set(document(one, standalone.PACKAGE_JSON)["files"]["volatile"])
    for name in set(one.file_names) - volatile:
        assert (one.folder / name).read_bytes() == (again.folder / name).read_bytes(), name
