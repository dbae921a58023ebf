"""What a number in a text is called, and what is nobody's."""

from __future__ import annotations

import pytest

from deidentify.identifiers_cn import found
from deidentify.identifiers_cn.kind_names import KIND_NAMES, OTHER, kind_in

KINDS = {value for name, value in vars(found).items() if name.isupper() and isinstance(value, str)}
OF_THINGS = {
    "device-production-identifier",
    "device-serial-number",
    "lot-number",
}  # `scan` looks for none of these


def test_every_kind_has_a_name_in_both_languages() -> None:
    assert set(KIND_NAMES) == KINDS - OF_THINGS and all(all(words) for words in (*KIND_NAMES.values(), OTHER))


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("患者 110101199003070011 的资料", found.RESIDENT_ID),
        ("电话 13800138000", found.MOBILE),
        ("见 http://127.0.0.1/x/110101199003070011", found.RESIDENT_ID),
        ("写信至 zhang@example.org", found.EMAIL),
    ],
)
def test_a_person_s_number_is_named_by_its_kind(text: str, kind: str) -> None:
    assert kind_in(text) == KIND_NAMES[kind]


@pytest.mark.parametrize(
    "text",
    [
        "", "没有号码", "![i](http://127.0.0.1/x.png)", "[link](javascript:alert(1))", "模块五 5.3.5.4",
        "https://www.nmpa.gov.cn/xxgk/ggtg/index.html",
    ],
)  # fmt: skip
def test_addresses_and_sections_are_nobody_s(text: str) -> None:
    assert kind_in(text) is None
