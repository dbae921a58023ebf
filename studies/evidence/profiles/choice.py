"""From what a user chooses - a purpose - to the profile that says what its reader expects."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from rwd_platform.core.errors import Problem
from rwd_platform.core.text import Bilingual
from studies.evidence.profiles.profile import Profile, profile

Product = Literal["drug", "device", ""]
DRUG_TABLE, DEVICE_TABLE = "drug_exposure", "device_use"
ROW_TIERS = ("T2", "T3")  # rows of people are in the package, open or sealed
_USUAL_TIER = "T1"  # no row leaves unless somebody asks for it

PRODUCT_UNKNOWN = Problem(
    code="evidence.product_unknown",
    zh="方案的暴露既不是药品也不是医疗器械，“{purpose}”用途无法确定按哪一种产品申报。",
    en="The protocol's exposure is neither a drug nor a device, so the purpose {purpose} has no product.",
    next_zh="请选择其他用途，或在方案中以用药记录（drug_exposure）或用械记录（device_use）定义暴露。",
    next_en="Choose another purpose, or define the exposure by records of drug_exposure or device_use.",
    http=422,
)
TIER_NOT_FOR = Problem(
    code="evidence.tier_not_for",
    zh="用途“{profile}”的{audience}版证据包不能使用数据级别 {tier}。",
    en="The {audience_en} package for the purpose {profile} cannot have the tier of row data {tier}.",
    next_zh="请选择：{allowed}。",
    next_en="Choose one of {allowed}.",
    http=422,
)
AUDIENCE_NOT_FOR = Problem(
    code="evidence.audience_not_for",
    zh="用途“{profile}”只有汇总版证据包：其读者不应取得患者级溯源数据。",
    en="The purpose {profile} has an aggregate package alone: its reader gets no trace to single patients.",
    next_zh="请选择“仅汇总结果”（aggregate）。",
    next_en="Choose the audience `aggregate`.",
    http=422,
)
_AUDIENCES = {"authority": Bilingual("监管", "authority's"), "aggregate": Bilingual("汇总", "aggregate")}


@dataclass(frozen=True)
class Purpose:
    """`by_product`: product -> profile id; the key `any` where the product does not matter."""

    id: str
    title: Bilingual
    by_product: Mapping[str, str]


@cache
def purposes() -> Mapping[str, Purpose]:
    """All of them by id, in their order."""
    read = tomllib.loads((Path(__file__).parent / "purposes.toml").read_text(encoding="utf-8"))
    return {
        id: Purpose(
            id,
            Bilingual(one["zh"], one["en"]),
            {key: name for key, name in one.items() if key not in ("zh", "en")},
        )
        for id, one in read.items()
    }


def product_of(table: str) -> Product:
    """By the table of the records that define the exposure; "" where it is neither of drugs nor of devices."""
    return {DRUG_TABLE: "drug", DEVICE_TABLE: "device"}.get(table, "")  # type: ignore[return-value]  # mypy widens the values


def profile_for(purpose: str, product: str) -> Profile:
    """`purpose` is one of `purposes()`. Raises `evidence.product_unknown`."""
    chosen = purposes()[purpose].by_product
    if "any" in chosen:
        return profile(chosen["any"])
    if product not in chosen:
        raise PRODUCT_UNKNOWN.error(purpose=purpose)
    return profile(chosen[product])


def audiences_of(one: Profile) -> tuple[str, ...]:
    """A package for an authority has an aggregate edition for a sponsor; the reverse never holds."""
    return ("authority", "aggregate") if one.audience == "authority" else ("aggregate",)


def tiers_of(one: Profile, audience: str) -> tuple[str, ...]:
    return tuple(tier for tier in one.tiers if audience == "authority" or tier not in ROW_TIERS)


@cache
def tier_names() -> Mapping[str, Bilingual]:
    """Name of each tier, by its id (studies/evidence/submission/tiers.toml)."""
    text = (Path(__file__).parents[1] / "submission/tiers.toml").read_text(encoding="utf-8")
    return {id: Bilingual(one["zh"], one["en"]) for id, one in tomllib.loads(text).items()}


def check_audience_and_tier(one: Profile, audience: str, tier: str) -> str:
    """The tier, or the usual one for "". Raises `evidence.audience_not_for`, `evidence.tier_not_for`."""
    if audience not in audiences_of(one):
        raise AUDIENCE_NOT_FOR.error(profile=one.id)
    allowed = tiers_of(one, audience)
    wanted = tier or (_USUAL_TIER if _USUAL_TIER in allowed else allowed[-1])
    if wanted not in allowed:
        said = _AUDIENCES[audience]
        raise TIER_NOT_FOR.error(
            profile=one.id,
            tier=tier if tier in tier_names() else "?",
            audience=said.zh,
            audience_en=said.en,
            allowed=", ".join(allowed),
        )
    return wanted
