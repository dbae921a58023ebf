"""Addresses by GB/T 2260 and their grammar; names after roles, before titles, with dots and in Latin letters."""

from __future__ import annotations

import pytest

from deidentify.identifiers_cn import NormalText
from deidentify.identifiers_cn.addresses import find_addresses
from deidentify.identifiers_cn.names import find_names, name_end, surname_at, words

ADDRESSES = """
    现住海南省琼海市嘉积镇东风路18号。          | 海南省琼海市嘉积镇东风路18号
    自哈尔滨市南岗区来院                       | 哈尔滨市南岗区
    由香港九龙转诊                             | 香港九龙
    住海口市和平路165号来院                    | 海口市和平路165号
    地址：三亚市吉阳区迎宾路123号半山小区5栋1203 | 三亚市吉阳区迎宾路123号半山小区5栋1203
    住万宁市龙滚镇福石村委会三组。              | 万宁市龙滚镇福石村委会三组
    家住东风路18号院3号楼2单元501室，           | 东风路18号院3号楼2单元501室
    喀什地区疏附县人                           | 喀什地区疏附县
    内蒙古自治区呼和浩特市新城区               | 内蒙古自治区呼和浩特市新城区
    原崇文区的患者                             | 崇文区
    邮编571400，                               | 571400
    琼海市博鳌镇朝烈村5组                      | 琼海市博鳌镇朝烈村5组
    海南省 琼海市 嘉积镇                       | 海南省 琼海市 嘉积镇
"""


def covered(text: str, value: str, found: list[tuple[int, int]]) -> bool:
    start = text.index(value)
    places = {at for first, last in found for at in range(first, last)}
    return set(range(start, start + len(value))) <= places


@pytest.mark.parametrize("line", [line.strip() for line in ADDRESSES.strip("\n").splitlines()])
def test_an_address_is_found_whole(line: str):
    """From the province to the room, also of a county that is no more."""
    text, value = (part.strip() for part in line.split("|"))
    normal = NormalText(text)
    found = [
        normal.place(one.start, one.end) for one in find_addresses(normal.plain) if one.kind == "address"
    ]
    assert covered(text, value, found)
    assert all(first >= text.index(value) and last <= text.index(value) + len(value) for first, last in found)


BODIES = """
    在上海交通大学医学院附属瑞金医院海南医院行 | 上海交通大学医学院附属瑞金医院海南医院
    外院病理（中山大学附属第一医院，病理       | 中山大学附属第一医院
    会诊意见：博鳌超级医院眼科                 | 博鳌超级医院
    于北京协和医院就诊                         | 北京协和医院
    就职于海南康达医药有限公司，               | 海南康达医药有限公司
"""


@pytest.mark.parametrize("line", [line.strip() for line in BODIES.strip("\n").splitlines()])
def test_another_hospital_and_an_employer_are_found(line: str):
    """They say where a person lives and works."""
    text, value = (part.strip() for part in line.split("|"))
    found = [one for one in find_addresses(NormalText(text).plain) if one.kind == "organisation"]
    assert [text[one.start : one.end] for one in found] == [value]


@pytest.mark.parametrize(
    "text",
    [
        "海南省患者12例", "在当地医院及我院就诊", "新疆出血热", "云南白药", "和田玉", "上肢及下肢",
        "右侧大脑中动脉供血区",
        "左肺下叶外侧段", "通路建立", "每周3次，共6周", "",
    ],
)  # fmt: skip
def test_a_province_alone_and_clinical_regions_are_no_address(text: str):
    """A report may say the province; a lung has segments and an artery a territory."""
    assert list(find_addresses(text)) == []


NAMES = """
    患者姓名：张伟，                | 张伟
    术者：林建国；                  | 林建国
    麻醉：高峰。                    | 高峰
    主管医师：欧阳慧敏，            | 欧阳慧敏
    联系人:王秀英（配偶）           | 王秀英
    赵先生诉                        | 赵
    眼科钱教授阅片                  | 钱
    今日吴轩永主治医师查房          | 吴轩永
    请欧阳医生会诊                  | 欧阳
    姓名阿依古丽·买买提，           | 阿依古丽·买买提
    患者吐尔逊•买买提入院           | 吐尔逊•买买提
    患者约翰·史密斯，               | 约翰·史密斯
    患者Zhang Wei签字               | Zhang Wei
    WANG, Xiaoming 入院             | WANG, Xiaoming
    Dr. Smith会诊                   | Smith
    病人李 明，                     | 李 明
    何首乌，男，53岁                | 何首乌
    姓名：赵某某，                  | 赵某某
    复核医师/黎明，                 | 黎明
    患者WANG XM入院                 | WANG XM
    WANG XM admitted                | WANG XM
    X.M. Wang signed                | X.M. Wang
    Zhao, L.Y. consented            | Zhao, L.Y.
    病人古力娜扎入院                | 古力娜扎
    病人古力娜扎                    | 古力娜扎
    才旦卓玛，女，35岁              | 才旦卓玛
    家属扎西陪同                    | 扎西
    患者巴图诉头痛                  | 巴图
    付款人:马化腾                   | 马化腾
    收费员：李四                    | 李四
    聯絡人：張偉                    | 張偉
    刘老师查房                      | 刘
"""


@pytest.mark.parametrize("line", [line.strip() for line in NAMES.strip("\n").splitlines()])
def test_a_name_is_found_after_a_role_before_a_title_or_by_its_form(line: str):
    """Exactly: the title and the word after it stay."""
    text, value = (part.strip() for part in line.split("|"))
    normal = NormalText(text)
    found = {normal.place(one.start, one.end) for one in find_names(normal.plain)}
    assert {text[start:end] for start, end in found} == {value}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "主管医师查房",
        "相关医生",
        "一位女士",
        "HbA1c 6.5%",
        "Mini Mental State",
        "白细胞",
        "维生素B12",
        "LONG QT综合征",
        "SONG CT",
        "HE XY染色",
        "MA DM",
        "E. coli",
        "过敏者:青霉素",
        "乌兰察布",
        "患者拉肚子",
        "患者热扎针",
    ],
)
def test_words_that_only_look_like_names_are_none(text: str):
    """主管 ends in a surname and stands before a title."""
    assert [text[one.start : one.end] for one in find_names(text)] == []


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("张伟入院", "张伟"),
        ("张伟", "张伟"),
        ("张伟因病", "张伟"),
        ("欧阳慧敏签字", "欧阳慧敏"),
        ("医生", ""),
    ],
)
def test_a_name_ends_before_the_word_that_follows_it(text: str, name: str):
    """张伟入院 is 张伟; 张伟 at the end of a line is 张伟."""
    assert text[: name_end(text, 0)] == name


def test_the_lists_of_names_are_read():
    """A few that must be there, and no line break among the surnames."""
    assert {"王", "李", "覃", "張"} <= words().surnames and "\n" not in words().surnames
    assert surname_at("欧阳慧敏", 0) == 2 and surname_at("的", 0) == 0 and surname_at("", 0) == 0
