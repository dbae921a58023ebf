"""What tells one device or package from all others of its product: serial numbers, lots, the production part of a UDI.

One implant is in one patient, and few patients got one lot, so these are direct identifiers; the product's part (DI)
and the model are not, and stay. A lot that begins with a year would be shifted as a date and leave its end behind:
numbers are therefore found before dates.

UDI carriers: GS1 (element strings after the GTIN, application identifiers in brackets or not; General Specifications
3.2), HIBCC (secondary data after the `/`, or alone after `+$`; ANSI/HIBC 2.6), ICCBBA (what follows the `=/` structure,
and donation numbers; ISBT 128 ST-011).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from deidentify.identifiers_cn.found import DEVICE_PRODUCTION, LOT_NUMBER, SERIAL_NUMBER, Found

_VALUE = r"[A-Za-z0-9](?:[A-Za-z0-9]|[\-/_.](?=[A-Za-z0-9]))*"
# A value that no word or measure is: three characters, one of them a digit, and no unit after it.
_CODE = (
    rf"(?=[A-Za-z\-/_.]{{0,12}}[0-9]){_VALUE}(?:(?<=[0-9]) (?=[0-9]{{3,}}(?![0-9年月日.%])){_VALUE}){{0,3}}"
)
_NO_UNIT = r"(?! ?(?:mg|ml|mm|cm|kg|μg|ug|%|年|月|日|岁|次|天|周|例|个))"
_MARK = r"(?:为|是|系)?[ :#.=\-_|/\"'“”\[\](【】「」)]{0,4}(?:(?:S ?/ ?N|SN|No|LOT)[ :#.\-]{1,3})?"
_DEVICES = (
    "产品|器械|设备|植入[物体]?|假体|起搏器|支架|晶体|人工晶状?体|电极|导线|耳蜗|仪器|主机|脉冲发生器|瓣膜|除颤器|泵|控制器|处理器|"
    "刺激器|监测仪|监护仪|传感器|封堵器|滤器|输液港|助听器|程控仪|发射器|接收器|模块|探头|充电器|电池|遥控器"
)
_SERIAL_WORDS = (
    rf"(?:序 ?列|系列|串|机身|机器|出厂|(?<!随)整机) ?(?:编)?[号码](?:码)?"
    rf"|(?:{_DEVICES})(?:的)?(?:编号|编码|号码|序号|ID|SN)"
    r"|追溯码|防伪(?:编?码|编号)|(?:器械)?唯一码|IMEI"
    r"|serial(?: ?(?:number|no\.?|nr\.?|#))?|(?<![A-Za-z])ser\.? ?(?:#|no\.?|nr\.?)"
)
_LOT_WORDS = (
    r"(?:生产|产品|灭菌|消毒|试剂|药品|疫苗)?批 ?(?:次 ?)?(?:编)?[号码]"
    r"|(?:生产|产品|灭菌|试剂|药品|疫苗)批次|批次(?=[: ])"
    r"|(?<![0-9一二两三四五六七八九十几每逐同分大整首末审获报待])批(?=:)"
    r"|(?:lot|batch)(?: ?(?:number|no\.?|nr\.?|#|code))?(?![a-z])"
)
# 批准文号 and 注册证编号 name the product, as everybody may read on the label.
_OF_A_PRODUCT = "(?<!注册证)(?<!备案)(?<!许可证)(?<!批准)"
_SERIAL = re.compile(
    rf"(?:{_OF_A_PRODUCT}(?:{_SERIAL_WORDS})|(?<![A-Za-z])S(?: ?/ ?N|\. ?N\.?| N(?= ?[:#]))(?![A-Za-z]))"
    rf"{_MARK}(?P<value>{_CODE})",
    re.IGNORECASE,
)
# SN without a stroke is a substantia nigra and a sentinel node as well: four digits, and in capitals.
_SN = re.compile(
    rf"(?<![A-Za-z])SN(?![A-Za-z]){_MARK}(?P<value>(?=(?:[A-Za-z\-/_.]{{0,4}}[0-9]){{4}}){_CODE})"
)
# 序号 and 批次 number anything, so a letter and a digit, or six digits, must follow; 设备号 five characters.
_MIXED = "(?=[A-Za-z0-9\\-]{4})(?=[A-Za-z]{1,8}-?[0-9]|[0-9]{1,8}-?[A-Za-z]|[0-9]{6})"
_SEQUENCE = re.compile(
    rf"(?:序号|(?:{_DEVICES})号(?=[^A-Za-z0-9]{{0,4}}[A-Za-z0-9\-]{{5}})){_MARK}(?P<value>{_MIXED}{_CODE})(?![A-Za-z0-9]){_NO_UNIT}"
)
_BATCH = re.compile(rf"(?<![0-9第])批次{_MARK}(?P<value>{_MIXED}{_CODE})(?![A-Za-z0-9]){_NO_UNIT}")
_LETTERS = re.compile(rf"(?:{_SERIAL_WORDS}|{_LOT_WORDS})[ ]?[:=][ ]?(?P<value>[A-Z]{{4,20}})(?![A-Za-z0-9])")
_LOT = re.compile(
    rf"(?<!准文)(?:(?<![A-Za-z])|(?<=[\u3400-\u9fff]))(?:{_LOT_WORDS}){_MARK}"
    rf"(?P<value>(?=[A-Za-z0-9\-/_. ]{{3}}){_CODE})(?![A-Za-z0-9]){_NO_UNIT}",
    re.IGNORECASE,
)
_FURTHER = re.compile(
    rf"[ ]?(?:[、/;]|和|及|与|以及)[ ]?(?P<value>(?=[A-Za-z0-9\-/_.]{{4}}){_CODE})(?![0-9A-Za-z年月日.%:]){_NO_UNIT}"
)
_SHORTEST = 3

# GS1: (01) and what follows it; two bracketed elements are enough where the DI is left out.
_AI = r"\( ?(?P<ai>[0-9]{2,4}) ?\)"
_ELEMENT = re.compile(
    rf"[ ]?{_AI}[ ]?(?P<value>[A-Za-z0-9](?:[ ]?[A-Za-z0-9!%&*+,./:;<=>?_\"'\-]){{0,29}}?)(?=[ ]?\(|[^!-~]|[,;]|$)"
)
_BRACKETED = re.compile(r"\( ?01 ?\)[ ]?[0-9](?: ?[0-9]){13}|(?=\( ?(?:1[01357]|21) ?\)[ ]?[A-Za-z0-9])")
_LOT_AI, _SERIAL_AI = "10", "21"
_GS1 = re.compile(
    r"(?<![0-9A-Za-z])(?:\](?:C1|d2|Q3|e0))?(?P<said>01)(?P<gtin>[0-9]{14})(?P<value>(?:1[0-7]|2[0-2]|30|37|24)[!-+\--:<-~]{3,90})"
)
# The same with spaces, as labels print it for people: a GTIN, then 17250101 10L123 21S987.
_PRINTED_ELEMENT = r"(?:1[1-7] ?[0-9]{6}|(?:10|2[12]|24[01]) ?[A-Za-z0-9][!-+\--:<-~]{0,29})"
_GS1_PRINTED = re.compile(
    rf"(?<![0-9A-Za-z])01 ?[0-9]{{14}} ?(?P<value>{_PRINTED_ELEMENT}(?: ?{_PRINTED_ELEMENT}){{0,6}})"
)
_SAID = re.compile(
    r"(?:(?<![A-Za-z])UDI(?:-?PI)?|唯一标识|追溯码|条码)[^A-Za-z0-9+=(\n]{0,8}"
    r"(?:01[ ]?[0-9]{14}|(?:DI[ :]{0,3})?[0-9]{14}(?=[ /,;|+]))?[ /,;|+]{0,3}(?:PI[ :]{0,3})?"
    r"(?P<value>(?=[0-9])(?:1[0-7]|2[0-2])[ ]?[A-Za-z0-9]{3,}(?:[ ]?[A-Za-z0-9\-./]+){0,8})"
)
_PI = re.compile(
    r"(?:UDI-?PI|生产标识(?:符|码|部分)?)(?:为|是)?[ :]{0,3}"
    r"(?P<value>(?![(+=])[!-+\--:<-~]{4,80}(?: [!-+\--:<-~]*[0-9][!-+\--:<-~]*){0,5})",
    re.IGNORECASE,
)
_HIBCC = (
    re.compile(
        r"(?<![A-Za-z0-9])\+[A-Z][A-Z0-9]{3}[A-Z0-9]{1,18}[0-9]/(?P<value>[$0-9A-Z][$0-9A-Z.\-+/% ]{3,80}(?<! ))"
    ),
    re.compile(r"(?<![A-Za-z0-9])(?P<value>\+\$[$0-9A-Z][$0-9A-Z.\-+/%]{4,80})"),
)
_ICCBBA = (
    re.compile(r"=/[A-Z][A-Z0-9]{4}[A-Z0-9]{6}[A-Z][0-9]{4}(?P<value>(?: ?[=&][!-~]+)+)"),
    re.compile(r"(?<![A-Za-z0-9=])(?P<value>=[A-NP-Z1-9][0-9]{4} ?[0-9]{2} ?[0-9]{6} ?[0-9A-Z]{2})"),
)


def find_devices(plain: str) -> Iterator[Found]:
    """Serial numbers, lots and production parts of UDIs in a text in normal form. Spans may overlap."""
    for kind, patterns in (
        (SERIAL_NUMBER, (_SERIAL, _SN, _SEQUENCE, _LETTERS)),
        (LOT_NUMBER, (_LOT, _BATCH)),
    ):
        for pattern in patterns:
            for match in pattern.finditer(plain):
                if match.end("value") - match.start("value") >= _SHORTEST:
                    yield from _with_further(plain, kind, match)
    yield from _bracketed(plain)
    for pattern in (_GS1, _GS1_PRINTED, _SAID, _PI, *_HIBCC, *_ICCBBA):
        for match in pattern.finditer(plain):
            yield Found(DEVICE_PRODUCTION, *match.span("value"))


def _with_further(plain: str, kind: str, match: re.Match[str]) -> Iterator[Found]:
    """批号20A1188、20A1189: one word, several numbers."""
    following: re.Match[str] | None = match
    while following is not None:
        yield Found(kind, *following.span("value"))
        following = _FURTHER.match(plain, following.end("value"))


def _bracketed(plain: str) -> Iterator[Found]:
    """(17)250101(10)L123(21)S987: each value by its application identifier; 01 and 02 name the product."""
    read = 0  # a chain is read once, from its beginning
    for head in _BRACKETED.finditer(plain):
        if head.start() < read:
            continue
        elements = []
        element = _ELEMENT.match(plain, head.end())
        while element is not None:
            elements.append(element)
            read = element.end()
            element = _ELEMENT.match(plain, read)
        if head[0] or len(elements) > 1:
            for one in elements:
                kind = {_LOT_AI: LOT_NUMBER, _SERIAL_AI: SERIAL_NUMBER}.get(one["ai"], DEVICE_PRODUCTION)
                if one["ai"] not in ("01", "02"):
                    yield Found(kind, *one.span("value"))
