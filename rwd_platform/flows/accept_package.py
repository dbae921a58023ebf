"""Would a reviewer accept this package? Seven questions, one answer each (`rwd evidence accept`).

    1 verify      the package's verify.py, run apart; the signatures in its PDFs; who signed, where a key is given
    2 synthetic   its rerun.py on the invented subjects
    3 lock        its rerun.py on the data lock, where one is given; of an aggregate edition what was to be withheld
    4 numbers     every number to a source line
    5 checklists  nothing mandatory is empty, nothing is missing from the contents
    6 disclosure  small cells and identifiers, by the check of a release
    7 transfer    the decision about a destination abroad, where one is given

Needs no database, key or configuration. Nothing of the package is run unless its signature and every file hold, and its
programs are this platform's own, byte for byte: whatever they are not, this platform's run in their place.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rwd_platform.core.text import Bilingual
from rwd_platform.flows.accept_apart import Copy, copy_of, run_apart
from rwd_platform.flows.accept_disclosure import disclosure_part
from rwd_platform.flows.accept_lock import TOO_LONG, foreign_part, lock_part, synthetic_part
from rwd_platform.flows.accept_pdfs import pdfs_of
from rwd_platform.flows.accept_transfer import transfer_part
from studies.evidence.acceptance import (
    TITLES,
    Acceptance,
    Fault,
    Part,
    fails,
    foreign_programs,
    numbers_part,
)
from studies.evidence.acceptance_contents import checklists_part
from studies.evidence.templates import verify as standalone
from studies.evidence.verify import verify_package

_WAITS = Bilingual(
    "证据包未通过核验：未运行其中任何程序，也未读取其内容。",
    "The package does not verify: nothing of it was run, and what it says was not read.",
)
_UNKNOWN = Bilingual(
    "文件彼此一致，但签署人不明：未给出公钥。",
    "The files agree with each other; who signed is not known, since no key was given.",
)
_KEY = Bilingual(
    "请向签署人取得公钥（不要用包内的），用 --key 再验收一次。",
    "Get the key from the signer, not from the package, and accept it again with --key.",
)
_ORIGIN = Bilingual(
    "请向签署人取得公钥与原件，用 --key 重新核验；不要使用这一份。",
    "Get the key and the package from the signer and verify again with --key; do not use this one.",
)


def accept_package(
    package: Path, key: bytes | None = None, lock: Path | None = None, decision: Path | None = None
) -> Acceptance:
    """Every part, whatever the package is: what is wrong with it is an answer, never an error.

    key      -- the signer's, as whoever asks got it from the signer; None: the one inside
    lock     -- the folder of the data lock
    decision -- a record of a transfer abroad as the API gives it, or what `rwd transfer decide --json` prints
    """
    with copy_of(package) as copied:
        if not isinstance(copied, Copy):
            verdict = fails("verify", Bilingual("无法解压。", "It cannot be unpacked."), _ORIGIN, copied)
            return Acceptance("", key is not None, (verdict, *_waiting()))
        foreign = foreign_programs(copied.members)
        answer, verified = _verified(copied, key, foreign)
        package_id = str(answer.get("package_id", ""))
        if answer.get("failures") != []:
            return Acceptance(package_id, key is not None, (verified, *_waiting()))
        computed, again = lock_part(copied, lock, foreign)
        return Acceptance(
            package_id,
            key is not None,
            (
                verified,
                synthetic_part(copied, foreign),
                computed,
                numbers_part(copied.folder / "data"),
                checklists_part(copied.members),
                disclosure_part(copied.members, again.whole if again is not None else None),
                transfer_part(package_id, decision),
            ),
        )


def _waiting() -> tuple[Part, ...]:
    return tuple(Part(id, "not_asked", _WAITS) for id in list(TITLES)[1:])


# --- verify.py ----------------------------------------------------------------------------------------


def _verified(copied: Copy, key: bytes | None, foreign: tuple[str, ...]) -> tuple[dict[str, Any], Part]:
    """What this platform's verify.py says, and part 1. An answer without `failures` is none.

    Without a key nobody knows who signed: the part is not given then, whatever else holds.
    """
    arguments = ["--key", key.hex()] if key is not None else []
    program = Path(standalone.__file__)
    ended = run_apart(program, str(copied.given), "--json", *arguments, home=copied.home)
    answer = _json(ended.said)
    if ended.code is None or "failures" not in answer:
        says = TOO_LONG if ended.code is None else Bilingual("核验未给出结果。", "It gave no answer.")
        return {}, fails("verify", says, _ORIGIN)
    places = [Fault(one["place"], one["zh"], one["en"]) for one in answer["failures"]]
    unread = list(answer.get("hash_only", []))
    if not places:
        # Once more with the platform's own cryptography, which also reads the typed table of results.
        second = verify_package(copied.given, key)
        places = [Fault(one.place, one.zh, one.en) for one in second.failures]
        unread = list(second.hash_only)
    counts = {name: int(answer["checked"][name]) for name in ("files", "proofs", "numbers")}
    if places:
        says = Bilingual(f"{len(places)} 处不成立。", f"Places that do not hold: {len(places)}.")
        return {**answer, "failures": places}, fails("verify", says, _ORIGIN, places, counts)
    return answer, _whole(copied, key is not None, foreign, counts, unread)


def _whole(
    copied: Copy, key_was_given: bool, foreign: tuple[str, ...], counts: dict[str, int], unread: list[str]
) -> Part:
    """Part 1 of a package whose files fit each other: its programs, its PDFs, and who signed."""
    zh = "文件 {files} 个、日志证明 {proofs} 个、数字 {numbers} 个均成立".format(**counts)
    en = "{files} files, {proofs} proofs of the log and {numbers} numbers hold".format(**counts)
    if foreign:
        also = Bilingual(f"用本平台的程序核验：{zh}。", f"By this platform's: {en}.")
        return foreign_part("verify", foreign, also)
    pdfs = pdfs_of(copied.members)
    if pdfs.faults:
        says = Bilingual(
            f"{zh}；{len(pdfs.faults)} 份 PDF 的签名不成立。",
            f"{en}; signatures in PDFs that do not hold: {len(pdfs.faults)}.",
        )
        return fails("verify", says, _ORIGIN, pdfs.faults, counts)
    unread = [name for name in unread if name not in pdfs.signed]
    counts = {**counts, "pdfs_signed": len(pdfs.signed), "hash_only": len(unread)}
    zh, en = f"{zh}；{pdfs.says.zh}", f"{en}; {pdfs.says.en}"
    if unread:
        listed = ", ".join(name.removeprefix("data/") for name in unread)
        zh, en = f"{zh}；仅核对哈希、未读内容：{listed}", f"{en}; by hash alone, not read: {listed}"
    if key_was_given:
        says = Bilingual(f"签署公钥为您所给；{zh}。", f"Signed by the key that you gave; {en}.")
        return Part("verify", "holds", says, counts)
    says = Bilingual(f"{_UNKNOWN.zh}{zh}。", f"{_UNKNOWN.en} {en[:1].upper()}{en[1:]}.")
    return Part("verify", "not_given", says, counts, next=_KEY)


def _json(said: str) -> dict[str, Any]:
    try:
        found = json.loads(said)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
