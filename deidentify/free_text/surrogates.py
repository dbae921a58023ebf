"""Surrogates: what stands in a cleaned text instead of a value, visibly.

    患者⟦姓名KDFA·QTDM⟧，⟦2023年9月13日·XKBP⟧入院，电话⟦手机RHQE·LMFC⟧

An invented name that looks real would read better and deceive: a reviewer could not tell what was missed
from what was made, and a chance hit could name somebody. So a surrogate says its type in brackets that no
hospital writes, and can equal no name, number or valid identifier. The code is a keyed hash of project,
patient, type and value: one person of one patient's notes is one code in all of them, and nobody without
the key can tell the value, nor join two projects or two patients by it. The letters after the dot are a
keyed check of what stands before them: a bracket that somebody else wrote is no surrogate and hides nothing.
"""

from __future__ import annotations

import re
from functools import lru_cache

from deidentify.free_text.detector import TextContext
from deidentify.identifiers_cn import NormalText, found
from deidentify.pseudonym import framed
from rwd_platform.signing import suites

OPEN, CLOSE = "⟦", "⟧"
LABELS = {
    found.NAME: "姓名",
    found.RESIDENT_ID: "身份证",
    found.OLD_RESIDENT_ID: "身份证",
    found.PERMANENT_RESIDENCE: "永居证",
    found.TRAVEL_DOCUMENT: "证件",
    found.MOBILE: "手机",
    found.LANDLINE: "电话",
    found.SERVICE_PHONE: "电话",
    found.FOREIGN_PHONE: "电话",
    found.BANK_CARD: "银行卡",
    found.INSURANCE_CARD: "医保卡",
    found.LICENCE_PLATE: "车牌",
    found.EMAIL: "邮箱",
    found.WECHAT: "微信",
    found.QQ: "QQ",
    found.URL: "网址",
    found.IP_ADDRESS: "网络地址",
    found.HOSPITAL_NUMBER: "院内号",
    found.SERIAL_NUMBER: "序列号",
    found.LOT_NUMBER: "批号",
    found.DEVICE_PRODUCTION: "生产标识",
    found.BED: "床位",
    found.ADDRESS: "地址",
    found.ORGANISATION: "机构",
    found.DATE: "日期",
}
OTHER = "标识"
# Letters only: no detector takes them for a part of a number. I and O are left out, as they are read for 1 and 0.
_ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ"
_LETTERS = 4
_INSIDE = re.compile(f"{OPEN}([^{OPEN}{CLOSE}\n]{{1,60}})·([{_ALPHABET}]{{{_LETTERS}}}){CLOSE}")


def surrogate(context: TextContext, kind: str, value: str, subject: str = "") -> str:
    """The surrogate of a value. Where the roster knows the person, all of the person's names are one."""
    label = LABELS.get(kind, OTHER)
    of = f"roster {subject}" if subject and kind == found.NAME else f"value {_canonical(value)}"
    return _bracketed(context, label + _letters(context, "surrogate", label, of))


def _canonical(value: str) -> str:
    """A number is one number with and without spaces, in full width and with +86 before it; 王曉明 is 王晓明."""
    plain = re.sub(r"[\s\-·._]", "", NormalText(value).plain).upper()
    return re.sub(r"^(?:\+|00)86(?=1[3-9][0-9]{9}$)", "", plain)


def shifted_date(context: TextContext, text: str) -> str:
    """A shifted date in its brackets, so that nobody takes it for the true one."""
    return _bracketed(context, text)


def own_surrogates(context: TextContext, text: str) -> list[tuple[int, int]]:
    """Where the text holds surrogates made with this key for this patient; other brackets are not among them."""
    return [match.span() for match in _INSIDE.finditer(text) if match[2] == _check(context, match[1])]


def _bracketed(context: TextContext, inside: str) -> str:
    return f"{OPEN}{inside}·{_check(context, inside)}{CLOSE}"


def _check(context: TextContext, inside: str) -> str:
    return _letters(context, "check", inside)


def _letters(context: TextContext, *parts: str) -> str:
    return _mac_letters(context.key, context.suite, (context.project, context.patient, *parts))


@lru_cache(maxsize=1 << 12)
def _mac_letters(key: bytes, suite: str, parts: tuple[str, ...]) -> str:
    mac = suites.suite(suite).mac(key, b"".join(map(framed, ("free text", *parts))))
    number = int.from_bytes(mac, "big")
    return "".join(_ALPHABET[number // len(_ALPHABET) ** place % len(_ALPHABET)] for place in range(_LETTERS))
