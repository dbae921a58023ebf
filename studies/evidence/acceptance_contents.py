"""Part 5 of an acceptance: contents and checklists, made anew from the package's own files.

What was written by hand is found: nothing of it is believed but what people stated.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from rwd_platform.core.text import Bilingual
from studies.evidence.acceptance import MALFORMED, Fault, Members, Part, fails, protocol_of
from studies.evidence.checklists.answer import Answered, answer, blocking
from studies.evidence.checklists.package_view import PackageView
from studies.evidence.checklists.reader import checklist
from studies.evidence.checklists.render import FOLDER, as_dict
from studies.evidence.documents import LABELS_JSON, json_bytes
from studies.evidence.profiles.conditions import COSTS, DEVICES, StudyFacts
from studies.evidence.profiles.dossier import CONTENTS_JSON, Dossier, hold
from studies.evidence.profiles.profile import Profile, profile
from studies.evidence.statements import STATEMENTS_JSON, asked
from studies.evidence.templates import verify as standalone
from studies.results import ResultSet


def checklists_part(members: Members) -> Part:
    """Part 5: contents.json names nothing missing, no mandatory item is empty, and each answer is given again.

    Contents and answers are made anew from the package's own files: what was written by hand is found.
    """
    then = Bilingual(
        "请由研究者补齐所缺各项后重新组装（`rwd evidence missing` 列出缺项）。",
        "Let the researcher supply what is missing and assemble again (`rwd evidence missing` lists it).",
    )
    try:
        described = json.loads(members[standalone.PACKAGE_JSON])
        wanted = profile(str(described["profile"]))
        contents = list(_contents_faults(members, described, wanted))
        answered = _answers(members, described, wanted)
        faults = [*contents, *(one for each in answered for one in _item_faults(members, each))]
    except MALFORMED:
        says = Bilingual("内容目录或清单无法读取。", "The contents or the checklists cannot be read.")
        return fails("checklists", says, then)
    items = sum(len(one.items) for one in answered)
    counts = {"parts": len(wanted.parts), "checklists": len(answered), "items": items}
    if faults:
        says = Bilingual(f"{len(faults)} 处缺项或不符。", f"Missing, or not in agreement: {len(faults)}.")
        return fails("checklists", says, then, faults, counts)
    zh = f"目录 {len(wanted.parts)} 项无缺，{len(answered)} 份清单共 {items} 条；均按包内文件重新核对、作答，结果相同。"
    en = (
        f"{len(wanted.parts)} parts of the contents, none missing, and {len(answered)} checklists with {items} items: "
        "looked at and answered again from the package's files, they are the same."
    )
    return Part("checklists", "holds", Bilingual(zh, en), counts)


def _contents_faults(members: Members, described: Mapping[str, Any], wanted: Profile) -> Iterator[Fault]:
    contents = json.loads(members[CONTENTS_JSON])
    stands = {str(one["id"]): one for one in contents["parts"]}
    if contents["profile"] != wanted.id or list(stands) != [one.id for one in wanted.parts]:
        yield Fault(CONTENTS_JSON, "不是本平台该用途的目录", "it is not what this platform's purpose expects")
        return
    again = json_bytes(_held_again(members, described, wanted, stands).as_dict())
    apart = False
    for part, one in zip(wanted.parts, json.loads(again)["parts"], strict=True):
        place, apart = f"{CONTENTS_JSON} {part.id}", apart or one != stands[part.id]
        if "missing" in (one["status"], stands[part.id]["status"]):
            yield Fault(place, f"缺少：{part.title.zh}", f"missing: {part.title.en}")
        elif one != stands[part.id]:
            zh, en = "与按包内文件重新核对的结果不同", "it is not what the package's own files give"
            yield Fault(place, f"{zh}：{part.title.zh}", f"{en}: {part.title.en}")
    if again != members[CONTENTS_JSON] and not apart:
        yield Fault(
            CONTENTS_JSON, "与按包内文件重新核对的结果不同", "it is not what the package's own files give"
        )


def _held_again(
    members: Members, described: Mapping[str, Any], wanted: Profile, stands: Mapping[str, Any]
) -> Dossier:
    """The purpose held against the files once more.

    Which tables a lock has, an aggregate edition does not show: there alone the contents are taken at their word.
    """
    stated = (("devices", DEVICES), ("costs", COSTS))
    there = {one.when for one in wanted.parts if stands[one.id]["status"] != "not_asked"}
    study = StudyFacts(
        protocol_of(members),
        ResultSet.from_dict(json.loads(members[standalone.ARD_JSON]), {}),
        frozenset(table for condition, table in stated if condition in there),
        str(described["row_data_tier"]),
        int(described["version"]),
        str(described["audience"]),
        bool(described.get("coarsening", {}).get("withheld_results")),
    )
    index = (CONTENTS_JSON, f"{FOLDER}/")
    files = [name for name in members if not name.startswith(index)]
    return hold(wanted, study, files, {id: _as_chosen(id, one) for id, one in _said(members).items()})


def _said(members: Members) -> dict[str, Bilingual]:
    statements = json.loads(members[STATEMENTS_JSON])["statements"]
    return {id: Bilingual(**one["said"]) for id, one in statements.items()}


def _as_chosen(id: str, words: Bilingual) -> Bilingual:
    """A choice is told in words and held by its key. Raises ValueError for words that nobody could choose."""
    choices = asked()[id].choices
    if choices is None:
        return words
    key = next((key for key, one in choices.items() if one == words), None)
    if key is None:
        raise ValueError("no such choice")
    return Bilingual(key, key)


def _answers(members: Members, described: Mapping[str, Any], wanted: Profile) -> list[Answered]:
    """The checklists of the purpose, answered from the files that were there when they were answered first."""
    index = f"{FOLDER.rpartition('/')[0]}/"
    later = {CONTENTS_JSON, LABELS_JSON, standalone.PACKAGE_JSON}
    listed = [*described["files"]["identifying"], *described["files"]["volatile"]]
    seen = [name for name in listed if name not in later and not name.startswith(f"{index}checklists/")]
    results = ResultSet.from_dict(json.loads(members[standalone.ARD_JSON]), {})
    withheld = bool(described.get("coarsening", {}).get("withheld_results"))
    files = {name: members[name] for name in seen}
    view = PackageView(files, protocol_of(members), results, str(described["audience"]), wanted.id, withheld)
    said = _said(members)
    return [answer(checklist(id), view, said) for id in wanted.checklists]


def _item_faults(members: Members, answered: Answered) -> Iterator[Fault]:
    id = answered.checklist.id
    for one in blocking([answered]):
        asks = one.asks
        yield Fault(f"{id} {one.item}", f"必答项为空：{asks.zh}", f"mandatory and empty: {asks.en}")
    name = f"{FOLDER}/{id}.json"
    if members.get(name) != json_bytes(as_dict(answered)):
        yield Fault(
            name,
            "与按包内文件重新作答的结果不同",
            "it is not what the package's own files give when asked again",
        )
