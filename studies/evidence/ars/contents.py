"""What the reporting event lists: its contents, the report's tables and figures, the documents behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from posixpath import relpath
from typing import Literal

from rwd_platform.core.text import Bilingual
from studies.evidence.ars.words import Json, named, sponsor_term, titled, words

ARS_JSON = "data/05_results/ars.json"
_FOLDER = "data/05_results"
_KINDS = {"table": Bilingual("表", "Table"), "figure": Bilingual("图", "Figure")}
_STANDARD_TYPES = ("pdf", "rtf", "txt")
_DOCUMENTS = (
    ("Doc.protocol", "data/01_protocol/protocol.yaml", Bilingual("研究方案", "Protocol")),
    ("Doc.results", "data/05_results/ard.json", Bilingual("分析结果，逐行", "Result rows")),
    ("Doc.rerun", "data/07_code/rerun.py", Bilingual("复算程序", "Program that recomputes the results")),
)


@dataclass(frozen=True)
class Output:
    """A table or figure of the report. `file`: its path in the package, `data/05_results/figures/x.svg`."""

    id: str
    title: Bilingual
    kind: Literal["table", "figure"]
    file: str


def reference_documents() -> list[Json]:
    return [{**named(id, title), "location": _location(file)} for id, file, title in _DOCUMENTS]


def outputs(listed: Sequence[Output]) -> list[Json]:
    return [_output(one) for one in listed]


def output_id(id: str) -> str:
    return f"Out.{id}"


def _location(file: str) -> str:
    """Seen from the folder of ars.json."""
    return relpath(file, _FOLDER)


def _output(output: Output) -> Json:
    """A display title is one text: English; its section of titles has both."""
    id = output_id(output.id)
    title = [
        {"order": 1, "subSection": {"id": f"{id}.title.en", "text": output.title.en}},
        {"order": 2, "subSection": {"id": f"{id}.title.zh", "text": output.title.zh}},
    ]
    display = {
        **named(f"{id}.display", output.title),
        "version": 1,
        "displayTitle": output.title.en,
        "displaySections": [{"sectionType": "Title", "orderedSubSections": title}],
    }
    file = {**titled(output.title), "location": _location(output.file)}
    if (kind := _file_type(output.file)) is not None:
        file["fileType"] = kind
    return {
        **named(id, output.title, _KINDS[output.kind]),
        "version": 1,
        "displays": [{"order": 1, "display": display}],
        "fileSpecifications": [file],
    }


def _file_type(file: str) -> Json | None:
    ending = file.rpartition(".")[2].lower()
    if ending in _STANDARD_TYPES:
        return {"controlledTerm": ending}
    if ending in words()["sponsor"]["OutputFileTypeEnum"]:
        return sponsor_term("OutputFileTypeEnum", ending)
    return None


def list_of_contents(analyses: Sequence[Json], listed: Sequence[Output]) -> Json:
    """Analyses in the order of the event, then tables and figures."""
    parts = [(Bilingual("分析", "Analyses"), [_item(one, "analysisId", one["id"]) for one in analyses])]
    if listed:
        shown = [_item(titled(one.title), "outputId", output_id(one.id)) for one in listed]
        parts.append((Bilingual("表与图", "Tables and figures"), shown))
    items = [
        {
            **titled(title),
            "level": 1,
            "order": place,
            "sublist": {
                "listItems": [{**one, "level": 2, "order": at} for at, one in enumerate(inside, start=1)]
            },
        }
        for place, (title, inside) in enumerate(parts, start=1)
    ]
    return {**titled(Bilingual("目录", "Contents")), "contentsList": {"listItems": items}}


def _item(titles: Json, slot: str, id: str) -> Json:
    return {"name": titles["name"], "label": titles["label"], slot: id}
