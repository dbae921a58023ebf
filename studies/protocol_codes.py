"""The code lists of the house, as a protocol names them: `name@version`."""

from __future__ import annotations

from rwd_platform.core.errors import PlatformError
from studies.cohorts.definition import Codes
from studies.yaml_reader import Node


def listed_codes(reference: str) -> Codes:
    """The codes of a list; raises for one that is not known."""
    from studies.code_lists import load

    return load(reference).codes


def unsigned(references: frozenset[str]) -> frozenset[str]:
    """Which of the lists nobody has signed off."""
    from studies.code_lists import load

    return frozenset(one for one in references if not load(one).signed)


def codes_of_one_system(node: Node) -> tuple[str, tuple[str, ...]]:
    """System and codes of a signed list whose codes are of one system, as `Records` hold them."""
    reference = node.text()
    name, _, version = reference.partition("@")
    if not (name and version):
        raise node.wrong("代码表须写作“名称@版本”", "a code list is written name@version")
    try:
        pairs = listed_codes(reference).pairs
        open_lists = unsigned(frozenset((reference,)))
    except PlatformError as error:
        raise node.wrong(error.zh.rstrip("。"), error.en.rstrip(".")) from error
    if open_lists:
        raise node.wrong("该代码表尚未签字确认", "this code list has not been signed off")
    systems = sorted({system for system, _ in pairs})
    if len(systems) != 1:
        raise node.wrong(
            f"该代码表涉及 {len(systems)} 个代码系统，此处只能用一个",
            f"this list has codes of {len(systems)} systems, and one is needed here",
        )
    return systems[0], tuple(sorted(code for _, code in pairs))
