"""What a column's name says of it: by whole words, in Chinese and English, and nothing by parts of words."""

from __future__ import annotations

import pytest

from deidentify.risk.headers import identifies, kind_of_header, rank_as_person

# kind | headers that say it
SAY: dict[str, str] = {
    "name": "name Name NAME 姓名 患者姓名 患者的姓名 姓名（必填） 入院_姓名 patient_name patientName "
    "PatientName PATIENTNAME first_name surname name_pinyin Name1 Patient.name.family "
    "physician_name 患者名称 联系人姓名 xingming",
    "person-number": "id ID ＩＤ patient_id PatientID PATIENT_ID pt_id patient_num 患者ID 病人id 患者编号 empi",
    "resident-id": "身份证 身份证号 身份证号码 患者身份证号 证件号码 national_id ssn id_card_no sfzh",
    "hospital-number": "住院号 门诊号 病历号 病案号 mrn MRN ward_mrn medical_record_number zyh",
    "phone": "电话 联系电话 手机号 患者电话 phone phone_2 tel patient_phone home_phone",
    "address": "地址 家庭住址 现住址 address home_address patientAddress",
    "email": "email e-mail 邮箱 患者邮箱",
    "travel-document": "护照号 passport passport_no",
    "code": "subject subject_id USUBJID 受试者编号 record_id 筛选号",
}
ORDINARY = (
    "drug_name 药品名称 hospital_name 医院名称 医院电话 医院地址 test_id site_id 名称 "
    "name_type id_type doctor_id drug_id encounter_id visit_id resource_id "
    "organisation_id product_name 样本编号 药品编号 序号 编码 age sex 性别 出生年 诊断 note "
    "marital-status native-country valid amid ident birth_year 电话随访 微信公众号 "
    "商品名 病名 patient_age patient_count address_type phone_type inpatient "
    "contact cell dz ip 姓 _ 1 ··· 研究编号 username_count filename "
)


@pytest.mark.parametrize(
    ("kind", "header"), [(kind, header) for kind, headers in SAY.items() for header in headers.split()]
)
def test_a_header_says_what_kind_of_identifier_stands_below(kind: str, header: str) -> None:
    assert kind_of_header(header) == kind
    assert identifies(header) == ("" if kind == "code" else kind)


@pytest.mark.parametrize("header", ORDINARY.split())
def test_names_and_numbers_of_things_are_no_persons(header: str) -> None:
    """Only whole words, and most only alone or after whom they belong to."""
    assert kind_of_header(header) == ""


def test_codes_and_numbers_tell_people_apart_and_addresses_do_not() -> None:
    assert rank_as_person("subject_id") == 0
    assert rank_as_person("姓名") is not None and rank_as_person("id") is not None
    assert rank_as_person("地址") is None and rank_as_person("age") is None


@pytest.mark.parametrize(
    "header", ["", " ", "(", "（（）", "(" * 5000, "id" * 5000, "\x00", "🙂", "a" * 100_000]
)
def test_a_hostile_header_is_read_in_no_time_and_says_nothing(header: str) -> None:
    assert kind_of_header(header) == ""


@pytest.mark.parametrize("header", [
    "患者", "患者唯一号", "研究对象", "病例号", "case_no", "CaseNo", "主索引号", "就诊卡", "登记卡号",
    "subject_ref", "sub",
])  # fmt: skip
def test_a_column_that_says_whose_row_it_is_is_found(header: str) -> None:
    """Also by the words of registries and of exports of FHIR."""
    assert rank_as_person(header) is not None


@pytest.mark.parametrize(
    "header", ["患者数", "患者来源", "研究对象数", "case", "substance", "sub_total", "就诊次数"]
)
def test_a_column_that_counts_or_describes_people_is_none(header: str) -> None:
    assert rank_as_person(header) is None
