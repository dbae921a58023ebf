"""The roles in which people use the platform. A person acts in one role, for one organisation.

Three of them administer the platform and are never one person: the system administrator runs the machines, the
security administrator keeps the accounts and reads no data, the audit administrator reads the log and does nothing
else (GB/T 22239-2019, level 3: 8.1.5.1-8.1.5.3, system, audit and security administration).
"""

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
    SECURITY = "security"
    AUDITOR = "auditor"
    ETHICS = "ethics"
    INSPECTOR = "inspector"


ROLE_NAMES: Mapping[Role, Bilingual] = {
    Role.HOSPITAL: Bilingual("医疗机构数据管理员", "Hospital data manager"),
    Role.RESEARCHER: Bilingual("研究者", "Researcher"),
    Role.REGULATOR: Bilingual("监管人员", "Regulator"),
    Role.PRIVACY: Bilingual("隐私专员", "Privacy officer"),
    Role.OPERATOR: Bilingual("系统管理员", "System administrator"),
    Role.SECURITY: Bilingual("安全管理员", "Security administrator"),
    Role.AUDITOR: Bilingual("审计管理员", "Audit administrator"),
    Role.ETHICS: Bilingual("伦理委员会", "Ethics committee"),
    Role.INSPECTOR: Bilingual("核查员", "Inspector"),
}

# One person holds at most one of these, in whatever organisation and under whatever login.
ADMINISTRATORS = frozenset({Role.OPERATOR, Role.SECURITY, Role.AUDITOR})
