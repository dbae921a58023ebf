"""Documents, phones, cards, plates and contacts, between Chinese characters as notes have them."""

from __future__ import annotations

import pytest

from deidentify.identifiers_cn import NormalText, scan
from deidentify.identifiers_cn.cards import passes_luhn
from deidentify.identifiers_cn.phones import find_hidden_mobiles

FOUND = """
    护照号E87654321，                | travel-document | E87654321
    护照：EA1234567。                | travel-document | EA1234567
    Passport No. G12345678 issued    | travel-document | G12345678
    港澳居民来往内地通行证H1234567802 | travel-document | H1234567802
    回乡证号码：M12345678，          | travel-document | M12345678
    台胞证 01234567，                | travel-document | 01234567
    往来港澳通行证C12345678。        | travel-document | C12345678
    电话13876543210转                | mobile          | 13876543210
    电话138 7654 3210，              | mobile          | 138 7654 3210
    电话138-7654-3210，              | mobile          | 138-7654-3210
    电话１３８７６５４３２１０，     | mobile          | １３８７６５４３２１０
    （+86 139 0000 1234）            | mobile          | +86 139 0000 1234
    008613876543210，                | mobile          | 008613876543210
    手机138.7654.3210，              | mobile          | 138.7654.3210
    手机1 3 8 7 6 5 4 3 2 1 0，      | mobile          | 1 3 8 7 6 5 4 3 2 1 0
    联系电话1387 65 43210，          | mobile          | 1387 65 43210
    电话壹叁捌柒陆伍肆叁贰壹零，     | mobile          | 壹叁捌柒陆伍肆叁贰壹零
    電話壹 叁 捌 柒 陸 伍 肆 叁 貳 壹 零， | mobile          | 壹 叁 捌 柒 陸 伍 肆 叁 貳 壹 零
    wang.xm at qq.com，              | email           | wang.xm at qq.com
    wang.xm#qq点com，                | email           | wang.xm#qq点com
    v信 wangxm88，                   | wechat          | wangxm88
    加V：wangxm88，                  | wechat          | wangxm88
    企鹅号12345678，                 | qq              | 12345678
    門診號碼A123456，                | hospital-number | A123456
    身份证号46002519710312481，      | resident-id     | 46002519710312481
    身份證號4600251971031248101，    | resident-id     | 4600251971031248101
    电话一三八七六五四三二一〇，     | mobile          | 一三八七六五四三二一〇
    家庭电话0898-62826888。          | landline        | 0898-62826888
    座机(0898)62826888，             | landline        | (0898)62826888
    办公室电话0898-62826888转802，   | landline        | 0898-62826888转802
    电话：62826888，                 | landline        | 62826888
    传真089862826888，               | landline        | 089862826888
    热线400-123-4567，               | service-phone   | 400-123-4567
    客服热线8001234567。             | service-phone   | 8001234567
    香港电话+852 9123 4567，         | foreign-phone   | +852 9123 4567
    卡号6222021234567890128付        | bank-card       | 6222021234567890128
    6222 0212 3456 7890 128，        | bank-card       | 6222 0212 3456 7890 128
    银行账号：1234567890123，        | bank-card       | 1234567890123
    医保卡号A12345678，              | insurance-card  | A12345678
    社会保障号：460100 123456，      | insurance-card  | 460100 123456
    新农合证号HN20230001。           | insurance-card  | HN20230001
    车牌琼A12345停                   | licence-plate   | 琼A12345
    驾驶琼A·8K321送                  | licence-plate   | 琼A·8K321
    驾驶琼AD12345送                  | licence-plate   | 琼AD12345
    驾驶粤Z1234港送                  | licence-plate   | 粤Z1234港
    驾驶琼a12345送                   | licence-plate   | 琼a12345
    邮箱zhao.min@example.com，       | email           | zhao.min@example.com
    邮箱zhao.min @ example.com，     | email           | zhao.min @ example.com
    微信号wxid_lc2023ab，            | wechat          | wxid_lc2023ab
    微信：Abc_12345，                | wechat          | Abc_12345
    加VX abcdef12，                  | wechat          | abcdef12
    QQ285712345。                    | qq              | 285712345
    QQ号：285712345。                | qq              | 285712345
    见https://a.example/u?id=1，     | url             | https://a.example/u?id=1
    登录IP 192.168.10.21，           | ip-address      | 192.168.10.21
    设备00:1A:2B:3C:4D:5E，          | ip-address      | 00:1A:2B:3C:4D:5E
    住院号：ZY20240318025，          | hospital-number | ZY20240318025
    病理号B23-10086）                | hospital-number | B23-10086
    影像号为CT-2024-00123，          | hospital-number | CT-2024-00123
    门诊ID：0098231，                | hospital-number | 0098231
    MRN: 00123456,                   | hospital-number | 00123456
    就诊卡号：8888 1234 5678，       | hospital-number | 8888 1234 5678
    证件H1234567802已核，            | travel-document | H1234567802
    证件（港澳）：M12345678，        | travel-document | M12345678
    通行证（港澳）H1234567802，      | travel-document | H1234567802
    证件号C12345678，                | travel-document | C12345678
    陪护人凭H1234567802入院          | travel-document | H1234567802
    持回乡证 H12345678，             | travel-document | H12345678
    社保卡A12345678，                | insurance-card  | A12345678
    农合证：HN20230001。             | insurance-card  | HN20230001
    医保卡 4601 0012 3456 出示       | insurance-card  | 4601 0012 3456
    输血单A1234567已核               | hospital-number | A1234567
    输血单号：2023001234，           | hospital-number | 2023001234
    条码 00123456，                  | hospital-number | 00123456
    标本号B23-10086，                | hospital-number | B23-10086
    标本：B23-10086，                | hospital-number | B23-10086
"""


@pytest.mark.parametrize("line", FOUND.strip("\n").splitlines(), ids=lambda line: line.split("|")[2].strip())
def test_a_number_is_found_by_its_form_or_by_the_word_before_it(line: str):
    """Whole, once, and as what it is."""
    text, kind, value = (part.strip() for part in line.split("|"))
    assert [(one.kind, text[one.start : one.end]) for one in scan(text)] == [(kind, value)]


CLEAN = """
    批号210305A，规格18650，有效期24个月
    剂量5.4mg/kg，每3周一次，共6周期
    收缩压 138 舒张压 76 心率 54
    13 16 19 22 25 28 31 34
    OID 1.2.156.10197.1.301
    软件版本V1.2.3
    年龄53岁，身高170cm，体重65kg
    E87654321
    4001234567
    QQ糖3颗
    +10^9/L
    新A级证据
    受试者编号S-0107
    ICD-10 C50.900x001，CAS 50-78-2
    条码06901234567892
    标本3份，条码2枚
    医保卡余额120.5元
    凭处方取药20片
    证件齐全，共3份
    标本大小3.5cm
"""


@pytest.mark.parametrize("text", [line.strip() for line in CLEAN.strip("\n").splitlines()])
def test_a_clinical_number_is_no_identifier(text: str):
    """Lots, doses, versions and OIDs; a passport's or a hotline's digits without a word for one."""
    assert scan(text) == []


# ISO/IEC 7812-1: numbers that the card networks publish for tests.
@pytest.mark.parametrize(
    ("number", "valid"),
    [("4111111111111111", True), ("5555555555554444", True), ("4111111111111112", False), ("0", True)],
)
def test_the_last_digit_of_a_card_checks_the_others(number: str, valid: bool):
    """Luhn's formula."""
    assert passes_luhn(number) is valid


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("电话138****8000，", "138****8000"),
        ("手机１３８＊＊＊＊８０００", "１３８＊＊＊＊８０００"),
        ("138xxxx8000", "138xxxx8000"),
        ("手机13800l38000", "13800l38000"),
        ("I38OO138000", "I38OO138000"),
        ("138 0O13 8OO0", "138 0O13 8OO0"),
        ("13876543210", ""),
        ("1*2*3*4*5*6", ""),
        ("lIlIlIlIlIl", ""),
        ("12800l38000", ""),
        ("HbA1c", ""),
        ("", ""),
    ],
)
def test_a_mobile_number_that_is_starred_out_or_typed_with_letters_is_found(text: str, value: str):
    """Three digits before and four after tell a few people; l, I, O are what eyes and scanners make of 1 and 0."""
    normal = NormalText(text)
    found = [normal.place(one.start, one.end) for one in find_hidden_mobiles(normal.plain)]
    assert [text[start:end] for start, end in found] == ([value] if value else [])
