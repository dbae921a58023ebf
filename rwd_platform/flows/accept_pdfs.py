"""The signatures inside a package's PDFs, held against the key that its signoff.json names (part 1 of an acceptance).

What a PDF prints is compared with nothing: its signature says that whoever holds that key made these bytes. The key is
as trustworthy as the package's own signature, by which signoff.json is covered.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rwd_platform.core.errors import PlatformError
from rwd_platform.core.text import Bilingual
from studies.evidence.acceptance import MALFORMED, Fault, is_of_papers
from studies.evidence.documents import SIGNOFF_JSON
from studies.evidence.rendered_files import PLAIN, REPORTS

_REPORTS = tuple(name for name in REPORTS.values() if name.endswith(".pdf"))
_NO_KEY = Fault(
    SIGNOFF_JSON, "报告签名人的公钥无法读取", "the key of the report's signer cannot be read from it"
)


@dataclass(frozen=True)
class Pdfs:
    """`signed`: the PDFs whose signature holds, by the key named. `says`: what was looked at, as part of a sentence."""

    signed: tuple[str, ...]
    faults: tuple[Fault, ...]
    says: Bilingual


def pdfs_of(members: Mapping[str, bytes]) -> Pdfs:
    wanted = () if is_of_papers(members) else _REPORTS
    names = [*wanted, *(one for one in (*_REPORTS, *PLAIN.values()) if one in members and one not in wanted)]
    if not names:
        return Pdfs((), (), Bilingual("没有 PDF 报告", "it has no report as PDF"))
    try:
        key = _named_key(members)
    except MALFORMED:
        return Pdfs((), (_NO_KEY,), Bilingual("", ""))
    faults = [fault for name in names if (fault := _fault(name, members.get(name), key)) is not None]
    if key is None:
        says = Bilingual(
            f"本包没有报告签名人，{len(names)} 份 PDF 未载签名",
            f"it has no signer of reports: its {len(names)} PDFs carry no signature",
        )
        return Pdfs((), tuple(faults), says)
    says = Bilingual(
        f"{len(names)} 份 PDF 内的签名成立，密钥为 signoff.json 所列",
        f"the signatures in its {len(names)} PDFs hold, by the key that signoff.json names",
    )
    return Pdfs(tuple(names), tuple(faults), says)


def _named_key(members: Mapping[str, bytes]) -> bytes | None:
    """As a signature in a PDF gives it; None where the package has no signer of reports."""
    one: Any = json.loads(members[SIGNOFF_JSON])["report_signature"]
    if one is None:
        return None
    key = bytes.fromhex(one["public_key"])
    if not key:
        raise ValueError("no key")
    return key


def _fault(name: str, content: bytes | None, key: bytes | None) -> Fault | None:
    from studies.evidence.report.pdf_signatures_read import read_signatures

    if content is None:
        return Fault(name, "包内没有这份报告", "this report is not in the package")
    try:
        signed = read_signatures(content).signed
    except PlatformError as error:
        return Fault(name, error.zh, error.en)
    if key is None and not signed:
        return None
    if key is None:
        return Fault(name, "载有签名，而本包未列报告签名人", "it is signed, and the package names no signer")
    if not all(one.holds for one in signed):
        return Fault(name, "其中有签名不成立", "a signature in it does not hold")
    # It is packed as it was signed: what came later came from somebody else.
    if not any(one.public_key == key and one.covers_file for one in signed):
        return Fault(
            name,
            "没有以 signoff.json 所列密钥签署整份文件的签名",
            "no signature over the whole of it is by the key that signoff.json names",
        )
    return None
