"""The findings of the policy linter, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True)
class Finding:
    """One thing that a policy's author should look at. `where` is a section and path of the policy."""

    severity: Severity
    where: str
    rule: str
    zh: str
    en: str

    def as_dict(self) -> dict[str, str]:
        return {
            "severity": self.severity,
            "where": self.where,
            "rule": self.rule,
            "zh": self.zh,
            "en": self.en,
        }


_TEXTS: dict[str, tuple[Severity, str, str]] = {
    "unknown_type": (
        "error",
        "FHIR R4 没有资源类型 {name}。",
        "FHIR R4 has no resource type {name}.",
    ),
    "unknown_path": ("error", "FHIR R4 没有元素 {path}。", "FHIR R4 has no element {path}."),
    "unfit_action": (
        "error",
        "动作 {action} 不适用于类型为 {type} 的元素。",
        "The action {action} does not fit an element of type {type}.",
    ),
    "kept_identifying": (
        "error",
        "该元素（类型 {type}）可能写有姓名、号码或地址，不能原样保留。",
        "This element (type {type}) can hold names, numbers or addresses, and must not be kept as it is.",
    ),
    "required_left_out": (
        "error",
        "FHIR 要求此元素必须存在，去掉后结果不再是有效的 FHIR；请保留，或用 mask。",
        "FHIR requires this element: without it the result is not valid. Keep it, or use mask.",
    ),
    "modifier_left_out": (
        "error",
        "该元素会改变资源其余内容的含义（isModifier），去掉后结果会被误读。",
        "This element changes what the rest means (isModifier): without it the result would be misread.",
    ),
    "mixed_dates": (
        "error",
        "策略中有日期前移（date:shift），而此日期不前移：两相对照即可推出该患者的前移天数。请将全部日期一并前移，或全部截短。",
        "The policy shifts dates and leaves this one unshifted: side by side they give the patient's offset away. "
        "Shift every date, or cut every date.",
    ),
    "shifted_birth": (
        "error",
        "出生日期不得前移：只要知道一个人的生日，就能算出其前移天数。请改用 age-band:N 或 date:year。",
        "A birth date must not be shifted: one known birthday solves the offset. Use age-band:N or date:year.",
    ),
    "system_without_host": (
        "error",
        "以“/”结尾的地址代表其下的全部代码系统，必须写明主机名（如 https://example.org/codes/）。",
        "An address that ends in `/` stands for every system below it, so it needs a host, as in "
        "https://example.org/codes/.",
    ),
    "open_systems": (
        "warning",
        "该地址之下的任何名称都会被当作代码系统保留，其中可能夹带姓名；请逐一列出代码系统。",
        "Every name below this address stays as a code system's, and may be a person's: list the systems one by one.",
    ),
    "true_date": (
        "warning",
        "保留了 {number} 个真实日期，而策略未声明 internal = true。",
        "{number} true dates stay, and the policy does not say internal = true.",
    ),
    "fine_geography": (
        "warning",
        "地理信息细于策略声明的 geography = {geography}。",
        "Geography finer than the policy's own geography = {geography} stays.",
    ),
    "unused_shape": ("note", "没有任何一节用到这个结构。", "No section uses this shape."),
}


def finding(rule: str, where: str, **details: object) -> Finding:
    severity, zh, en = _TEXTS[rule]
    return Finding(severity, where, f"lint.{rule}", zh.format(**details), en.format(**details))
