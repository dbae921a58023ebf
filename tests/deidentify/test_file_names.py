"""Names of files: nobody is named by what is written, and ordinary names need no second thought."""

from __future__ import annotations

import re
import time

import pytest

from deidentify.file_names import Verdict, judge

REFUSED = """
王小明 张三 李娜 张伟2026 高明华 欧阳娜娜 司徒虚怀 患者王小明 王小明_检验结果 王小明化验单
王芳-李强 病历（王小明） 王_小明 欧阳-娜娜 李-娜
阿依古丽·买买提 买买提·吐尔逊 阿依古丽.买买提 阿依古丽•买买提_2026
海南省琼海市嘉积镇文坡村12号 东风路18号3栋2单元501室 琼海市嘉积镇文坡村
E12345678 e12345678 EA1234567 G12345678 H1234567890 11010519491231002X 1101051949１２31002X 154-1234-5678 琼A12345
李四的检查 李四检查 扎西病历 扎西 次仁 尼玛 买买提 古丽娜尔 3床张 12床李四 20240305_ZY12345 20240305-B23456
ZY20231234 ZY20231231 zy20231234 MRN000123 0012345678 住院号123456 a@example.org 6222021234567890128
"""
DOUBTFUL = "wangxiaoming_19800304 ZhangSan zhang_san WangXiaoming XiaomingWang li-na zhangwei2026 Wang.Fang"
DOUBTFUL += " ouyang wang.xm Wang_2026 高明 高明2026"
PASSES = """
export_20261121 患者 病人 检验结果2026 oncology-batch-3 Patient Observation.000 export-2024-03-01 20261121 part-00001 a
病案首页 高血压 乐城2026 海口市人民医院 海南 琼海市 白血病队列 方案 安全性 肿瘤科第三批 何首乌 随访 血常规 黄疸 周报
手术记录20240101 全量数据 体检2026 MedicationRequest QuestionnaireResponse R4_v1 batch20261121 demo_hospital_c
lab_results
FHIR_export_202611211530 3f2a9c1e-1234-4abc-8def-0123456789ab 123456 patients imaging data_quality_report
machine mapping 患者的检查 3床查房 明细表 白细胞 花名册 金标准 高值耗材 陈旧性心肌梗死 long_2026 AI_v2 20240305_v1
"""


@pytest.mark.parametrize("stem", REFUSED.split())
def test_a_persons_name_address_or_number_is_refused(stem: str) -> None:
    """Whole, beside a date, or among words of which file names are made; in any width, with any middle dot."""
    assert judge(stem) is Verdict.REFUSED


@pytest.mark.parametrize("stem", DOUBTFUL.split())
def test_what_can_be_read_as_a_name_in_pinyin_is_told(stem: str) -> None:
    assert judge(stem) is Verdict.DOUBTFUL


@pytest.mark.parametrize("stem", PASSES.split())
def test_an_ordinary_name_passes_in_silence(stem: str) -> None:
    assert judge(stem) is Verdict.PASSES


@pytest.mark.parametrize(
    "stem", ["", " ", "王" * 3000, "a" * 5000, "1-" * 3000, "·" * 3000, "wang" * 1000, "\0\n"]
)
def test_no_name_is_too_odd_or_too_long_to_be_judged(stem: str) -> None:
    began = time.perf_counter()
    assert judge(stem) in Verdict
    assert time.perf_counter() - began < 10


def test_surnames_with_usual_given_names_are_found() -> None:
    """Of the frequent surnames that are no other words, every name of two and three characters with these."""
    given = "伟 芳 娜 敏 静 丽 强 磊 军 洋 勇 艳 杰 娟 涛 超 秀英 桂英 小明 建国 志强 子涵 雨桐 浩然"
    names = [
        surname + other
        for surname in "王李张刘陈杨赵吴周徐孙朱胡郭何林罗郑"
        for other in re.split(" ", given)
    ]
    assert [name for name in names if judge(name) is not Verdict.REFUSED] == []
