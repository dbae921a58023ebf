"""Is there a decision for the border that this package is to cross? The package does not know where it goes.

A record of a transfer or of a provision names the package by its id, which follows from the package's content: that is
the only binding there is. What `rwd transfer decide` prints names no package. Neither is signed: the log of the
deployment that made the record is where it is looked up. So nothing holds by a record's word: only where its facts give
ALLOW once more, by a rule pack that this platform has.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rwd_platform.compliance.decide import decide
from rwd_platform.compliance.rulepack import NATIONAL, load_pack, pack_names
from rwd_platform.core.errors import PlatformError
from rwd_platform.core.json_text import JsonRefused, loads
from rwd_platform.core.text import Bilingual
from studies.evidence.acceptance import Fault, Part, fails

LARGEST = 4 * 1024**2  # bytes of a decision; one has some thousand
ALLOW = "ALLOW"
VERDICTS = ("ALLOW", "HOLD", "BLOCK")

_NOT_GIVEN = Bilingual(
    "证据包不记载去向；提供至境外的，请用 --decision 给出出境判定记录。",
    "A package does not say where it goes; of one that goes abroad, give the record of its decision with --decision.",
)
_UNBOUND = Bilingual(
    "文件中的判定为 {verdict}，但没有写明是哪一个证据包（`rwd transfer decide` 的输出即如此），无法核对。",
    "The decision in the file is {verdict}, and it names no package, as the output of `rwd transfer decide` does not: "
    "it cannot be held against this one.",
)
_WORD_ALONE = Bilingual(
    "记录写为 {verdict}，但{why_zh}，无法重新判定，不采信。请由能看到事实的账号取得完整记录，并在平台日志中核对。",
    "The record says {verdict}, and {why}: it cannot be decided again, and is not taken at its word. Let somebody who "
    "is shown its facts fetch the whole record, and look it up in the log.",
)
_NO_FACTS = Bilingual("没有判定所依据的事实", "shows no facts that it was decided on")
_NO_PACK = Bilingual("本平台没有它所依据的规则包", "its rule pack is none that this platform has")
_UNFIT = Bilingual("其事实无法按规则包判定", "its facts are not such as the rule pack decides on")
_RECORD = Bilingual(
    "请给出为本证据包所作的出境判定记录（GET /api/v1/transfers/编号 或 /api/v1/provisions/编号）。",
    "Give the record of a decision that was made for this package (GET /api/v1/transfers/ID or /api/v1/provisions/ID).",
)
_PAPERS = Bilingual(
    "不得提供至境外；请按判定所列补齐文件后重新判定。",
    "It may not go abroad; supply what the decision lists and have it decided again.",
)


def transfer_part(package_id: str, file: Path | None) -> Part:
    """Part 7."""
    if file is None:
        return Part("transfer", "not_given", _NOT_GIVEN)
    try:
        record = _read(file)
        verdict = str(record["verdict"])
        named = record.get("package_id", "")
        if verdict not in VERDICTS or not isinstance(named, str):
            raise ValueError
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return fails(
            "transfer", Bilingual("文件不是出境判定。", "The file is no decision about a transfer."), _RECORD
        )
    if not named:
        says = (one.format(verdict=verdict) for one in _UNBOUND)
        return Part("transfer", "not_asked", Bilingual(*says))
    if named != package_id:
        says_other = Bilingual("该判定是为另一个证据包作出的。", "The decision was made for another package.")
        return fails("transfer", says_other, _RECORD, [_place(record)])
    return _judged(record, verdict)


def _judged(record: Mapping[str, Any], verdict: str) -> Part:
    """A record that names this package: what it says, and whether its own facts say so."""
    if record.get("direction", "outbound") != "outbound":
        says = Bilingual("该记录是入境判定。", "The record is about data that come in.")
        return fails("transfer", says, _RECORD, [_place(record)])
    again = _again(record)
    if isinstance(again, str) and again != verdict:
        says = Bilingual(
            f"记录写为 {verdict}，按其事实与规则包重新判定为 {again}。",
            f"The record says {verdict}; its own facts and rule pack give {again}.",
        )
        return fails("transfer", says, _RECORD, [_place(record)])
    if verdict != ALLOW:
        says = Bilingual(f"判定为 {verdict}，未准许。", f"The decision is {verdict}: it is not allowed.")
        return fails("transfer", says, _PAPERS, [_place(record)])
    if isinstance(again, Bilingual):
        zh, en = _WORD_ALONE
        says = Bilingual(
            zh.format(verdict=verdict, why_zh=again.zh), en.format(verdict=verdict, why=again.en)
        )
        return Part("transfer", "not_given", says, {}, (_place(record),))
    says = Bilingual(
        f"为本证据包作出的判定：{verdict}，按其事实与规则包重新判定相同。记录本身未经签名，请在平台日志中核对。",
        f"The decision made for this package: {verdict}, and its facts give the same again by its rule pack. The "
        "record is not signed; look it up in the log.",
    )
    return Part("transfer", "holds", says)


def _read(file: Path) -> Mapping[str, Any]:
    """The object in the file. Raises ValueError for what is none."""
    if file.stat().st_size > LARGEST:
        raise ValueError("no decision is so large")
    try:
        found = loads(file.read_bytes())
    except JsonRefused as refused:
        raise ValueError("no JSON") from refused
    if not isinstance(found, dict):
        raise ValueError("no object")
    return found


def _again(record: Mapping[str, Any]) -> str | Bilingual:
    """The verdict that its facts give by its rule pack; in words, why it cannot be decided again."""
    facts, decision = record.get("facts"), record.get("decision")
    if not isinstance(facts, dict) or not facts:
        return _NO_FACTS
    named = decision.get("rule_pack") if isinstance(decision, dict) else None
    sha256 = named.get("sha256") if isinstance(named, dict) else None
    packs = (load_pack(name) for name in pack_names() if name.startswith(f"{NATIONAL}-"))
    pack = next((one for one in packs if one.sha256 == sha256), None)
    if pack is None:
        return _NO_PACK
    try:
        return decide(facts, pack).verdict
    except PlatformError:
        return _UNFIT


def _place(record: Mapping[str, Any]) -> Fault:
    id = str(record.get("id", ""))[:80]
    shown = "".join(letter if letter.isprintable() else "?" for letter in id)
    return Fault(shown or "decision", "出境判定记录", "the record of the decision")
