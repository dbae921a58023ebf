"""What each kind of identifier is called by people, and which kinds are nobody's where people write of a study."""

from __future__ import annotations

from collections.abc import Mapping

from deidentify.identifiers_cn import found, scan
from rwd_platform.core.text import Bilingual

KIND_NAMES: Mapping[str, Bilingual] = {
    found.NAME: Bilingual("姓名", "name"),
    found.DATE: Bilingual("日期（已移动）", "date, moved"),
    found.ADDRESS: Bilingual("地址", "address"),
    found.ORGANISATION: Bilingual("机构", "organisation"),
    found.BED: Bilingual("床位", "bed"),
    found.RESIDENT_ID: Bilingual("身份证号", "resident id"),
    found.OLD_RESIDENT_ID: Bilingual("身份证号（15 位）", "resident id, 15 digits"),
    found.PERMANENT_RESIDENCE: Bilingual("永久居留证号", "permanent residence id"),
    found.TRAVEL_DOCUMENT: Bilingual("出入境证件号", "travel document"),
    found.MOBILE: Bilingual("手机号", "mobile"),
    found.LANDLINE: Bilingual("固定电话", "landline"),
    found.SERVICE_PHONE: Bilingual("服务电话", "service phone"),
    found.FOREIGN_PHONE: Bilingual("境外电话", "foreign phone"),
    found.BANK_CARD: Bilingual("银行卡号", "bank card"),
    found.INSURANCE_CARD: Bilingual("医保卡号", "insurance card"),
    found.LICENCE_PLATE: Bilingual("车牌", "licence plate"),
    found.EMAIL: Bilingual("邮箱", "e-mail"),
    found.WECHAT: Bilingual("微信号", "WeChat"),
    found.QQ: Bilingual("QQ 号", "QQ number"),
    found.URL: Bilingual("网址", "web address"),
    found.IP_ADDRESS: Bilingual("网络地址", "IP address"),
    found.HOSPITAL_NUMBER: Bilingual("院内号码", "hospital number"),
}
OTHER = Bilingual("其他标识", "other identifier")
# Code systems and pages are addresses, and sections of a dossier look like one (5.3.5.4): neither is a person's number.
NOBODYS = frozenset({found.URL, found.IP_ADDRESS})


def kind_in(text: str) -> Bilingual | None:
    """What kind of a person's number stands in a text, the first of them; None: none."""
    kind = next((one.kind for one in scan(text) if one.kind not in NOBODYS), "")
    return KIND_NAMES.get(kind, OTHER) if kind else None
