"""define.xml: CDISC Define-XML 2.1 of the datasets, in Chinese and English.

The archived form that it points to is XPT, so a text's length is its bytes there; a Dataset-JSON has its own. A code
list of texts holds both spellings of each value, because XPT has the English and the Dataset-JSON the Chinese.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from rwd_platform.core.text import Bilingual
from studies.evidence.submission.adam import AdamDataset, AdamVariable, CodeList
from studies.evidence.submission.catalogue import made, same
from studies.evidence.submission.facts import (
    DICTIONARY,
    FOLDER,
    GUIDES,
    Oids,
    SubmissionFacts,
    json_path,
    xpt_path,
)
from studies.evidence.submission.spelling import xml_text
from studies.evidence.submission.xpt import XptTable
from studies.protocol import Protocol

ODM, DEF = "http://www.cdisc.org/ns/odm/v1.3", "http://www.cdisc.org/ns/def/v2.1"
XLINK, XML = "http://www.w3.org/1999/xlink", "http://www.w3.org/XML/1998/namespace"
VERSION, ODM_VERSION = "2.1.0", "1.3.2"
STANDARD, STANDARD_COMMENT = "STD.ADAMIG", "COM.ADAMIG"
_SOURCES = {
    "Derived": "Sponsor",
    "Assigned": "Sponsor",
    "Collected": "Investigator",
}  # a predecessor has none


@dataclass(frozen=True)
class _Pen:
    """Writes elements. Nothing that is no XML character gets into the document."""

    oids: Oids

    def put(
        self, parent: Any, tag: str, attributes: Mapping[str, object] | None = None, text: str = ""
    ) -> Any:
        from lxml import etree  # type: ignore[import-untyped,unused-ignore]

        known = {_qualified(name): xml_text(str(value)) for name, value in (attributes or {}).items()}
        element = etree.SubElement(parent, _qualified(tag, ODM), known)
        if text:
            element.text = xml_text(text)
        return element

    def texts(self, parent: Any, tag: str, pair: Bilingual) -> None:
        """English first: a reader that knows one language takes the first."""
        element = self.put(parent, tag)
        for language, text in (("en", pair.en), ("zh", pair.zh)):
            self.put(element, "TranslatedText", {"xml:lang": language}, text or "-")

    def document(self, parent: Any, leaf: str) -> None:
        self.put(parent, "def:DocumentRef", {"leafID": leaf})


def define_xml(
    datasets: Sequence[AdamDataset],
    tables: Mapping[str, XptTable],
    protocol: Protocol,
    facts: SubmissionFacts,
) -> bytes:
    """The document. `tables` are the transport files' contents, by dataset."""
    from lxml import etree

    pen = _Pen(Oids.of(protocol))
    leaves = list(_documents(datasets))
    version = _frame(pen, protocol, facts, [leaf for leaf, *_ in leaves])
    for dataset in datasets:
        _group(pen, version, dataset)
    for dataset in datasets:
        for variable in dataset.variables:
            _item(pen, version, dataset, variable, tables[dataset.name])
    for codes in _code_lists(datasets):
        _codes(pen, version, codes)
    for dataset in datasets:
        for variable in dataset.variables:
            if variable.origin == "Derived":
                _method(pen, version, dataset, variable)
    comment = pen.put(version, "def:CommentDef", {"OID": STANDARD_COMMENT})
    pen.texts(comment, "Description", made("standard"))
    for leaf, href, title in leaves:
        _leaf(pen, version, leaf, href, title)
    root = version.getroottree()
    content: bytes = etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)
    return content


def _qualified(name: str, default: str = "") -> str:
    prefix, _, local = name.rpartition(":")
    spaces = {"def": DEF, "xlink": XLINK, "xml": XML, "": default}
    return f"{{{spaces[prefix]}}}{local}" if spaces[prefix] else local


def _frame(pen: _Pen, protocol: Protocol, facts: SubmissionFacts, documents: Sequence[str]) -> Any:
    """ODM, Study and an open MetaDataVersion with what comes first in it."""
    from lxml import etree

    root = etree.Element(
        f"{{{ODM}}}ODM",
        {
            "FileType": "Snapshot", "FileOID": xml_text(pen.oids.file("define")), "CreationDateTime": facts.created,
            "ODMVersion": ODM_VERSION, "Originator": xml_text(facts.platform.en), f"{{{DEF}}}Context": "Submission",
        },
        nsmap={None: ODM, "def": DEF, "xlink": XLINK},
    )  # fmt: skip
    study = pen.put(root, "Study", {"OID": pen.oids.study})
    variables = pen.put(study, "GlobalVariables")
    pen.put(variables, "StudyName", text=protocol.id)
    pen.put(variables, "StudyDescription", text=f"{protocol.title.zh} / {protocol.title.en}")
    pen.put(variables, "ProtocolName", text=f"{protocol.id} {protocol.version}")
    named = {
        "OID": pen.oids.version,
        "Name": f"{protocol.id} {protocol.version}",
        "def:DefineVersion": VERSION,
    }
    version = pen.put(study, "MetaDataVersion", {**named, "Description": f"Data lock {facts.lock_id}"})
    standards = pen.put(version, "def:Standards")
    known = {"OID": STANDARD, "Name": "ADaMIG", "Type": "IG", "Version": "1.1", "Status": "Final"}
    pen.put(standards, "def:Standard", {**known, "def:CommentOID": STANDARD_COMMENT})
    listed = pen.put(version, "def:SupplementalDoc")
    for leaf in documents:
        pen.document(listed, pen.oids.leaf(leaf))
    return version


def _group(pen: _Pen, version: Any, dataset: AdamDataset) -> None:
    known = {
        "OID": pen.oids.group(dataset.name), "Name": dataset.name, "SASDatasetName": dataset.name,
        "Repeating": "No" if dataset.name == "ADSL" else "Yes", "IsReferenceData": "No", "Purpose": "Analysis",
        "def:Structure": dataset.structure.en, "def:ArchiveLocationID": pen.oids.leaf(dataset.name),
        "def:StandardOID": STANDARD,
    }  # fmt: skip
    if dataset.frame.empty:
        known["def:HasNoData"] = "Yes"
    group = pen.put(version, "ItemGroupDef", known)
    pen.texts(group, "Description", dataset.label)
    for place, variable in enumerate(dataset.variables, start=1):
        item: dict[str, object] = {
            "ItemOID": pen.oids.item(dataset.name, variable.name),
            "OrderNumber": place,
            "Mandatory": "Yes" if variable.name in dataset.keys else "No",
        }
        sequence = dataset.key_sequence(variable.name)
        if sequence is not None:
            item["KeySequence"] = sequence
        if variable.origin == "Derived":
            item["MethodOID"] = pen.oids.method(dataset.name, variable.name)
        pen.put(group, "ItemRef", item)
    kind = pen.put(group, "def:Class", {"Name": dataset.adam_class})
    if dataset.subclass:
        pen.put(kind, "def:SubClass", {"Name": dataset.subclass})
    _leaf(pen, group, dataset.name, xpt_path(dataset.name), f"{dataset.name.lower()}.xpt")


def _leaf(pen: _Pen, parent: Any, leaf: str, path: str, title: str) -> None:
    href = path.removeprefix(FOLDER)
    element = pen.put(parent, "def:leaf", {"ID": pen.oids.leaf(leaf), "xlink:href": href})
    pen.put(element, "def:title", text=title)


def _documents(datasets: Sequence[AdamDataset]) -> Iterable[tuple[str, str, str]]:
    yield "guide_zh", GUIDES["zh"], "数据说明（中文） / Data guide (Chinese)"
    yield "guide_en", GUIDES["en"], "数据说明（英文） / Data guide (English)"
    yield "dictionary", DICTIONARY, "数据字典 / Data dictionary"
    for one in datasets:
        yield f"{one.name}.json", json_path(one.name), f"{one.name} as Dataset-JSON"


def _item(pen: _Pen, version: Any, dataset: AdamDataset, variable: AdamVariable, table: XptTable) -> None:
    known: dict[str, object] = {
        "OID": pen.oids.item(dataset.name, variable.name), "Name": variable.name, "DataType": variable.type,
        **_length(variable, table), "SASFieldName": variable.name,
    }  # fmt: skip
    if variable.display_format:
        known["def:DisplayFormat"] = variable.display_format
    item = pen.put(version, "ItemDef", known)
    pen.texts(item, "Description", variable.label)
    if variable.codes is not None:
        pen.put(item, "CodeListRef", {"CodeListOID": pen.oids.codes(variable.codes.id)})
    if variable.long_name:
        pen.put(item, "Alias", {"Context": "protocol", "Name": variable.long_name})
    attributes: dict[str, object] = {"Type": variable.origin}
    if variable.origin in _SOURCES:
        attributes["Source"] = _SOURCES[variable.origin]
    origin = pen.put(item, "def:Origin", attributes)
    pen.texts(origin, "Description", _home(variable))


def _home(variable: AdamVariable) -> Bilingual:
    """Where a cell comes from; of a predecessor its name alone. How it was derived, its method says."""
    if variable.predecessor:
        return same(variable.predecessor)
    if variable.origin == "Assigned" or not variable.source:
        return variable.derivation
    return made("origin", source=same(", ".join(variable.source)))


def _length(variable: AdamVariable, table: XptTable) -> dict[str, object]:
    if variable.type == "text":
        return {"Length": table.lengths[variable.name]}
    values = table.frame[variable.name].dropna().unique()
    if variable.type == "integer":
        return {"Length": max([1, *(len(str(int(one))) for one in values)])}
    digits = [_digits(float(one)) for one in values]
    return {
        "Length": max([1, *(whole + after + (after > 0) for whole, after in digits)]),
        "SignificantDigits": max([0, *(after for _, after in digits)]),
    }


def _digits(number: float) -> tuple[int, int]:
    """Characters before the point, sign included, and digits behind it, of the shortest text of this double."""
    whole, _, after = f"{Decimal(repr(number)):f}".partition(".")
    return len(whole), len(after.rstrip("0"))


def _code_lists(datasets: Sequence[AdamDataset]) -> list[CodeList]:
    found: dict[str, CodeList] = {}
    for dataset in datasets:
        for variable in dataset.variables:
            if variable.codes is not None:
                found.setdefault(variable.codes.id, variable.codes)
    return list(found.values())


def _codes(pen: _Pen, version: Any, codes: CodeList) -> None:
    known = {
        "OID": pen.oids.codes(codes.id), "Name": codes.title.en or codes.id,
        "DataType": "integer" if codes.numeric else "text", "def:IsNonStandard": "Yes",
    }  # fmt: skip
    element = pen.put(version, "CodeList", known)
    pen.texts(element, "Description", codes.title)
    for place, code in enumerate(codes.spellings(), start=1):
        item = pen.put(element, "CodeListItem", {"CodedValue": code.value, "OrderNumber": place})
        pen.texts(item, "Decode", code.meaning)


def _method(pen: _Pen, version: Any, dataset: AdamDataset, variable: AdamVariable) -> None:
    known = {
        "OID": pen.oids.method(dataset.name, variable.name), "Name": f"{dataset.name}.{variable.name}",
        "Type": "Computation",
    }  # fmt: skip
    pen.texts(pen.put(version, "MethodDef", known), "Description", variable.derivation)
