"""From a purpose and a product to a profile, its audiences and its tiers."""

from __future__ import annotations

import itertools

import pytest

from rwd_platform.core.errors import PlatformError
from studies.evidence.profiles.choice import (
    DEVICE_TABLE,
    DRUG_TABLE,
    audiences_of,
    check_audience_and_tier,
    product_of,
    profile_for,
    purposes,
    tier_names,
    tiers_of,
)
from studies.evidence.profiles.profile import PRODUCTS, TIERS, Profile, profile, profiles
from studies.evidence.submission.tiers import tiers
from studies.protocol import load_protocol
from tests.evidence.fixtures import PROTOCOL
from tests.studies.rotterdam_lock import rotterdam_protocol

EXPECTED: dict[str, dict[str, str | None]] = {
    "registration": {"drug": "reg_drug", "device": "reg_device", "": None},
    "indication": {"drug": "indication", "device": "indication", "": None},
    "special_food": dict.fromkeys(("drug", "device", ""), "special_food"),
    "insurance": dict.fromkeys(("drug", "device", ""), "nhsa"),
    "post_market": dict.fromkeys(("drug", "device", ""), "post_market"),
    "commercial": dict.fromkeys(("drug", "device", ""), "commercial"),
    "award": dict.fromkeys(("drug", "device", ""), "award"),
    "pre_communication": dict.fromkeys(("drug", "device", ""), "pre_communication"),
}
ROWS = ("T2", "T3")


def refused(one: Profile, audience: str, tier: str) -> PlatformError:
    with pytest.raises(PlatformError) as told:
        check_audience_and_tier(one, audience, tier)
    assert all(told.value.as_dict().values())
    return told.value


@pytest.mark.parametrize(("purpose", "product"), [*itertools.product(EXPECTED, ("drug", "device", ""))])
def test_each_purpose_of_each_product_has_its_profile(purpose: str, product: str) -> None:
    expected = EXPECTED[purpose][product]
    if expected is None:
        with pytest.raises(PlatformError) as told:
            profile_for(purpose, product)
        assert told.value.code == "evidence.product_unknown" and purpose in told.value.en
        return
    found = profile_for(purpose, product)
    assert found is profile(expected)
    if "any" not in purposes()[purpose].by_product:
        assert product in found.products


def test_the_purposes_are_these_and_every_profile_is_reached() -> None:
    assert list(purposes()) == list(EXPECTED)
    named = {id for one in purposes().values() for id in one.by_product.values()}
    assert named == set(profiles())
    for one in purposes().values():
        assert one.title.zh and one.title.en and set(one.by_product) <= {"any", *PRODUCTS}
        assert "any" not in one.by_product or len(one.by_product) == 1


def test_the_product_is_read_from_the_records_of_the_exposure() -> None:
    valve = load_protocol(PROTOCOL.with_name("valve.yaml").read_text(encoding="utf-8"))
    assert product_of(rotterdam_protocol().exposure.records.table) == "drug"
    assert product_of(valve.exposure.records.table) == "device"
    assert (product_of(DRUG_TABLE), product_of(DEVICE_TABLE)) == ("drug", "device")
    assert {product_of(one) for one in ("", "procedure", "DRUG_EXPOSURE", "drug_exposure ")} == {""}


@pytest.mark.parametrize("id", sorted(profiles()))
def test_rows_reach_an_authority_alone_and_the_usual_tier_has_none(id: str) -> None:
    one = profile(id)
    for audience in audiences_of(one):
        allowed = tiers_of(one, audience)
        assert allowed and set(allowed) <= set(one.tiers)
        assert audience == "authority" or not set(allowed) & set(ROWS)
        usual = check_audience_and_tier(one, audience, "")
        assert usual in allowed and usual not in ROWS
        assert usual == ("T1" if "T1" in allowed else "T0")


@pytest.mark.parametrize("id", sorted(profiles()))
def test_every_tier_is_taken_or_refused_as_the_profile_says(id: str) -> None:
    one = profile(id)
    for audience, tier in itertools.product(audiences_of(one), (*TIERS, "T4", "T9", "t1", " ", "x" * 900)):
        if tier in tiers_of(one, audience):
            assert check_audience_and_tier(one, audience, tier) == tier
            continue
        told = refused(one, audience, tier)
        assert told.code == "evidence.tier_not_for" and id in told.en
        assert all(each in told.next_en for each in tiers_of(one, audience))
        assert tier not in told.en or tier in (*TIERS, "T4", " "), "nothing typed is repeated"


def test_who_gets_no_patient_is_told_so() -> None:
    """An insurer or a ministry has the aggregate package alone; an authority's has both editions."""
    alone = {id for id, one in profiles().items() if audiences_of(one) == ("aggregate",)}
    assert alone == {"nhsa", "commercial", "award", "pre_communication"}
    for id in sorted(alone):
        assert refused(profile(id), "authority", "").code == "evidence.audience_not_for"
        assert refused(profile(id), "authority", "T3").code == "evidence.audience_not_for"
    for id in sorted(set(profiles()) - alone):
        assert audiences_of(profile(id)) == ("authority", "aggregate")


@pytest.mark.parametrize("audience", ["", "everybody", "Authority", "aggregate "])
def test_an_audience_that_there_is_not_is_refused(audience: str) -> None:
    assert refused(profile("reg_drug"), audience, "T1").code == "evidence.audience_not_for"


def test_every_tier_of_a_profile_has_a_name_and_may_be_built() -> None:
    assert set(tier_names()) == set(tiers())
    for id, name in tier_names().items():
        assert name == tiers()[id].name and name.zh and name.en
    assert all(tiers()[tier].allowed for one in profiles().values() for tier in one.tiers)
