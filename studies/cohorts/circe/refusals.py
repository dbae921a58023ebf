"""What an importer does not take, said by name: where it stands, what it is called, and why.

A definition is read to its end, so that its author sees every reason at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rwd_platform.core.errors import PlatformError, Problem
from rwd_platform.core.text import Bilingual

REFUSED = Problem(
    code="circe.refused",
    zh="队列定义“{name}”未导入，共有 {number} 处无法原样表达：{parts_zh}",
    en="The cohort definition “{name}” was not imported; parts of it that cannot be said exactly ({number}): "
    "{parts_en}",
    next_zh="请在 ATLAS 中删去或改写上述各处，重新导出 JSON 后再导入。",
    next_en="Remove or rewrite these parts in ATLAS, export the JSON again and import that.",
)
NOT_JSON = Problem(
    code="circe.not_json",
    zh="“{name}”不是 JSON 文件（内容为空，或不符合 JSON 的写法），没有可读的队列定义。",
    en="“{name}” is not a JSON file: it is empty, or not written as JSON, so there is no cohort definition to read.",
    next_zh="请给出从 ATLAS 导出的 JSON 文件本身；如为压缩包或网页，请先取出其中的 JSON。",
    next_en="Give the JSON file itself as ATLAS exported it; take it out of an archive or a page first.",
)
REASONS: Mapping[str, Bilingual] = {
    "malformed": Bilingual("不是有效的 JSON", "it is not valid JSON"),
    "duplicate_key": Bilingual("同一对象中键重复出现", "the key occurs twice in one object"),
    "unknown": Bilingual("Circe 没有这一元素", "Circe has no such element"),
    "wrong_type": Bilingual("取值类型不符", "its value is of the wrong type"),
    "missing": Bilingual("缺少必需的内容", "what is needed here is missing"),
    "unknown_value": Bilingual("取值不在 Circe 的取值表中", "its value is not one of those that Circe knows"),
    "not_a_date": Bilingual("不是 年-月-日 形式的有效日期", "it is not a date written as year-month-day"),
    "negative": Bilingual("计数不能为负", "a count cannot be negative"),
    "too_many_days": Bilingual("天数超出日历所及的一千年", "so many days reach beyond a thousand years"),
    "no_entry": Bilingual("没有任何入组事件", "there is no entry event at all"),
    "one_of": Bilingual("应恰好给出一种条件", "exactly one criterion belongs here"),
    "cdm_version": Bilingual(
        "定义要求的 CDM 版本不是 5.4 所能满足的", "it asks for a version of the CDM that 5.4 does not meet"
    ),
    "no_set": Bilingual("定义中没有这一编号的概念集", "the definition has no concept set of this number"),
    "two_sets": Bilingual("有两个概念集使用同一编号", "two concept sets have the same number"),
    "needs_vocabulary": Bilingual(
        "概念集需要下位概念或映射概念，但未提供词表",
        "the concept set needs descendants or mapped concepts, and no vocabulary was given",
    ),
    "wildcard": Bilingual(
        "文字含 SQL LIKE 的通配符（%、_ 或 \\），各数据库的理解不同",
        "the text has a wildcard of SQL's LIKE (%, _ or \\), which databases read differently",
    ),
    "location": Bilingual(
        "依赖 CDM 6.1 的 LOCATION_HISTORY，CDM 5.4 没有该表",
        "it relies on LOCATION_HISTORY of CDM 6.1, which CDM 5.4 does not have",
    ),
    "gap_days": Bilingual(
        "Circe 实际用 EraLength 的范围检验间隔天数，与元素名称不符",
        "Circe tests the gap against the range of EraLength, which is not what the element says",
    ),
    "gender_column": Bilingual(
        "Circe 实际检验的是性别列，与元素名称不符",
        "Circe tests the gender column here, which is not what the element says",
    ),
    "ignored": Bilingual(
        "Circe 接受这一元素但不使用它，结果与作者本意不符",
        "Circe accepts this element and does not use it, so the result is not what its author meant",
    ),
    "count_column": Bilingual(
        "这类事件没有可供去重计数的这一列", "events of this kind have no such column to count the values of"
    ),
    "sort_date": Bilingual(
        "自定时段与其他入组事件并列且只取首个或末个时，Circe 按时段的原始起日排序，本平台不这样排序",
        "beside other entry events and a limit, Circe sorts a user-defined period by its original start; we do not",
    ),
}


@dataclass(frozen=True)
class Refusal:
    """One part of a definition that is not taken. `path` as in `$.PrimaryCriteria.CriteriaList[0]`."""

    path: str
    element: str
    reason: str

    @property
    def text(self) -> Bilingual:
        return REASONS[self.reason]


@dataclass
class Refusals:
    """The refusals of one definition, gathered while it is read."""

    found: list[Refusal] = field(default_factory=list)

    def add(self, path: str, element: str, reason: str) -> None:
        refusal = Refusal(path, element, reason)
        if refusal not in self.found:
            self.found.append(refusal)

    def error(self, name: str) -> PlatformError:
        """`circe.refused`, or `circe.not_json`; `details["refusals"]` has them one by one."""
        if any(one.path == "$" and one.reason == "malformed" for one in self.found):
            return NOT_JSON.error(name=name, refusals=tuple(self.found))
        return REFUSED.error(
            name=name,
            number=len(self.found),
            parts_zh="；".join(f"{one.path}（{one.element}）{one.text.zh}" for one in self.found),
            parts_en="; ".join(f"{one.path} ({one.element}): {one.text.en}" for one in self.found),
            refusals=tuple(self.found),
        )
