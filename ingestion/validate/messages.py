"""What is said about a unit that is not accepted, by the rule that it violates.

The texts are ours. A library's own message repeats the value that it refused, and that value may be
a patient's name.
"""

from __future__ import annotations

from typing import NamedTuple

from rwd_platform.core.json_text import JsonRefused
from rwd_platform.core.units import Issue


class Message(NamedTuple):
    """`code` is a FHIR issue type (http://hl7.org/fhir/issue-type)."""

    code: str
    zh: str
    en: str
    next_zh: str
    next_en: str


_FIX_ZH = "请在源系统更正后重新上传该资源。"
_FIX_EN = "Correct it at the source and send this resource again."
_TYPE_ZH, _TYPE_EN = "请核对资源类型与 FHIR 版本。", "Check the resource's type and the FHIR version."
_BUNDLE_ZH, _BUNDLE_EN = "请更正后重新上传整个 Bundle。", "Correct it and send the whole Bundle again."

MESSAGES: dict[str, Message] = {
    # the text
    "line.too_long": Message(
        "too-long",
        "这一行超过 {limit} 字节，没有读取。",
        "This line is longer than {limit} bytes and was not read.",
        "请检查是否缺少换行；大的附件请不要放在资源内。",
        "Check whether line breaks are missing; leave large attachments out of the resource.",
    ),
    # the resource
    "resource.not_object": Message(
        "structure",
        "这里不是一个 JSON 对象。FHIR 资源必须是对象。",
        "This is not a JSON object. A FHIR resource is one.",
        "NDJSON 每行放一个资源；多个资源请用 Bundle 而不是数组。",
        "Put one resource on each line of NDJSON; use a Bundle, not an array, for several.",
    ),
    "resource.type_missing": Message(
        "structure", "没有 resourceType。", "There is no resourceType.", _TYPE_ZH, _TYPE_EN
    ),
    "resource.type_unknown": Message(
        "not-supported",
        "FHIR {version} 没有这种资源类型。",
        "FHIR {version} has no such type of resource.",
        _TYPE_ZH,
        _TYPE_EN,
    ),
    "resource.type_unsupported": Message(
        "not-supported",
        "本平台还不能校验 FHIR {version} 的 {type} 资源。",
        "The platform cannot validate a {type} of FHIR {version}.",
        "该类型的资源请不要上传；如研究需要，请联系平台。",
        "Leave resources of this type out; tell the platform if a study needs them.",
    ),
    # elements
    "fhir.unknown_element": Message(
        "structure",
        "{owner} 没有这个元素：{element_zh}。",
        "{owner} has no such element: {element_en}.",
        "请检查拼写；医院自有的内容请用 extension 表示。",
        "Check its spelling; put what is the hospital's own into an extension.",
    ),
    "fhir.missing_element": Message(
        "required",
        "{owner} 缺少必填元素 {element}。",
        "{owner} lacks the required element {element}.",
        "请在源系统补全后重新上传该资源。",
        "Fill it in at the source and send this resource again.",
    ),
    "fhir.choice": Message(
        "structure",
        "{owner} 的 {element}[x] 出现多于一个，只能有一个。",
        "{owner} has more than one {element}[x]; one is allowed.",
        "请只保留一个。",
        "Keep only one of them.",
    ),
    "fhir.repeats": Message(
        "structure",
        "元素 {element} 只能有一个值，不能是数组。",
        "The element {element} has one value and cannot be an array.",
        _FIX_ZH,
        _FIX_EN,
    ),
    "fhir.not_repeated": Message(
        "structure",
        "元素 {element} 可以有多个值，必须写成数组。",
        "The element {element} can have several values and must be an array.",
        "只有一个值时也请写成数组。",
        "Write an array for a single value too.",
    ),
    "fhir.null": Message(
        "structure",
        "元素 {element} 是 null。",
        "The element {element} is null.",
        "没有值的元素请省略。",
        "Leave an element out that has no value.",
    ),
    "fhir.empty": Message(
        "structure",
        "元素 {element} 是空的（空字符串、空对象或空数组）。",
        "The element {element} is empty (an empty text, object or array).",
        "没有值的元素请省略。",
        "Leave an element out that has no value.",
    ),
    "fhir.object": Message(
        "structure",
        "元素 {element} 应为 JSON 对象。",
        "The element {element} must be a JSON object.",
        _FIX_ZH,
        _FIX_EN,
    ),
    "fhir.json_type": Message(
        "structure",
        "元素 {element} 的类型是 {type}，应写成 JSON 的{json_zh}。",
        "The element {element} is of type {type} and must be written as {json_en} of JSON.",
        "请检查引号：平台不替医院猜测类型。",
        "Check the quotes: the platform does not guess a type for the hospital.",
    ),
    "fhir.value": Message(
        "value",
        "元素 {element} 不是合法的 {type}。应为：{expected_zh}。",
        "The element {element} is not a {type}. Expected: {expected_en}.",
        _FIX_ZH,
        _FIX_EN,
    ),
    "fhir.too_long": Message(
        "too-long",
        "元素 {element} 太长（上限 {limit} 个字符）。",
        "The element {element} is too long (limit {limit} characters).",
        _FIX_ZH,
        _FIX_EN,
    ),
    "fhir.code_unknown": Message(
        "code-invalid",
        "元素 {element} 的代码不在 FHIR 规定的范围内。允许：{codes}。",
        "The code of the element {element} is not one that FHIR allows. Allowed: {codes}.",
        "请映射到允许的代码后重新上传。",
        "Map it to an allowed code and send it again.",
    ),
    "fhir.more": Message(
        "informational",
        "该资源还有其他问题，未逐一列出。",
        "The resource has more faults, which are not listed.",
        _FIX_ZH,
        _FIX_EN,
    ),
    "fhir.second_validator": Message(
        "invalid",
        "{element} 不符合 FHIR 模型（{kind}）。",
        "{element} does not fit the model of FHIR ({kind}).",
        _FIX_ZH,
        _FIX_EN,
    ),
    # Bundles
    "bundle.type": Message(
        "not-supported",
        "Bundle 的 type 缺失，或不是可以接收的类型（{types}）。",
        "The Bundle's type is missing, or is not one that is received ({types}).",
        _BUNDLE_ZH,
        _BUNDLE_EN,
    ),
    "bundle.no_entries": Message(
        "required",
        "Bundle 中没有条目（entry）。",
        "The Bundle has no entry.",
        _BUNDLE_ZH,
        _BUNDLE_EN,
    ),
    "bundle.entry": Message(
        "structure",
        "Bundle 的 entry 不是由对象组成的数组。",
        "The entry of the Bundle is not an array of objects.",
        _BUNDLE_ZH,
        _BUNDLE_EN,
    ),
    "bundle.entry_without_resource": Message(
        "required",
        "该条目没有资源（resource）。",
        "This entry has no resource.",
        "平台只接收资源，不执行删除或查询；请去掉该条目。",
        "The platform receives resources and does not delete or search: leave this entry out.",
    ),
    "bundle.method": Message(
        "not-supported",
        "该条目的 request.method 不是 POST 或 PUT。",
        "The request.method of this entry is neither POST nor PUT.",
        "请发送完整的资源。",
        "Send whole resources.",
    ),
    "bundle.nested": Message(
        "not-supported",
        "Bundle 的条目中还有 Bundle。",
        "An entry of the Bundle is a Bundle.",
        "请分别上传。",
        "Send them one by one.",
    ),
    "bundle.same_full_url": Message(
        "duplicate",
        "该条目的 fullUrl 与另一个资源的相同，引用无法判断指向哪一个。",
        "Another resource has this entry's fullUrl: what a reference to it means cannot be known.",
        _BUNDLE_ZH,
        _BUNDLE_EN,
    ),
}


def issue(rule: str, expression: str, **details: str) -> Issue:
    """The issue of a rule. Details are names of elements, types, codes of FHIR and limits, never values."""
    message = MESSAGES[rule]
    return Issue(
        code=message.code,
        expression=expression,
        zh=message.zh.format(**details),
        en=message.en.format(**details),
        next_zh=message.next_zh,
        next_en=message.next_en,
        rule=rule,
    )


def issue_of_text(refused: JsonRefused) -> Issue:
    """The issue of a text that is not JSON as evidence; there is no element to point at."""
    return Issue(
        code="structure",
        expression="",
        zh=refused.zh,
        en=refused.en,
        next_zh=refused.next_zh,
        next_en=refused.next_en,
        rule=refused.rule,
    )
