"""Does a package hold a small cell or a person's number? The gate's own check, on the files as they were handed over.

Which kind of recipient an aggregate edition is held against follows from its purpose. Of an aggregate edition the
accounts that count people are held to the smallest cell as the results are, and what it never has is named where it is
there. What hospitals sent is counted in records, not in people: those counts stay as they are. An authority's edition
has full listings by policy (deidentify/disclosure/recipients.toml), so that there only numbers that identify are
looked for.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from html.parser import HTMLParser
from typing import Any

from deidentify.disclosure.check import check
from deidentify.disclosure.findings import Finding
from deidentify.disclosure.recipients import CONDITION_TEXTS, recipient_of
from deidentify.disclosure.rules.texts import identifies
from deidentify.identifiers_cn.kind_names import NOBODYS
from rwd_platform.core.errors import PlatformError
from rwd_platform.core.text import Bilingual
from rwd_platform.flows.accounts_of_people import small_in_accounts
from rwd_platform.flows.release_circles import AUTHORITY
from studies.evidence.acceptance import MALFORMED, Fault, Members, Part, fails, is_of_papers
from studies.evidence.aggregate import SMALLEST_CELL
from studies.evidence.curation import FITNESS_JSON
from studies.evidence.documents import (
    DEIDENTIFIED_JSON,
    INPUTS_JSON,
    LINEAGE,
    QUALITY_JSON,
    ROW_SETS_JSON,
    SOURCES_JSON,
)
from studies.evidence.profiles.profile import profiles
from studies.evidence.sample.files import (
    SAMPLE_CANDIDATES,
    SAMPLE_RULE,
    SAMPLE_VALUES,
    TRACE_SAMPLE,
    VERIFICATION_CSV,
)
from studies.evidence.templates import verify as standalone
from studies.protocol import Protocol, load_protocol

INSURER, SPONSOR = "insurer", "sponsor"
_INSURERS = frozenset({"nhsa", "commercial"})  # profiles whose reader pays for treatment
# A reader reconstructs the events of a step; only the enclave counts them (deidentify/disclosure/rules/curve_steps.py).
_COUNTED_IN_THE_ENCLAVE = frozenset({"curve_step", "curve_not_proven"})
_ACCOUNTS = Bilingual(
    "，并检查计人数的账目（流失、病历核查）；机构来源的账目计的是记录，不是人",
    ", and with them the accounts that count people (attrition, charts); those of what hospitals sent count records",
)
_NUMBER = re.compile(r"[-\u2212]?\d+\.\d+(?:e[-+]?\d+)?%?", re.IGNORECASE)
# Digests of source lines in a row, as a page carries them (studies.evidence.documents.page_trace): 32 bytes each, of
# which some look like any number.
_DIGESTS = re.compile(r"(?=.{43})(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{2}==)?")
_LINES = (".md", ".txt", ".yaml", ".jsonl")
_PAGES = (".html", ".svg", ".xml")
_SILENT = ("style", "script")
# Of single people, of a hospital's few, or of the store: an authority's alone.
_OF_AN_AUTHORITY = (
    LINEAGE,
    ROW_SETS_JSON,
    TRACE_SAMPLE,
    SAMPLE_RULE,
    SAMPLE_VALUES,
    SAMPLE_CANDIDATES,
    VERIFICATION_CSV,
    FITNESS_JSON,
)
_OF_QUALITY = {"organisation", "dimension", "passed_share"}
# Held to this platform's own bytes, or lists of hashes.
_NOT_TEXTS = ("data/07_code/src/", "manifest-", "tagmanifest-")


def recipient_kind(described: Mapping[str, Any]) -> str:
    """The kind of recipient whose limits a package is held against."""
    if described["audience"] != "aggregate":
        return AUTHORITY
    return INSURER if described.get("profile") in _INSURERS else SPONSOR


def disclosure_part(members: Members, support: Mapping[str, Any] | None) -> Part:
    """Part 6. `support`: the results recomputed from the lock, before anything was withheld; None without one."""
    then = Bilingual(
        "请由研究者按各处提示修改后重新组装；不得发布这一份。",
        "Let the researcher mend each place as it says and assemble again; this one is not to be released.",
    )
    try:
        described = json.loads(members[standalone.PACKAGE_JSON])
        kind = recipient_kind(described)
        found, finer = ([] if is_of_papers(members) else _small(members, kind, support)), []
        if kind != AUTHORITY:
            found += small_in_accounts(members, _smallest(described, members, kind))
            finer = list(_finer(members))
        files, texts, persons = _persons(members)
        rows = len(json.loads(members[standalone.ARD_JSON])["rows"])
    except MALFORMED as error:
        return fails("disclosure", *_unreadable(error, then))
    counts = {"results": rows, "files": files, "texts": texts}
    told = support is None  # what the enclave alone can count is no finding without it
    left = [one for one in found if one.outcome == "review" or (told and one.rule in _COUNTED_IN_THE_ENCLAVE)]
    wrong = [
        *persons,
        *finer,
        *(Fault(one.where, one.zh + one.remedy_zh, f"{one.en} {one.remedy_en}") for one in found if one not in left),
    ]  # fmt: skip
    if wrong:
        says = Bilingual(f"发现 {len(wrong)} 处。", f"Places found: {len(wrong)}.")
        return fails("disclosure", says, then, wrong, counts)
    return _clean(kind, counts, left, with_lock=support is not None)


def _unreadable(error: Exception, then: Bilingual) -> tuple[Bilingual, Bilingual]:
    if isinstance(error, PlatformError):
        return Bilingual(error.zh, error.en), Bilingual(error.next_zh, error.next_en)
    return Bilingual("包内文件无法读取。", "A file of the package cannot be read."), then


def _clean(kind: str, counts: Mapping[str, int], left: list[Finding], *, with_lock: bool) -> Part:
    """Nothing is wrong as far as these files tell. `left` is what somebody else has to say."""
    title = recipient_of(kind).title
    accounts = _ACCOUNTS if kind != AUTHORITY and counts["results"] else Bilingual("", "")
    zh = (
        f"按“{title.zh}”检查 {counts['results']} 行结果{accounts.zh}；"
        f"{counts['files']} 个文件的 {counts['texts']} 段文字中无个人号码。"
    )
    en = (
        f"{counts['results']} results held against what {title.en[:1].lower()}{title.en[1:]} may be given"
        f"{accounts.en}; no person's number in {counts['texts']} texts of {counts['files']} files."
    )
    counts = {**counts, "left_open": len(left)}
    if not left:
        return Part("disclosure", "holds", Bilingual(zh, en), counts)
    open_zh = f"另有 {len(left)} 处仅凭本包无法判定"
    open_en = f" Places at which the package alone cannot tell: {len(left)}"
    if with_lock:
        more = Bilingual(open_zh + "，须由隐私专员查看。", open_en + ". A privacy officer has to look.")
    else:
        more = Bilingual(
            open_zh + "（曲线台阶的事件数），须用 --rerun 给出数据锁定来点数。",
            open_en
            + " (events in the steps of a curve). Give the data lock with --rerun to have them counted.",
        )
    faults = tuple(Fault(one.where, one.zh, one.en) for one in left)
    return Part("disclosure", "not_given", Bilingual(zh + more.zh, en + more.en), counts, faults)


def _small(members: Members, kind: str, support: Mapping[str, Any] | None) -> list[Finding]:
    """What the check of a release finds; its conditions, which a release meets and a package cannot, are left aside."""
    results = json.loads(members[standalone.ARD_JSON])
    overseas = _protocol(members).overseas
    quoted = (overseas.hazard_ratio, overseas.ci_low, overseas.ci_high) if overseas else ()
    verdict = check(
        results, kind, {}, support=support, pending=frozenset(CONDITION_TEXTS), quoted=quoted, propose=False
    )
    return list(verdict.findings)


def _protocol(members: Members) -> Protocol:
    return load_protocol(members[standalone.PROTOCOL_YAML].decode("utf-8"))


def _smallest(described: Mapping[str, Any], members: Members, kind: str) -> int:
    """The fewest people behind a number of this edition: the most that anybody asks for, as when it was made."""
    purpose = profiles().get(str(described.get("profile")))
    asked = purpose.smallest_cell if purpose is not None else 0
    own = _protocol(members).diagnostics.smallest_cell
    return max(SMALLEST_CELL, own, asked, recipient_of(kind).minimum_cell)


def _finer(members: Members) -> Iterator[Fault]:
    """What an aggregate edition never tells: files of an authority, and counts by file, by rule or by path."""
    for name in sorted(members.keys() & {*_OF_AN_AUTHORITY}):
        yield Fault(name, "汇总版不得含此文件", "an aggregate edition does not hold this file")
    documents = {
        name: json.loads(members[name])
        for name in (SOURCES_JSON, INPUTS_JSON, QUALITY_JSON, DEIDENTIFIED_JSON)
        if name in members
    }
    sources, inputs, quality, paths = (
        documents.get(name, {}) for name in (SOURCES_JSON, INPUTS_JSON, QUALITY_JSON, DEIDENTIFIED_JSON)
    )
    finer = {
        SOURCES_JSON: any(one["files"] for one in sources.get("sources", ())),
        INPUTS_JSON: bool(inputs.get("files")) or bool(inputs.get("lock", {}).keys() - {"id"}),
        QUALITY_JSON: bool(quality.get("facts"))
        or any(one.keys() - _OF_QUALITY for one in quality.get("lines", ())),
        DEIDENTIFIED_JSON: any(one.keys() - {"path"} for one in paths.get("dropped", ())),
    }
    for name, is_finer in finer.items():
        if is_finer:
            yield Fault(
                name, "汇总版不得逐文件、逐规则或逐路径计数", "it counts finer than an aggregate edition may"
            )


# --- numbers that identify ----------------------------------------------------------------------------


def _persons(members: Members) -> tuple[int, int, list[Fault]]:
    """How many files and texts were read, and the files in which a text holds a person's number, never the number."""
    files = texts = 0
    faults = []
    for name in sorted(members):
        if name.startswith(_NOT_TEXTS):
            continue
        held = set(_texts_of(name, members[name])) - members.keys()  # a path is nobody's address of mail
        files, texts = files + bool(held), texts + len(held)
        kinds = sorted({kind for text in held for kind in _kinds(text)})
        if kinds:
            listed = "、".join(kinds), ", ".join(kinds)
            zh, en = f"含可识别个人的号码：{listed[0]}", f"it holds a number that identifies: {listed[1]}"
            faults.append(Fault(name, zh, en))
    return files, texts, faults


def _kinds(text: str) -> set[str]:
    from deidentify.identifiers_cn import scan

    if _NUMBER.fullmatch(text) or not identifies(text):
        return set()
    return {one.kind for one in scan(text)} - NOBODYS


def _texts_of(name: str, content: bytes) -> Iterator[str]:
    """What can be read in a file: values, cells, lines, words, attributes and comments of a page. Of others nothing."""
    text = content.decode("utf-8-sig", "replace")
    if name.endswith(".json"):
        yield from _values(json.loads(text))
    elif name.endswith(".csv"):
        for row in csv.reader(io.StringIO(text, newline="")):
            yield from row
    elif name.endswith(_PAGES):
        page = _Words(is_xml=name.endswith(".xml"))
        page.feed(text)
        page.close()
        yield from page.words
        for data in page.data:
            yield from (one for one in _values(json.loads(data)) if not _DIGESTS.fullmatch(one))
    elif name.endswith(_LINES):
        yield from text.splitlines()


def _values(document: Any) -> Iterator[str]:
    if isinstance(document, str):
        yield document
    inner: Iterable[Any] = ()
    if isinstance(document, dict):
        yield from document
        inner = document.values()
    elif isinstance(document, list):
        inner = document
    for one in inner:
        yield from _values(one)


class _Words(HTMLParser):
    """What a page, a drawing or an XML file says: words, attributes, comments, and the JSON that a page carries.

    Not the styles and programs of a page, which are the platform's; XML has neither.
    """

    def __init__(self, *, is_xml: bool) -> None:
        super().__init__()
        self.words: list[str] = []
        self.data: list[str] = []  # a JSON text each
        self._silent = () if is_xml else _SILENT
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.words += [value for _, value in attrs if value]
        if tag in self._silent:
            self._inside = "json" if dict(attrs).get("type") == "application/json" else tag
            self.data += [""] if self._inside == "json" else []

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.words += [value for _, value in attrs if value]  # it opens nothing

    def handle_endtag(self, tag: str) -> None:
        if tag in self._silent:
            self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "json":
            self.data[-1] += data
        elif not self._inside:
            self.words.append(data)

    def handle_comment(self, data: str) -> None:
        self.words.append(data)

    def handle_decl(self, decl: str) -> None:
        self.words.append(decl)

    def handle_pi(self, data: str) -> None:
        self.words.append(data)

    def unknown_decl(self, data: str) -> None:
        self.words.append(data)
