"""The roles in which people use the platform. A person acts in one role, for one organisation."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from rwd_platform.core.text import Bilingual


class Role(StrEnum):
    HOSPITAL = "hospital"
    RESEARCHER = "researcher"
    REGULATOR = "regulator"
    PRIVACY = "privacy"
    OPERATOR = "operator"


ROLE_NAMES: Mapping[Role, Bilingual] = {
    Role.HOSPITAL: Bilingual("医疗机构数据管理员", "Hospital data manager"),
    Role.RESEARCHER: Bilingual("研究者", "Researcher"),
    Role.REGULATOR: Bilingual("监管人员", "Regulator"),
    Role.PRIVACY: Bilingual("隐私专员", "Privacy officer"),
    Role.OPERATOR: Bilingual("平台运维人员", "Platform operator"),
}
