"""define.xml: valid by the standard's own schema, every reference kept, and saying of each variable what is so."""

from __future__ import annotations

import io
import re
from decimal import Decimal
from fractions import Fraction

import pytest
from lxml import etree

from studies.evidence.submission import AdamDataset, datasets
from studies.evidence.submission.define import DEF, ODM, XLINK, define_xml
from studies.evidence.submission.facts import FOLDER, SubmissionFacts
from studies.evidence.submission.package_files import files
from studies.evidence.submission.xpt import xpt_table
from studies.protocol import Protocol
from tests.evidence.submission.made import (
    FACTS,
    emptied,
    hostile,
    rotterdam,
    rotterdam_table,
    valve,
)
from tests.studies.rotterdam_lock import rotterdam_protocol
from tests.studies.small import dataset, small_protocol
from tests.studies.valve import protocol as valve_protocol

NS = {"o": ODM, "d": DEF, "x": XLINK}
HAN = re.compile(r"[\u4e00-\u9fff]")


STUDIES: dict[str, tuple[tuple[AdamDataset, ...], Protocol]] = {
    "rotterdam": (rotterdam(), rotterdam_protocol()),
    "valve": (valve(), valve_protocol()),
    "empty": (datasets(emptied(rotterdam_table()), rotterdam_protocol()), rotterdam_protocol()),
    "small": (datasets(dataset(30), small_protocol()), small_protocol()),
    "hostile": (datasets(dataset(30), hostile()), hostile()),
}
each_study = pytest.mark.parametrize("name", STUDIES)


def written(name: str, facts: SubmissionFacts = FACTS) -> bytes:
    made, protocol = STUDIES[name]
    return define_xml(made, {one.name: xpt_table(one) for one in made}, protocol, facts)


def root(name: str):
    return etree.fromstring(written(name))


def found(name: str, path: str) -> list:
    return root(name).xpath(path, namespaces=NS)


@each_study
def test_the_standards_own_schema_accepts_it(name):
    from odmlib.schema_manager import get_schema_path

    schema = etree.XMLSchema(etree.parse(get_schema_path("define", "2.1")))
    schema.assertValid(etree.parse(io.BytesIO(written(name))))


@each_study
def test_the_schema_would_have_refused_what_is_not_define(name):
    """So that the test above is one: without its class no dataset passes, nor with an origin that 2.1 does not know."""
    from odmlib.schema_manager import get_schema_path

    schema = etree.XMLSchema(etree.parse(get_schema_path("define", "2.1")))
    document = root(name)
    document.find(f".//{{{DEF}}}Origin").set("Type", "eDT")  # of Define-XML 2.0
    assert not schema.validate(document)


@each_study
def test_odmlibs_rules_of_conformance_and_of_ids_hold(name, tmp_path):
    from odmlib.define_2_1.rules.metadata_schema import MetadataSchema
    from odmlib.define_loader import XMLDefineLoader
    from odmlib.loader import ODMLoader
    from odmlib.oid_generator import create_oid_checker

    path = tmp_path / "define.xml"
    path.write_bytes(written(name))
    loader = ODMLoader(XMLDefineLoader(model_package="define_2_1"))
    loader.open_odm_document(str(path))
    document = loader.root()
    assert document.verify_conformance(MetadataSchema())
    assert document.verify_order()
    checker = create_oid_checker("define_2_1")
    assert document.verify_oids(checker)
    assert document.unreferenced_oids(checker) == {}


@each_study
def test_every_variable_of_every_dataset_is_in_it_and_nothing_else(name):
    made, _ = STUDIES[name]
    wanted = {(data.name, one.name) for data in made for one in data.variables}
    listed = set()
    items = {one.get("OID"): one.get("Name") for one in found(name, "//o:ItemDef")}
    for group in found(name, "//o:ItemGroupDef"):
        for reference in group.findall(f"{{{ODM}}}ItemRef"):
            listed.add((group.get("Name"), items[reference.get("ItemOID")]))
    assert listed == wanted
    assert len(items) == len(wanted) == len(found(name, "//o:ItemRef"))


@each_study
def test_variables_stand_in_the_order_of_the_file_with_the_keys_numbered(name):
    for data, group in zip(STUDIES[name][0], found(name, "//o:ItemGroupDef"), strict=True):
        references = group.findall(f"{{{ODM}}}ItemRef")
        oids = [one.get("ItemOID") for one in references]
        assert oids == [f"IT.{data.name}.{one.name}" for one in data.variables]
        assert [int(one.get("OrderNumber")) for one in references] == list(range(1, len(oids) + 1))
        keys = {one.get("ItemOID").rpartition(".")[2]: int(one.get("KeySequence")) for one in references
                if one.get("KeySequence")}  # fmt: skip
        assert keys == {key: place for place, key in enumerate(data.keys, start=1)}
        assert all(one.get("Mandatory") == "Yes" for one in references if one.get("KeySequence"))


@each_study
def test_each_group_says_its_structure_its_class_and_its_file(name):
    for data, group in zip(STUDIES[name][0], found(name, "//o:ItemGroupDef"), strict=True):
        assert group.get(f"{{{DEF}}}Structure") == data.structure.en
        assert group.xpath("d:Class/@Name", namespaces=NS) == [data.adam_class]
        assert group.xpath("d:Class/d:SubClass/@Name", namespaces=NS) == (
            [data.subclass] if data.subclass else []
        )
        assert group.get("Repeating") == ("No" if data.name == "ADSL" else "Yes")
        leaf = group.find(f"{{{DEF}}}leaf")
        assert leaf.get("ID") == group.get(f"{{{DEF}}}ArchiveLocationID")
        assert leaf.get(f"{{{XLINK}}}href") == f"datasets/xpt/{data.name.lower()}.xpt"
        assert (group.get(f"{{{DEF}}}HasNoData") == "Yes") == data.frame.empty


@each_study
def test_every_file_that_it_points_to_is_there(name):
    made, protocol = STUDIES[name]
    there = set(files(made, protocol, FACTS).files)
    hrefs = found(name, "//@x:href")
    assert {f"{FOLDER}{one}" for one in hrefs} <= there
    assert {f"{FOLDER}{one}" for one in hrefs} == there - {f"{FOLDER}define.xml"}


@each_study
def test_each_origin_is_one_of_the_standards_with_its_source(name):
    """Define-XML 2.1, 5.3.11.3: a predecessor is named and has no source; the others say who answers for them."""
    for item in found(name, "//o:ItemDef"):
        (origin,) = item.findall(f"{{{DEF}}}Origin")
        assert origin.get("Type") in ("Collected", "Derived", "Assigned", "Predecessor")
        assert origin.get("Source") == (None if origin.get("Type") == "Predecessor" else "Sponsor")
        text = origin.xpath("string(o:Description/o:TranslatedText[@xml:lang='en'])", namespaces=NS)
        assert text and text != "-"
        if origin.get("Type") == "Predecessor":
            assert re.fullmatch(r"(ADSL|device_use|subject)\.\w+", text)


@each_study
def test_what_is_derived_has_a_method_and_what_is_not_has_none(name):
    made, _ = STUDIES[name]
    derived = {
        f"IT.{data.name}.{one.name}" for data in made for one in data.variables if one.origin == "Derived"
    }
    with_method = {one.get("ItemOID"): one.get("MethodOID") for one in found(name, "//o:ItemRef[@MethodOID]")}
    assert set(with_method) == derived
    methods = {one.get("OID"): one for one in found(name, "//o:MethodDef")}
    assert set(methods) == set(with_method.values())
    for one in methods.values():
        assert len(one.xpath("o:Description/o:TranslatedText", namespaces=NS)) == 2


@each_study
def test_every_description_is_in_both_languages(name):
    for one in found(name, "//o:Description | //o:Decode"):
        assert one.xpath("o:TranslatedText/@xml:lang", namespaces=NS) == ["en", "zh"]
        assert all(text.strip() for text in one.xpath("o:TranslatedText/text()", namespaces=NS))
    if name != "hostile":
        chinese = found(name, "//o:ItemDef/o:Description/o:TranslatedText[@xml:lang='zh']/text()")
        assert all(HAN.search(one) for one in chinese)


@each_study
def test_every_coded_value_of_either_file_is_in_the_list_that_it_names(name):
    made, _ = STUDIES[name]
    lists = {
        one.get("OID"): set(one.xpath("o:CodeListItem/@CodedValue", namespaces=NS))
        for one in found(name, "//o:CodeList")
    }
    named = {one.getparent().get("OID"): one.get("CodeListOID") for one in found(name, "//o:CodeListRef")}
    assert set(named.values()) == set(lists)
    for data in made:
        table = xpt_table(data).frame
        for one in data.variables:
            if one.codes:
                known = lists[named[f"IT.{data.name}.{one.name}"]]
                assert set(map(str, table[one.name].dropna().map(_whole))) - {""} <= known, one.name
                if name != "hostile":  # XML cannot hold every character of a hostile title
                    assert set(map(str, data.frame[one.name].dropna())) - {""} <= known, one.name


def _whole(value):
    return int(value) if isinstance(value, float) else value


@each_study
def test_the_kind_of_a_list_is_that_of_the_variables_that_use_it(name):
    kinds = {one.get("OID"): one.get("DataType") for one in found(name, "//o:CodeList")}
    for item in found(name, "//o:ItemDef[o:CodeListRef]"):
        assert kinds[item.find(f"{{{ODM}}}CodeListRef").get("CodeListOID")] == item.get("DataType")


@each_study
def test_no_list_has_a_value_twice(name):
    for one in found(name, "//o:CodeList"):
        values = one.xpath("o:CodeListItem/@CodedValue", namespaces=NS)
        assert len(values) == len(set(values)) > 0


@each_study
def test_lengths_hold_every_value_of_the_archived_file(name):
    """ODM 1.3.2: of an integer its digits, of a float its characters with the point, of text the bytes."""
    items = {one.get("OID"): one for one in found(name, "//o:ItemDef")}
    for data in STUDIES[name][0]:
        table = xpt_table(data)
        for one in data.variables:
            item = items[f"IT.{data.name}.{one.name}"]
            length = int(item.get("Length"))
            assert item.get("DataType") == one.type and item.get("SASFieldName") == one.name
            if one.type == "text":
                assert length == table.lengths[one.name]
            else:
                _holds(item, length, table.frame[one.name].dropna())


def _holds(item, length: int, numbers) -> None:
    digits = int(item.get("SignificantDigits", 0))
    assert (item.get("SignificantDigits") is not None) == (item.get("DataType") == "float")
    decimals = [-Decimal(repr(float(one))).normalize().as_tuple().exponent for one in numbers.unique()]
    assert digits == max([0, *decimals])  # and not one more
    for number in numbers.unique():
        shown = f"{number:.{digits}f}"
        assert len(shown) <= length
        assert Fraction(shown) == Fraction(repr(float(number)))  # so many digits are enough


def test_the_protocols_own_name_stands_beside_the_short_one():
    aliases = {
        one.getparent().get("Name"): one.get("Name")
        for one in found("rotterdam", "//o:Alias[@Context='protocol']")
    }
    assert aliases["AGE"] == "age" and "restricted" in aliases.values()


def test_it_says_which_study_standard_and_day_it_is_of():
    document = root("rotterdam")
    assert document.get("CreationDateTime") == "2026-01-05T00:00:00" and document.get("ODMVersion") == "1.3.2"
    assert document.get(f"{{{DEF}}}Context") == "Submission"
    assert found("rotterdam", "string(//o:StudyName)") == "rotterdam-hormon"
    assert found("rotterdam", "//d:Standard/@Name") == ["ADaMIG"]
    assert found("rotterdam", "//o:MetaDataVersion/@d:DefineVersion") == ["2.1.0"]
    assert "lock-small" in found("rotterdam", "string(//o:MetaDataVersion/@Description)")


def test_where_it_differs_from_the_standard_it_says_so():
    comment = found("rotterdam", "//d:CommentDef[@OID='COM.ADAMIG']//o:TranslatedText/text()")
    assert len(comment) == 2 and all("TRT01P" in one for one in comment)


def test_hostile_titles_stay_text():
    """Markup of a title is no markup of the document, and what XML cannot hold is marked."""
    document = root("hostile")
    assert not document.xpath("//*[local-name()='b']")
    text = "".join(document.itertext())
    assert '=<b>&"x"]]>' in text and "\ufffd" in text
    assert b"\x01" not in written("hostile")


def test_an_external_entity_or_a_processing_instruction_is_never_written():
    content = written("hostile")
    assert content.count(b"<?") == 1 and b"<!" not in content.replace(b"]]>", b"")


def test_two_builds_have_the_same_bytes():
    assert written("valve") == written("valve")
    assert written("valve") != written("valve", SubmissionFacts("2026-01-06", "lock-small"))
