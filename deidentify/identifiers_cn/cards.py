"""Bank cards (Luhn, UnionPay 62 and the international 4 and 51 to 55) and cards of health and social insurance."""

from __future__ import annotations

import re
from collections.abc import Iterator

from deidentify.identifiers_cn.found import BANK_CARD, INSURANCE_CARD, Found

_SOLID = re.compile(r"(?<![0-9])(?P<value>(?:62|4[0-9]|5[1-5])[0-9]{14,17})(?![0-9])")
_GROUPED = re.compile(
    r"(?<![0-9.])(?P<value>(?:62[0-9]{2}|4[0-9]{3}|5[1-5][0-9]{2})(?:[ \-][0-9]{4}){3}(?:[ \-]?[0-9]{1,3})?)(?![0-9])"
)
_ACCOUNT = re.compile(
    r"(?:银行卡|储蓄卡|信用卡|借记卡|银行账|银行帐|收款账|账户|帐户|账号|帐号|开户)(?:号码?|卡号)?[^0-9A-Za-z\n。；]{0,6}"
    r"(?P<value>[0-9](?:[ \-]?[0-9]){9,20})(?![0-9])"
)
# The form differs from city to city, so it is known by the word before it only.
_INSURANCE = re.compile(
    r"(?:医保|社保|医疗保险|社会保险|社会保障|新农合|合作医疗|农合|居民健康卡|健康卡|商业保险|保单|参保)"
    r"(?:卡|证|本|电脑|个人|人员)?(?:编|序|账|帐)?(?:号码?|ID)[^A-Za-z0-9\n。；]{0,6}"
    r"(?P<value>[A-Za-z]{0,4}[0-9](?:[ ]?[A-Za-z0-9\-]){3,24})",
    re.IGNORECASE,
)
# 社保卡A12345678: without 号 the number must be as long as a card's; 医保卡余额120.5 is none.
_INSURANCE_CARD = re.compile(
    r"(?:医保|社保|医疗保险|社会保险|社会保障|新?农合|合作医疗|健康卡|参保|保险)(?:个人)?(?:电子)?(?:卡|证|本|凭证|卡片)"
    r"(?:绑定)?(?:卡号?)?(?:为|是|系)?[ :#.(\-\"“]{0,4}(?P<value>[A-Za-z]{0,4}[0-9](?:[ \-]?[0-9]){5,20})(?![0-9.])",
    re.IGNORECASE,
)


def passes_luhn(number: str) -> bool:
    """Whether the last digit is the check digit of ISO/IEC 7812-1."""
    digits = [int(digit) for digit in reversed(number)]
    doubled = sum(sum(divmod(2 * digit, 10)) for digit in digits[1::2])
    return (sum(digits[::2]) + doubled) % 10 == 0


def find_bank_cards(plain: str) -> Iterator[Found]:
    """Card numbers by their check digit, and account numbers after a word for one."""
    for pattern in (_SOLID, _GROUPED):
        for match in pattern.finditer(plain):
            if passes_luhn(re.sub("[ -]", "", match["value"])):
                yield Found(BANK_CARD, *match.span("value"))
    for match in _ACCOUNT.finditer(plain):
        yield Found(BANK_CARD, *match.span("value"))


def find_insurance_cards(plain: str) -> Iterator[Found]:
    """Numbers after the words for a card of health or social insurance."""
    for pattern in (_INSURANCE, _INSURANCE_CARD):
        for match in pattern.finditer(plain):
            yield Found(INSURANCE_CARD, *match.span("value"))
