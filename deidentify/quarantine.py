"""Why nothing of a resource may be stored yet: the issues of this room, by rule.

Texts name the element, never its value: what stood there may be a person's name or number.
"""

from __future__ import annotations

from deidentify.kept_texts import (
    IDENTIFIER_IN_CODE,
    UNFIT_CODE,
    UNKNOWN_TYPE,
    UNLIKELY_CODE,
    UNLISTED_SYSTEM,
)
from rwd_platform.core.units import Issue

MODIFIER_EXTENSION = "deidentify.modifier-extension"
NO_POLICY = "deidentify.no-policy"
GENETIC = "deidentify.genetic"

# rule -> FHIR issue type, what happened (zh, en), next step (zh, en); {where} is the element's path.
_TEXTS: dict[str, tuple[str, str, str, str, str]] = {
    MODIFIER_EXTENSION: (
        "extension",
        "{where} 会改变整个资源的含义，而去标识化策略不认识它。",
        "{where} changes what the resource means, and the de-identification policy does not know it.",
        "请由隐私专员审阅后列入策略的 [modifier_extensions]，或请医院去掉后重新上传。",
        "Let the privacy officer list it under [modifier_extensions], or send without it.",
    ),
    NO_POLICY: (
        "not-supported",
        "去标识化策略没有关于资源类型 {where} 的规则，因此不保存其任何内容。",
        "The de-identification policy has no rules for the type {where}, so nothing of it is stored.",
        "请由隐私专员在策略中加入该类型，然后重新上传。",
        "Ask the privacy officer to add the type to the policy, then send it again.",
    ),
    UNLISTED_SYSTEM: (
        "code-invalid",
        "{where} 所写的代码系统不在去标识化策略的清单中，因此不保存该资源的任何内容。",
        "{where} names a code system that the de-identification policy does not list, "
        "so nothing of the resource is stored.",
        "请核对代码系统的地址；确为代码系统的，由隐私专员列入策略的 [systems]，然后重新上传。",
        "Check the code system's address; if it is one, let the privacy officer list it under [systems], "
        "then send it again.",
    ),
    UNLIKELY_CODE: (
        "code-invalid",
        "{where} 应为代码，但其写法不像代码（过长，或含有汉字、地址等），因此不保存该资源的任何内容。",
        "{where} should be a code and is not written like one (too long, or with Chinese characters or an "
        "address in it), so nothing of the resource is stored.",
        "请只在此处填写代码，名称写入 display 或 text，然后重新上传。",
        "Write only the code there and its name in display or text, then send it again.",
    ),
    IDENTIFIER_IN_CODE: (
        "security",
        "{where} 中的内容形似个人号码（如身份证号、手机号），因此不保存该资源的任何内容。",
        "{where} holds what looks like a person's number (such as a resident ID or a mobile number), "
        "so nothing of the resource is stored.",
        "请医院从该处去掉个人号码、改填代码后重新上传；确为代码的，请告知隐私专员。",
        "Ask the hospital to put a code there instead and to send it again; if it is a code, "
        "tell the privacy officer.",
    ),
    UNFIT_CODE: (
        "code-invalid",
        "{where} 的代码不符合其代码系统的编码规则（如位数、校验位，或不在 HL7 公布的代码之列），或未写代码系统，"
        "因此不保存该资源的任何内容。",
        "{where} holds a code that its code system does not write so (its letters, digits or check digit, "
        "or HL7's own list), or names no system, "
        "so nothing of the resource is stored.",
        "请核对代码与代码系统的地址是否对应；院内自编代码应使用本院的代码系统地址，由隐私专员列入策略后重新上传。",
        "Check that code and system belong together; a local code needs the hospital's own system, which the "
        "privacy officer lists in the policy. Then send it again.",
    ),
    UNKNOWN_TYPE: (
        "code-invalid",
        "{where} 应为 FHIR 资源类型的名称，因此不保存该资源的任何内容。",
        "{where} should be the name of a FHIR resource type and is none, so nothing of the resource is stored.",
        "请填写所引用资源的类型（如 Patient），或去掉该元素，然后重新上传。",
        "Write the type of the resource pointed at, such as Patient, or leave it out, then send it again.",
    ),
    GENETIC: (
        "security",
        "{where} 含有基因或基因组信息，属于人类遗传资源信息，不按一般临床数据入库。",
        "{where} holds gene or genome information, which is human genetic resources information and is not stored "
        "as clinical data.",
        "请先办理人类遗传资源手续（国际合作审批或备案、信息对外提供的事先报告与备份），由隐私专员确认后另行报送；"
        "其余临床、影像、蛋白质和代谢数据可去掉该内容后照常上传。",
        "Complete the procedures for human genetic resources first (approval or filing of the cooperation, prior "
        "report and backup of information given abroad) and let the privacy officer confirm; clinical, imaging, "
        "protein and metabolic data can be sent as usual without it.",
    ),
}


class Quarantine(Exception):
    """Nothing of the resource may be stored until a person has looked: `issue` says why."""

    def __init__(self, issue: Issue) -> None:
        super().__init__(issue.en)
        self.issue = issue


def quarantine(rule: str, where: str) -> Quarantine:
    """The exception for a rule of this room that the element at `where` violates."""
    code, zh, en, next_zh, next_en = _TEXTS[rule]
    issue = Issue(code, where, zh.format(where=where), en.format(where=where), next_zh, next_en, rule)
    return Quarantine(issue)
