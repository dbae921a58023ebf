"""Acceptance of a package, part by part: what was looked at, what does not hold, and who does what next.

Here is what follows from the package's files alone: whether its programs are this platform's, and whether every number
leads home; acceptance_contents.py looks at contents and checklists. rwd_platform/flows/accept_package.py puts all parts
together. Source of the parts: the acceptance test of a package, docs/reference/commands.md, `rwd evidence accept`.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from rwd_platform.core.errors import PlatformError
from rwd_platform.core.text import Bilingual
from studies.evidence.code import result_code
from studies.evidence.documents import PROTOCOL_JSON, json_bytes
from studies.evidence.templates import follow as following
from studies.evidence.templates import verify as standalone
from studies.protocol import Protocol, load_protocol

Status = Literal["holds", "fails", "not_asked", "not_given"]
Members = Mapping[str, bytes]

VERIFY, RERUN, FOLLOW = "data/09_audit/verify.py", "data/07_code/rerun.py", "data/08_trace/follow.py"
SOURCE = "data/07_code/src/"
EXPECTED = "data/07_code/expected/ard.json"
PLAIN_NUMBERS = standalone.PLAIN_NUMBERS
MOST_FAULTS = 20  # named one by one; the rest is counted
_LONGEST = 600  # letters of a text that a package may have written
# What reading a file that is not as it should be may raise: a no, never a traceback.
MALFORMED = (*following.BROKEN, PlatformError, csv.Error, OverflowError, ArithmeticError)

TITLES: Mapping[str, Bilingual] = {
    "verify": Bilingual("随包核验程序", "The package's verify.py"),
    "synthetic": Bilingual("以合成数据复算", "Recomputed from the synthetic twin"),
    "lock": Bilingual("以数据锁定复算", "Recomputed from the data lock"),
    "numbers": Bilingual("逐个数字追溯到来源", "Every number to its source"),
    "checklists": Bilingual("内容目录与清单无缺项", "Contents and checklists without a gap"),
    "disclosure": Bilingual("小单元与个人标识", "Small cells and identifiers"),
    "transfer": Bilingual("出境判定", "Decision about a transfer abroad"),
}

PAPERS_ALONE = Bilingual(
    "本包只含文件，没有结果。", "The package is of papers alone: there are no results in it."
)


@dataclass(frozen=True)
class Fault:
    """One thing that does not hold. `place` is a file of the package, a number, a result or an item of a checklist."""

    place: str
    zh: str
    en: str


@dataclass(frozen=True)
class Part:
    """One part of the acceptance. `says` is what was looked at, or why nothing was; `next` what to do where it fails.

    places    -- what does not hold; of a part that is not given, what could not be told without it

    holds     -- looked at, and nothing is wrong
    fails     -- looked at, and something is, or it could not be looked at and should have been
    not_asked -- does not apply here, or waits for a part that fails; `says` tells which
    not_given -- needs something that only whoever asks can hand over
    """

    id: str
    status: Status
    says: Bilingual
    counts: Mapping[str, int] = field(default_factory=dict)
    places: tuple[Fault, ...] = ()
    next: Bilingual | None = None

    def as_dict(self) -> dict[str, Any]:
        """What is told of it. Names come out of the package: what does not print is not handed on to a terminal."""
        places = [
            {"place": _shown(one.place), "zh": _shown(one.zh), "en": _shown(one.en)}
            for one in self.places[:MOST_FAULTS]
        ]
        return {
            "part": list(TITLES).index(self.id) + 1,
            "id": self.id,
            "title": TITLES[self.id]._asdict(),
            "status": self.status,
            "zh": _shown(self.says.zh),
            "en": _shown(self.says.en),
            "counts": dict(self.counts),
            "places": places,
            "further_places": max(0, len(self.places) - MOST_FAULTS),
            "next": self.next._asdict() if self.next else None,
        }


@dataclass(frozen=True)
class Acceptance:
    """All parts in their order. Without a trusted key they speak of integrity, not of origin."""

    package_id: str
    key_was_given: bool
    parts: tuple[Part, ...]

    @property
    def accepted(self) -> bool:
        """Nothing fails. What was not asked or not given is told beside it, and is nobody's yes."""
        return all(one.status != "fails" for one in self.parts)

    def part(self, id: str) -> Part:
        return next(one for one in self.parts if one.id == id)

    def as_dict(self) -> dict[str, Any]:
        return {
            "accepted": self.accepted,
            "package_id": self.package_id,
            "key": "given" if self.key_was_given else "inside",
            "parts": [one.as_dict() for one in self.parts],
        }


def fails(
    id: str,
    says: Bilingual,
    next: Bilingual,
    faults: Iterable[Fault] = (),
    counts: Mapping[str, int] | None = None,
) -> Part:
    return Part(id, "fails", says, counts or {}, tuple(faults), next)


# --- the programs that a package carries --------------------------------------------------------------


def foreign_programs(members: Members) -> tuple[str, ...]:
    """Programs of the package that are not this platform's, byte for byte: changed, absent, or more than there are.

    Whoever runs a stranger's program runs a stranger: of a package with one of these nothing is run.
    """
    own = own_programs()
    if is_of_papers(members):  # verify.py holds it to that: nothing is computed there
        own = {name: own[name] for name in (VERIFY, FOLLOW)}
    carried = {name for name in members if name.startswith(SOURCE)}
    apart = {name for name, content in own.items() if members.get(name) != content}
    return tuple(sorted(apart | (carried - set(own))))


def is_of_papers(members: Members) -> bool:
    """Whether the package says that it is one of papers alone, without results (studies.evidence.file_set)."""
    try:
        described = json.loads(members[standalone.PACKAGE_JSON])
        return bool(described.get("results") == "none")
    except MALFORMED:
        return False


def own_programs() -> dict[str, bytes]:
    """path in a package -> the bytes that this platform puts there."""
    templates = Path(standalone.__file__).parent
    own = {name: (templates / Path(name).name).read_bytes() for name in (VERIFY, RERUN, FOLLOW)}
    return own | {f"{SOURCE}{name}": text.encode() for name, text in result_code().items()}


def has_twin(members: Members) -> bool | None:
    """Whether the package has invented subjects to compute with; None where its protocol gives it none."""
    if EXPECTED in members:
        return True
    return None if protocol_of(members).lock.dates == "month" else False


def protocol_of(members: Members) -> Protocol:
    return load_protocol(members[standalone.PROTOCOL_YAML].decode("utf-8"))


# --- every number -------------------------------------------------------------------------------------

# Where a number's way ends, as the steps of follow.py tell it.
ENDS: Mapping[str, Bilingual] = {
    "source_lines": Bilingual("来源行", "source lines"),
    "index_lines": Bilingual("仅起始事件的来源行", "source lines of the index event alone"),
    "nobody": Bilingual("空的行集", "an empty row set"),
    "overseas": Bilingual("境外汇总结果", "an aggregate result from abroad"),
    "people": Bilingual("结果行及其人数（汇总版）", "a result row and its people (aggregate edition)"),
    "account": Bilingual("包内账目（来源、质量、流失）", "an account of the package (sources, quality, attrition)"),
    "protocol": Bilingual("研究方案", "the protocol"),
}  # fmt: skip


def end_of(steps: list[str]) -> str:
    """Which of ENDS the last step of a number's way is."""
    last = steps[-1]
    if any(following.INDEX_ALONE in step for step in steps):
        return "index_lines"
    if last.startswith("    "):
        return "source_lines"
    if following.NOBODY in last:
        return "nobody"
    if "from abroad" in last:
        return "overseas"
    if "people; SHA-256" in last:
        return "people"
    return "protocol" if "of the protocol" in last else "account"


def follow_all(data: Path) -> tuple[Counter[str], list[Fault]]:
    """Every number of the report and of the plain summary, by the code of follow.py: where each ends, and the lost.

    `data` is the payload folder of an unpacked package. Raises one of MALFORMED where no number can be followed.
    """
    package = following.Package(data)
    ends, lost = Counter[str](), list[Fault]()
    for numbers in _books(package, data):
        package.numbers = numbers
        for id in sorted(numbers):
            try:
                ends[end_of(list(package.follow(id)))] += 1
            except following.Lost as why:
                lost.append(Fault(_shown(id), *_halves(str(why))))
            except MALFORMED:
                lost.append(
                    Fault(_shown(id), "此数字的去路无法读取", "the way of this number cannot be read")
                )
    return ends, lost


def _described(data: Path) -> Members:
    path = data.parent / standalone.PACKAGE_JSON
    return {standalone.PACKAGE_JSON: path.read_bytes()} if path.exists() else {}


def _books(package: following.Package, data: Path) -> Iterator[dict[str, Any]]:
    yield package.numbers
    if (data.parent / PLAIN_NUMBERS).exists():
        yield {one["id"]: one for one in package.read(PLAIN_NUMBERS.split("/", 1)[1])["numbers"]}


def _shown(said: object) -> str:
    text = str(said)
    kept = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
    return "".join(letter if letter.isprintable() else "?" for letter in kept)


def _halves(said: str) -> tuple[str, str]:
    zh, _, en = said.partition(" · ")
    return _shown(zh), _shown(en or zh)


def _protocol_faults(data: Path) -> Iterator[Fault]:
    """Which variables come from records is read in the protocol's JSON: it has to be that of the frozen text."""
    paths = (data.parent / name for name in (standalone.PROTOCOL_YAML, PROTOCOL_JSON))
    frozen, told = (path.read_bytes() for path in paths)
    if json_bytes(load_protocol(frozen.decode("utf-8"))) != told:
        yield Fault(PROTOCOL_JSON, "与 protocol.yaml 不符", "it is not what protocol.yaml says")


def numbers_part(data: Path) -> Part:
    """Part 4: report -> numbers.json -> ars.json -> variable -> lineage -> source line, for all of them."""
    then = Bilingual(
        "请由制作方重新组装证据包；单个数字可用随包的 follow.py 查看其去路。",
        "Let its maker assemble the package again; the way of one number is shown by the package's follow.py.",
    )
    try:
        lost = list(_protocol_faults(data))
        ends, further = follow_all(data)
    except MALFORMED:
        why = Bilingual("追溯所需的文件无法读取。", "A file that numbers lead through cannot be read.")
        return fails("numbers", why, then)
    counts = {"numbers": sum(ends.values()) + len(further), **{end: ends[end] for end in ENDS if ends[end]}}
    if lost or further:
        zh, en = (
            f"{len(further)} 个数字追溯不到来源",
            f"Numbers that lead to no source: {len(further)}",
        )
        if lost:
            zh, en = f"方案与其 JSON 不符；{zh}", f"The protocol is not what its JSON says. {en}"
        return fails("numbers", Bilingual(f"{zh}。", f"{en}."), then, [*lost, *further], counts)
    if not ends and is_of_papers(_described(data)):
        return Part("numbers", "not_asked", PAPERS_ALONE)
    if not ends:
        none = Bilingual("报告没有登记任何数字。", "The report has no number on its list.")
        return fails("numbers", none, then, (), counts)
    zh = "，".join(f"{ends[end]} 个止于{text.zh}" for end, text in ENDS.items() if ends[end])
    en = ", ".join(f"{ends[end]} end in {text.en}" for end, text in ENDS.items() if ends[end])
    total = counts["numbers"]
    return Part("numbers", "holds", Bilingual(f"{total} 个数字：{zh}。", f"{total} numbers: {en}."), counts)
