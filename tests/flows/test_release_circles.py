"""Who may be given results is registered once; a release names one of them, and one legal entity is one holder."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from sqlmodel import select

from rwd_platform.core.errors import PlatformError
from rwd_platform.flows.ledger_map import Person, seal_person_map
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.release import release, request_release
from rwd_platform.flows.release_circles import NewCircle, register_circle, registered_circles
from rwd_platform.flows.release_ledger import is_one_product
from rwd_platform.flows.release_votes import vote
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.tables import AuditEntry, OutputRelease, ReleaseCircle, ReleasedFigures, Study
from tests.flows.papers import put_papers
from tests.flows.releasing import ASSEMBLER, OFFICER, OFFICER_2, people, put_package, put_study

SPONSOR = {"purpose": "上市后研究"}
NEW = NewCircle("sponsor", "申办者丙", "Sponsor C", "丙有限公司", "914403001922038216")


def sent(
    platform: Platform, package: str, circle: str = "Sponsor Ltd", kind: str = "sponsor"
) -> OutputRelease:
    asked = request_release(platform, ASSEMBLER, package, kind, circle, SPONSOR)
    for officer in (OFFICER, OFFICER_2):
        vote(platform, officer, asked.id, word="approve", reason="已核对输出检查的结论与用途，同意。")
    return release(platform, ASSEMBLER, asked.id)


def rules(asked: OutputRelease) -> list[str]:
    return [one["rule"] for one in asked.verdict["findings"]]


def test_a_circle_is_registered_by_an_officer_and_stands_in_the_log(platform: Platform):
    """The log says who registered which circle; a code is kept as the standard writes it."""
    put_study(platform)
    made = register_circle(platform, OFFICER, replace(NEW, credit_code="9144 0300 7152 6726xg"))
    assert (made.credit_code, made.registered_by) == ("9144030071526726XG", OFFICER.id)
    (entry,) = platform.records.all(
        select(AuditEntry).where(AuditEntry.action == "release.circle_registered")
    )
    assert (entry.object_id, entry.actor_id) == (made.id, OFFICER.id)
    put_package(platform, {"all": people(1, 200)})
    asked = request_release(platform, ASSEMBLER, "EP-1", "sponsor", " ＳＰＯＮＳＯＲ-ｃ ", SPONSOR)
    assert asked.circle == made.id


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"kind": "public"}, "release.circle_incomplete"),
        ({"kind": "competent_authority"}, "release.circle_incomplete"),
        ({"name_zh": " "}, "release.circle_incomplete"),
        ({"name_en": "—"}, "release.circle_incomplete"),
        ({"legal_name": ""}, "release.circle_incomplete"),
        ({"legal_name": "x" * 201}, "release.circle_incomplete"),
        ({"name_en": "a\u202eb"}, "release.circle_incomplete"),
        ({"credit_code": "914403001922038217"}, "release.credit_code_wrong"),
        ({"credit_code": "x" * 10_000}, "release.credit_code_wrong"),
        ({"name_en": "SPONSOR. LTD"}, "release.circle_taken"),
        ({"name_zh": "申办者甲 有限公司"}, "release.circle_taken"),
        ({"name_en": "demo-hospital A"}, "release.circle_taken"),
        ({"name_en": "Public"}, "release.circle_taken"),
    ],
)
def test_what_is_incomplete_wrong_or_taken_is_refused_and_recorded(platform: Platform, changes, code: str):
    """A second spelling of somebody who is registered would be a second set of results to subtract from."""
    put_study(platform)
    before = len(registered_circles(platform))
    with pytest.raises(PlatformError) as refused:
        register_circle(platform, OFFICER, replace(NEW, **changes))
    assert refused.value.code == code
    assert len(registered_circles(platform)) == before
    entries = platform.records.all(select(AuditEntry).where(AuditEntry.action == "access.refused"))
    assert [json.loads(one.body)["reason"] for one in entries] == [code]


@pytest.mark.parametrize(
    "actor", [ASSEMBLER, Actor("x", "hospital", "org-hospital-a"), Actor("cli:x", "privacy", "o")]
)
def test_whoever_asks_for_releases_registers_nobody(platform: Platform, actor: Actor):
    """Else they could make the second name themselves."""
    put_study(platform)
    with pytest.raises(PlatformError) as refused:
        register_circle(platform, actor, NEW)
    assert refused.value.code in ("access.not_allowed", "access.no_account")


def test_an_unknown_circle_is_refused_naming_the_registered_ones(platform: Platform):
    """Also somebody who is registered as another kind: an authority is no sponsor."""
    put_package(platform, {"all": people(1, 200)})
    for circle in ("Sponsor Limited", "Demo Authority", "sponsor/ltd/2"):
        with pytest.raises(PlatformError, match="Another Sponsor; Sponsor Ltd") as refused:
            request_release(platform, ASSEMBLER, "EP-1", "sponsor", circle, SPONSOR)
        assert refused.value.code == "release.circle_unknown"
        assert "申办者甲北京分部；申办者甲" in refused.value.zh
    with pytest.raises(PlatformError, match="Registered are: none"):
        request_release(platform, ASSEMBLER, "EP-1", "insurer", "Insurer", SPONSOR)
    assert not platform.records.all(select(OutputRelease))


def test_many_registered_circles_are_named_in_part(platform: Platform):
    put_study(platform)
    for number in range(25):
        register_circle(
            platform, OFFICER, NewCircle("insurer", f"险{number}", f"Insurer {number}", f"险企{number}")
        )
    put_package(platform, {"all": people(1, 200)})
    with pytest.raises(PlatformError, match="…") as refused:
        request_release(platform, ASSEMBLER, "EP-1", "insurer", "another", SPONSOR)
    assert refused.value.en.count("Insurer ") == 20


@pytest.mark.parametrize("second", ["Sponsor Ltd (Beijing)", "sponsor-ltd"])
def test_two_circles_of_one_legal_entity_hold_what_either_holds(platform: Platform, second: str):
    """The Beijing branch is registered with the same legal entity: one patient fewer is refused there too."""
    put_package(platform, {"all": people(1, 200)})
    put_package(platform, {"all": people(1, 199)}, id="EP-2")
    sent(platform, "EP-1")
    assert rules(request_release(platform, ASSEMBLER, "EP-2", "sponsor", second, SPONSOR)) == ["differencing"]
    other = request_release(platform, ASSEMBLER, "EP-2", "sponsor", "Another Sponsor", SPONSOR)
    assert other.state == "requested"


def test_a_legal_entity_registered_as_two_kinds_of_recipient_is_one_holder(platform: Platform):
    put_study(platform)
    register_circle(platform, OFFICER, NewCircle("insurer", "甲保险", "A Insurance", "申办者甲（有限公司）"))
    put_package(platform, {"all": people(1, 200)})
    put_package(platform, {"all": people(1, 199)}, id="EP-2")
    sent(platform, "EP-1")
    assert rules(request_release(platform, ASSEMBLER, "EP-2", "insurer", "A Insurance", SPONSOR)) == [
        "differencing"
    ]


def test_what_went_to_a_name_from_before_the_register_counts_against_everybody(platform: Platform):
    """Nobody can say today whose name that was."""
    put_package(platform, {"all": people(1, 200)})
    put_package(platform, {"all": people(1, 199)}, id="EP-2")
    circle = ReleaseCircle(
        id="circle-old", organisation_id="org-operator", kind="sponsor", name_zh="旧名", name_en="Old name",
        legal_name="旧", registered_by="privacy", registered_at="2026-11-01T00:00:00.000000Z",
    )  # fmt: skip
    platform.records.write(circle, audit=Act(ASSEMBLER, "seed.written", Object("release_circle", circle.id)))
    put_papers(platform, [circle.id])
    sent(platform, "EP-1", circle="Old name")
    with platform.records.transaction(
        audit=Act(ASSEMBLER, "seed.written", Object("release_circle", circle.id))
    ) as session:
        session.delete(session.get_one(ReleaseCircle, circle.id))
    asked = request_release(platform, ASSEMBLER, "EP-2", "sponsor", "Another Sponsor", SPONSOR)
    assert rules(asked) == ["differencing"]


# -- products -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("sys|DEMO-A", "sys|DEMO-A", True),
        ("sys|DEMO-A", "sys|demo a", True),
        ("sys|DEMO-A", "other|ＤＥＭＯ-Ａ+B", True),
        ("sys|DEMO-A", "sys|DEMO-B", False),
        ("sys|", "other|", False),
    ],
)
def test_products_that_share_a_code_are_one_product(one: str, other: str, same: bool):
    assert is_one_product(one, other) is same


def about(platform: Platform, project: str, code: str, subjects: list[str], *, with_map: bool = True) -> None:
    """A study whose exposure has another code, and the sealed map of who its subjects are."""
    study = platform.records.get(Study, f"study-{project}")
    study.protocol = study.protocol.replace("codes: [DEMO-A]", f"codes: [{code}]", 1)
    platform.records.write(study, audit=Act(ASSEMBLER, "seed.written", Object("study", study.id)))
    if with_map:
        persons = {one: Person(f"person-{one[1:]}", ()) for one in subjects}
        seal_person_map(platform, f"L-{project}", persons)


@pytest.mark.parametrize(("last", "expected"), [(199, ["differencing"]), (150, []), (200, [])])
def test_a_product_under_its_other_name_is_compared_person_by_person(platform: Platform, last: int, expected):
    """The brand's code in one protocol, the generic's in the other: the patients are the same ones."""
    put_study(platform, "second")
    renamed = [f"x{number:04d}" for number in range(1, last + 1)]
    about(platform, "second", "GENERIC-A", renamed)
    put_study(platform, "demo") if platform.records.find(Study, "study-demo") is None else None
    about(platform, "demo", "DEMO-A", people(1, 200))
    put_package(platform, {"all": people(1, 200)})
    put_package(platform, {"all": renamed}, id="EP-2", project="second")
    sent(platform, "EP-1")
    second = request_release(platform, ASSEMBLER, "EP-2", "sponsor", "Sponsor Ltd", SPONSOR)
    assert second.product.endswith("|GENERIC-A") and rules(second) == expected


def test_another_product_without_a_map_of_persons_is_for_a_person_to_look_at(platform: Platform):
    """Its counts say nothing about ours, but whether the people are the same nobody can tell."""
    put_study(platform, "second")
    about(platform, "second", "GENERIC-A", [], with_map=False)
    put_package(platform, {"all": people(1, 200)})
    put_package(platform, {"all": people(1, 199)}, id="EP-2", project="second")
    sent(platform, "EP-1")
    second = request_release(platform, ASSEMBLER, "EP-2", "sponsor", "Sponsor Ltd", SPONSOR)
    assert (second.state, rules(second)) == ("requested", ["differencing_not_proven"])
    assert len(platform.records.all(select(ReleasedFigures))) == 1
