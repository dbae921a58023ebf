"""Serial numbers, lots and the production part of a UDI: found as they are written; the product's part stays."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deidentify.device_identifiers import device_identifier
from deidentify.identifiers_cn import NormalText
from deidentify.identifiers_cn.devices import find_devices

SERIAL, LOT, PRODUCTION = "device-serial-number", "lot-number", "device-production-identifier"


def found(text: str) -> list[tuple[str, str]]:
    normal = NormalText(text)
    places = sorted(
        {(one.kind, *normal.place(one.start, one.end)) for one in find_devices(normal.plain)},
        key=lambda one: one[1:],
    )
    return [(kind, text[start:end]) for kind, start, end in places]


WRITTEN = [
    ("人工晶体序列号：SN 4820193, 批号LOT 20A1188", [(SERIAL, "4820193"), (LOT, "20A1188")]),
    ("起搏器SN:PJN123456S", [(SERIAL, "PJN123456S")]),
    ("型号W1DR01 SN PJN123456S", [(SERIAL, "PJN123456S")]),
    ("批号 20230101A", [(LOT, "20230101A")]),
    ("批号：20230101，剂量5.4mg", [(LOT, "20230101")]),
    ("序列号: 123 456 789。", [(SERIAL, "123 456 789")]),
    ("S/N ABC-123植入", [(SERIAL, "ABC-123")]),
    ("Serial No. 4820193 implanted", [(SERIAL, "4820193")]),
    ("机身号８８２３１", [(SERIAL, "８８２３１")]),
    ("機身號88231", [(SERIAL, "88231")]),
    ("序列号：ABCDEF", [(SERIAL, "ABCDEF")]),
    ("植入物编号为 A12-345", [(SERIAL, "A12-345")]),
    ("Batch No: B1234", [(LOT, "B1234")]),
    ("LOT#20A1188", [(LOT, "20A1188")]),
    ("批号20A1188、20A1189和20A1190", [(LOT, "20A1188"), (LOT, "20A1189"), (LOT, "20A1190")]),
    ("批号20A1188、2023年5月", [(LOT, "20A1188")]),
    (
        "UDI: (01)06901234567892(17)250101(10)L123(21)S987",
        [(PRODUCTION, "250101"), (LOT, "L123"), (SERIAL, "S987")],
    ),
    ("UDI（01）06901234567892（21）S987，植入", [(SERIAL, "S987")]),
    ("(17)250101(10)L123", [(PRODUCTION, "250101"), (LOT, "L123")]),
    ("UDI: 01 06901234567892 17 250101 10 L123 21 S987，", [(PRODUCTION, "17 250101 10 L123 21 S987")]),
    (
        "扫码010690123456789217250101 10L123",
        [(PRODUCTION, "17250101"), (PRODUCTION, "17250101 10L123")],
    ),
    ("0106912345678901 17250101 10L123 21S987", [(PRODUCTION, "17250101 10L123 21S987")]),
    ("01 06912345678901 17 250101 10 L123 21 S987植入", [(PRODUCTION, "17 250101 10 L123 21 S987")]),
    ("[SN]1023456 [LOT]20A1188", [(SERIAL, "1023456"), (LOT, "20A1188")]),
    ("【SN】1023456【LOT】20A1188", [(SERIAL, "1023456"), (LOT, "20A1188")]),
    ("电极序号 AB12CD34", [(SERIAL, "AB12CD34")]),
    ("序号：AB12CD34", [(SERIAL, "AB12CD34")]),
    ("设备号AB12CD35", [(SERIAL, "AB12CD35")]),
    ("S.N. AB12CD34", [(SERIAL, "AB12CD34")]),
    ("S N: AB12CD34", [(SERIAL, "AB12CD34")]),
    ("Ser# AB12CD34", [(SERIAL, "AB12CD34")]),
    ("Ser. No. 1023456", [(SERIAL, "1023456")]),
    ("植入体ID AB12CD34", [(SERIAL, "AB12CD34")]),
    ("控制器编码：AB12CD34", [(SERIAL, "AB12CD34")]),
    ("防伪码 1023 4567 8901", [(SERIAL, "1023 4567 8901")]),
    ("序列 号 AB12CD34", [(SERIAL, "AB12CD34")]),
    ("批 号 20A1188", [(LOT, "20A1188")]),
    ("批：20A1188", [(LOT, "20A1188")]),
    ("批次20A1188", [(LOT, "20A1188")]),
    ("生产批次 20230101", [(LOT, "20230101")]),
    ("产品批号：20A1188", [(LOT, "20A1188")]),
    ("+H123ABC01234567890/$$420020216LOT123456/SXYZ4567/16D20130202C", None),
    ("*+A99912349/$$52001510X3+*", [(PRODUCTION, "$$52001510X3+")]),
    (
        "=/A9999XYZ100T0944=,000025=A99971312345600=>014032",
        [(PRODUCTION, "=,000025=A99971312345600=>014032")],
    ),
    ("血袋=A9997 13 123456 00", [(PRODUCTION, "=A9997 13 123456 00")]),
]


@pytest.mark.parametrize(("text", "wanted"), WRITTEN, ids=[case[0][:24] for case in WRITTEN])
def test_what_names_one_device_is_found(text: str, wanted: list[tuple[str, str]] | None):
    """By the word before it, by GS1's application identifiers, by HIBCC's stroke and ISBT's equals sign."""
    if wanted is None:  # the lot stands within the production part as well
        covered = {value for _, value in found(text)}
        assert text.partition("/")[2] in covered and not any(value.startswith("+H123") for value in covered)
    else:
        assert found(text) == wanted


@pytest.mark.parametrize(
    "udi",
    [
        "(01)06901234567892(17)250101(10)L123(21)S987",
        "010690123456789217250101",
        "+A99912349/$$52001510X33",
        "=/A9999XYZ100T0944=,000025",
    ],
)
def test_the_products_part_stays(udi: str):
    """The same product is the same text in all records: nothing of what `device_identifier` keeps is touched."""
    product = device_identifier(udi)
    values = [value for _, value in found(f"UDI: {udi}，")]
    assert values and (product is None or not any(product in value or value in product for value in values))


NOTHING = [
    "",
    "批准文号国药准字H20230101",
    "注册证编号20233130123",
    "(10)继续治疗(21)三体",
    "第3批次患者",
    "SN 2/3阳性",
    "SNR 2023",
    "T 36.5，lot of pain",
    "3批 20例",
    "随机号R-017",
    "批号 2023 mg",
    "GTIN 06901234567892",
    "型号W1DR01",
    "规格18650",
    "ER+PR+",
    "序号 12",
    "表中序号123",
    "审批：20231101",
    "分3批：20例",
    "支架型号W1DR01",
    "瓣膜号 23",
    "病变[SN]阳性",
    "laser no 3023",
    "S 1 N 2",
]


@pytest.mark.parametrize("text", NOTHING)
def test_licences_models_and_measures_name_no_device(text: str):
    """A licence and a model are on every package of the product; SN is a sentinel node too."""
    assert found(text) == []


@settings(deadline=None)
@given(st.text(alphabet="批号LOTSN/:()+=$0123456789AB 年，、UDI序列", max_size=80))
def test_any_text_can_be_read(text: str):
    """Findings lie in the text and are not empty."""
    assert all(
        0 <= one.start < one.end <= len(text)
        for one in find_devices(NormalText(text).plain)
        if text.isascii()
    )
    assert all(value for _, value in found(text))


HOSTILE = [
    *("批号1 ", "(10)1", "UDI 17 1", "+A999", "=/A", "SN 1-", "LOT", "1 2"),
    *("0106912345678901 10", "10A ", "S N", "批 "),
]


@pytest.mark.parametrize("unit", HOSTILE)
def test_the_time_grows_with_the_length_only(unit: str):
    """Four times the text takes about four times the time; a quadratic pattern would take sixteen times."""

    def seconds(size: int) -> float:
        text = (unit * size)[:size]
        began = time.process_time()
        list(find_devices(text))
        return time.process_time() - began

    seconds(100)
    short, long = (min(seconds(size) for _ in range(3)) for size in (4_000, 16_000))
    assert long < 9 * max(short, 0.01)
