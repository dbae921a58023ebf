"""Ways to reach a person on a network: e-mail, WeChat, QQ, and addresses of pages and machines."""

from __future__ import annotations

import re
from collections.abc import Iterator

from deidentify.identifiers_cn.found import EMAIL, IP_ADDRESS, QQ, URL, WECHAT, Found

_EMAIL = re.compile(
    r"(?<![A-Za-z0-9._%+\-])"
    r"(?P<value>[A-Za-z0-9._%+\-]{1,64} ?(?:@|\(at\)|\[at\]) ?[A-Za-z0-9\-]{1,63}(?:\.[A-Za-z0-9\-]{1,63}){1,5})"
)
# As people spell it out where a form takes no @: wang at qq.com, wang#qq点com.
_SPELLED_EMAIL = re.compile(
    r"(?<![A-Za-z0-9._%+\-])(?P<value>[A-Za-z0-9][A-Za-z0-9._%+\-]{1,63}(?: at | ?(?:#|艾特|\{at\}|<at>|\(艾特\)|@) ?)"
    r"[A-Za-z0-9\-]{1,63}(?: ?(?:\.|点| dot |。) ?[A-Za-z0-9\-]{1,63}){0,3} ?(?:\.|点| dot |。) ?"
    r"(?:com|cn|net|org|edu|gov|hk|tw|mo|de|jp|uk|us|me|io|cc|vip))(?![A-Za-z0-9])",
    re.IGNORECASE,
)
_WECHATS = (
    re.compile(r"(?<![A-Za-z0-9_\-])(?P<value>wxid_[A-Za-z0-9_\-]{4,30})"),
    re.compile(
        r"(?:微 ?信|威信|薇信|微芯|维信|卫星号|[vｖ] ?信|we ?chat|wei ?(?:xin|信)|[加十+] ?(?:v|微|薇|卫星)(?![a-z])"
        r"|(?<![a-z])(?:wx|vx|v x)(?![a-z]))(?:号码?|账号|帐号|ID)?[^A-Za-z0-9\n。；，]{0,5}"
        r"(?P<value>[A-Za-z][A-Za-z0-9_\-]{5,19}|[0-9]{6,11})(?![A-Za-z0-9_])",
        re.IGNORECASE,
    ),
    re.compile(
        r"(?:支付宝|抖音|微博|快手|小红书|钉钉)(?:号码?|账号|帐号|ID)[^A-Za-z0-9\n。；，]{0,5}(?P<value>[A-Za-z0-9_.\-]{4,30})",
        re.IGNORECASE,
    ),
)
_QQ = re.compile(
    r"(?<![A-Za-z])(?:QQ|扣扣|球球|企鹅|秋秋)(?:号码?|群号?|账号)?[^0-9A-Za-z\n。；，]{0,5}"
    r"(?P<value>[1-9](?: ?[0-9]){4,11})(?![0-9])",
    re.IGNORECASE,
)
_URL = re.compile(
    r"(?P<value>(?:(?:https?|ftp)://|www\.)[A-Za-z0-9\-._~:/?#@!$&'()*+;=%]{3,500})", re.IGNORECASE
)
_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPS = (
    re.compile(rf"(?<![0-9A-Za-z.])(?P<value>{_OCTET}(?:\.{_OCTET}){{3}})(?!\.?[0-9A-Za-z])"),
    re.compile(r"(?<![0-9A-Za-z:])(?P<value>(?:[0-9A-Fa-f]{1,4}:){7}[0-9A-Fa-f]{1,4})(?![0-9A-Za-z:])"),
    re.compile(r"(?<![0-9A-Za-z:\-])(?P<value>[0-9A-Fa-f]{2}(?:[:\-][0-9A-Fa-f]{2}){5})(?![0-9A-Za-z:\-])"),
)


def find_contacts(plain: str) -> Iterator[Found]:
    """E-mail first: what stands before the @ may look like a name of its own."""
    for kind, patterns in (
        (EMAIL, (_EMAIL, _SPELLED_EMAIL)),
        (WECHAT, _WECHATS),
        (QQ, (_QQ,)),
        (URL, (_URL,)),
        (IP_ADDRESS, _IPS),
    ):
        for pattern in patterns:
            for match in pattern.finditer(plain):
                yield Found(kind, *match.span("value"))
