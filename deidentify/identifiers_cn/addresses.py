"""Addresses: a place of GB/T 2260 with what follows it, a road with its number, or what stands after 住址.

A province alone is no address (海南省): it is what a report may say. A prefecture, a county, or a province
with any part below it is one. Hospitals and other bodies whose names begin with a place are organisations.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache

from deidentify.identifiers_cn.found import ADDRESS, ORGANISATION, Found
from deidentify.identifiers_cn.regions import place_names

_HAN = "[\u3400-\u9fff\U00020000-\U0003ffff]"
# A part of a name: Chinese characters that are no function word between one address and the next word.
_NAME = "(?:(?![在于至自从到由往的与及为是因住后前时]|和(?![平谐顺静县田林睦美兴义]))[\u3400-\u9fff])"
_NUMBER = (
    "(?:[0-9]{1,6}(?:[-－~、][0-9]{1,6}){0,3}|[一二三四五六七八九十百〇零]{1,5}"
    "|[A-Za-z]{1,2}[0-9]{0,4}|[甲乙丙丁东西南北])"
)
_AREA = (
    "特别行政区|自治区|自治州|自治县|自治旗|开发区|高新区|示范区|管理区|先行区|工业园|产业园|街道办事处|街道|林区|新区|地区|"
    "省|市|盟|州|区|县|旗|镇|乡|苏木|农场|林场|牧场|社区|居委会|村委会|村|屯|寨|庄|垸|塘|坪|湾"
)
_ROAD = "大街|大道|公路|支路|环路|路|街|巷|胡同|弄|里|道|坊"
_SITE = "小区|花园|家园|花苑|公寓|大厦|广场|宿舍|新村|新城|山庄|公馆|名苑|雅苑|嘉园|苑|府|城|园|居|轩|阁|家属院|大院|楼"
_COUNTED = "号院|号楼|号房|号|院|栋|幢|座|楼|层|单元|室|户|房|门|组|队|社|弄|支路|巷|街坊|段"
_PART = (
    f"(?:{_NAME}{{1,9}}?(?:{_AREA}|{_ROAD}|{_SITE})(?![院内外科室镇乡村路街])"
    f"|第?{_NUMBER}[ ]?(?:{_COUNTED})(?:附[0-9]{{1,3}}号)?)"
)
_TAIL = (
    f"(?:[ ,，]?{_PART}){{0,12}}(?:[ ]?[A-Za-z]?[0-9]{{2,4}}(?:-[0-9]{{1,4}}){{0,2}}(?![0-9年月日岁\\-/.%]))?"
)
_POSTCODE = re.compile(r"(?:邮编|邮政编码|邮码)(?:为|是)?[: ]{0,3}(?P<value>[0-9]{6})(?![0-9])")
# A road or site with its number is an address wherever it stands: 东风路18号, 3栋2单元501室.
_ROAD_NUMBER = re.compile(
    f"(?P<value>{_NAME}{{2,6}}?(?:{_ROAD}|{_SITE})"
    f"[ ]?(?:{_NUMBER}[ ]?(?:{_COUNTED})[ ]?){{1,6}}(?:[0-9]{{2,4}}(?![0-9]))?)"
)
_HOUSE = re.compile(
    r"(?P<value>[0-9]{1,4}(?:号楼|栋|幢|座)[ ]?(?:[0-9一二三四五六七八九十]{1,3}单元)?[ ]?"
    r"[0-9]{2,4}(?:室|房|户)?)(?![0-9岁年月日])"
)
_VILLAGE = re.compile(
    f"(?P<value>{_NAME}{{1,6}}?(?:镇|乡){_NAME}{{1,6}}?村(?:{_NUMBER}(?:组|队|社|号|屯)){{0,3}})"
)
_AFTER_WORD = re.compile(
    r"(?:住址|地址|现住|家住|住在|住于|居住于|居住在|居住地|居住|户籍(?:地|所在地)?|户口(?:地|所在地)?|籍贯|出生地|原籍|"
    r"来自|住所|通讯处|祖籍|常住|暂住)(?:为|是|于|在|地址)?[: ]{0,3}"
    f"(?P<value>[A-Za-z0-9{_HAN[1:-1]}]{{2,12}}?(?:{_AREA}|{_ROAD}|{_SITE})(?![院科]){_TAIL})"
)
_ORGANISATION_ENDS = (
    "医院|卫生院|卫生所|卫生服务中心|卫生服务站|卫生室|门诊部|诊所|医学院|医科大学|疾控中心|体检中心|妇幼保健院|保健院|疗养院|养老院|"
    "福利院|医学中心|大学|学院|中学|小学|幼儿园|公司|集团|工厂|银行|派出所|公安局|法院|检察院|监狱|看守所|寺|殡仪馆|研究院|研究所"
)
_NOT_ORGANISATION = re.compile(
    "(?:^|.*?)(?:患者|家属|我院|本院|外院|当地|在|于|至|自|从|到|由|往|赴|经|就诊|转诊|转入|转往|转院|来自|曾|入住|入|"
    "某|该|上级|下级|基层|其他|各|及|(?<![协仁永中康])和(?![平睦田美谐])|"
    "与|或|就读|任职|就职|工作|毕业|诊断|会诊|意见|复查|单位|[，。；：、 ])"
)
_ORGANISATION = re.compile(
    f"(?P<value>{_HAN}{{1,24}}?(?:{_ORGANISATION_ENDS})(?:{_HAN}{{1,8}}?(?:院区|分院|医院)){{0,2}})"
)
_COMMON_WORDS = (
    "医院 我院 本院 外院 该院 当地医院 门诊 综合医院 上级医院 专科医院 三甲医院 大医院 大学 中学 小学 学院 公司 银行 "
    "人民医院 中医院 县医院 市医院 省医院 社区医院 私立医院 公立医院 诊所 私人诊所 个体诊所 村卫生室 研究所 养老院 "
    "初中 高中 法院 派出所 门诊部 体检中心 卫生院 卫生室 卫生所 工厂 幼儿园 医学院 民营医院 基层医院 教学医院"
)
_COMMON_BODIES = frozenset(_COMMON_WORDS.split())


@cache
def _heads() -> Mapping[str, tuple[str, ...]]:
    """The places by which an address begins, by their first two characters, the longer names first."""
    names = place_names()
    heads: dict[str, list[str]] = {}
    for name in {*names["province"], *names["city"], *names["county"], *_BELOW_2260} - _AMBIGUOUS:
        heads.setdefault(name[:2], []).append(name)
    return {pair: tuple(sorted(same, key=lambda name: (-len(name), name))) for pair, same in heads.items()}


def _place_end(plain: str, start: int) -> int:
    """Where the place's name that begins here ends; `start` if none does."""
    for name in _heads().get(plain[start : start + 2], ()):
        if plain.startswith(name, start):
            return start + len(name)
    return start


# Short names of prefectures that are words of the clinic or of every day.
_AMBIGUOUS = frozenset({"白银", "东方", "资阳", "通化", "本溪", "中卫", "崇左", "平凉", "安康", "保定"})
# GB/T 2260 does not go below the province there.
_ISLANDS = (
    "九龙 新界 港岛 香港岛 湾仔 沙田 屯门 元朗 荃湾 油尖旺 铜锣湾 观塘 旺角 大埔 葵青 将军澳 "
    "氹仔 路环 台北 新北 台中 台南 高雄 新竹 桃园 基隆 "
    "嘉义 花莲 台东 屏东 苗栗 彰化 南投 宜兰 澎湖"
)
_BELOW_2260 = frozenset(_ISLANDS.split())
_SMALL = frozenset({"香港", "澳门"})  # a province's rank, a city's size
# A place's name that is part of another thing's: 武汉大学 is a body (found as one), 新疆出血热 a disease.
_NO_PLACE_AFTER = re.compile(
    "(?:大学|医学院|医院|病毒|出血热|株|型|肝炎|脑炎|产|牌|玉|籍医|方剂|药业|制药|白药|散)"
)


def find_addresses(plain: str) -> Iterator[Found]:
    """Addresses and bodies in a text in normal form. Spans may overlap."""
    yield from _find_by_place(plain)
    for pattern in (_ROAD_NUMBER, _HOUSE, _VILLAGE, _POSTCODE, _AFTER_WORD):
        for match in pattern.finditer(plain):
            yield Found(ADDRESS, *match.span("value"))
    yield from _find_bodies(plain)


def _find_by_place(plain: str) -> Iterator[Found]:
    provinces = place_names()["province"]
    at = 0
    while at < len(plain):
        start, end = at, _place_end(plain, at)
        if end == start:
            at += 1
            continue
        name = plain[start:end]
        # 海南省琼海市, 广东深圳南山区: places may follow one another without their 省 and 市.
        while (further := _place_end(plain, end)) > end:
            end = further
        if rest := _tail().match(plain, end):
            end = rest.end()
        at = end
        alone = plain[start:end] == name
        if alone and (_NO_PLACE_AFTER.match(plain, end) or (name in provinces and name not in _SMALL)):
            continue
        yield Found(ADDRESS, start, end)


@cache
def _tail() -> re.Pattern[str]:
    return re.compile(_TAIL)


def _find_bodies(plain: str) -> Iterator[Found]:
    for match in _ORGANISATION.finditer(plain):
        start, end = match.span("value")
        before = _NOT_ORGANISATION.match(plain, start, end)
        while before and before.end() > start and before.end() < end:
            start = before.end()
            before = _NOT_ORGANISATION.match(plain, start, end)
        if end - start > 3 and plain[start:end] not in _COMMON_BODIES:
            yield Found(ORGANISATION, start, end)
