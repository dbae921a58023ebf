"""What the codes of a linkage run are called, for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rwd_platform.core.text import Bilingual

ROLES: Mapping[str, Bilingual] = {
    "care": Bilingual("诊疗", "care"),
    "payment": Bilingual("支付", "payment"),
    "product": Bilingual("产品", "product"),
}
STATES: Mapping[str, Bilingual] = {
    "linked": Bilingual("已关联", "linked"),
    "alone": Bilingual("有关联标识，仅此一份", "has a token that no other chart has"),
    "no_number": Bilingual("无唯一有效的居民身份证号", "no single valid resident id"),
    "no_patient_row": Bilingual("未收到患者资源", "its Patient was never received"),
    "disagree": Bilingual(
        "标识相同但出生日期或性别矛盾，未关联", "same token, contradicting birth date or sex: set apart"
    ),
    "row_missing": Bilingual("标识相同但缺患者资源，无法判断", "same token, a Patient is missing: undecided"),
    "no_birth_date": Bilingual(
        "标识相同但缺出生日期，无法判断", "same token, a birth date is missing: undecided"
    ),
}
CHARACTERISTICS: Mapping[str, Bilingual] = {
    "sex": Bilingual("性别", "sex"),
    "age": Bilingual("首次接触时年龄", "age at first contact"),
    "hospital": Bilingual("机构", "organisation"),
    "year": Bilingual("首次接触年份", "year of first contact"),
    "product": Bilingual("产品", "product"),
}
# Values of a characteristic that are codes of this platform or of FHIR; others are said as they are.
VALUES: Mapping[str, Bilingual] = {
    "female": Bilingual("女", "female"),
    "male": Bilingual("男", "male"),
    "other": Bilingual("其他", "other"),
    "missing": Bilingual("未记录", "not recorded"),
    "before": Bilingual("早于出生", "before birth"),
}


def roles_named(roles: Sequence[str]) -> Bilingual:
    return Bilingual("、".join(ROLES[one].zh for one in roles), " and ".join(ROLES[one].en for one in roles))
