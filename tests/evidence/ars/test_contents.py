"""The list of contents and the report's tables and figures, as a reviewer's tool lists them."""

from __future__ import annotations

from posixpath import normpath

import pytest

from rwd_platform.core.text import Bilingual
from studies.evidence.ars import ARS_JSON, ArsFacts, Output
from tests.evidence.ars import model
from tests.evidence.ars.events import NAMES, OUTPUTS, event_of, event_with, row

TITLE = Bilingual("表 1", "Table 1")


def one_output(file: str, **changes):
    facts = ArsFacts((Output(**{"id": "t", "title": TITLE, "kind": "table", "file": file, **changes}),))
    return event_with(row(), facts=facts)


@pytest.mark.parametrize("name", NAMES)
def test_the_contents_list_every_analysis_and_every_output_once_in_order(name):
    event = event_of(name)
    analyses, shown = event["mainListOfContents"]["contentsList"]["listItems"]
    assert [one["analysisId"] for one in analyses["sublist"]["listItems"]] == [
        one["id"] for one in event["analyses"]
    ]
    assert [one["outputId"] for one in shown["sublist"]["listItems"]] == [f"Out.{one.id}" for one in OUTPUTS]
    for part, items in enumerate((analyses, shown), start=1):
        assert (items["level"], items["order"]) == (1, part)
        inside = items["sublist"]["listItems"]
        assert [(one["level"], one["order"]) for one in inside] == [
            (2, at) for at in range(1, len(inside) + 1)
        ]


def test_an_item_is_called_what_the_analysis_is_called():
    event = event_of("valve")
    titles = {one["id"]: (one["name"], one["label"]) for one in event["analyses"]}
    items = event["mainListOfContents"]["contentsList"]["listItems"][0]["sublist"]["listItems"]
    assert {one["analysisId"]: (one["name"], one["label"]) for one in items} == titles


def test_without_outputs_the_contents_have_one_part():
    event = event_with(row())
    assert len(event["mainListOfContents"]["contentsList"]["listItems"]) == 1


@pytest.mark.parametrize("file", [one.file for one in OUTPUTS])
def test_a_location_leads_from_the_folder_of_ars_json_to_the_file(file):
    (output,) = one_output(file)["outputs"]
    (specified,) = output["fileSpecifications"]
    folder = ARS_JSON.rpartition("/")[0]
    assert normpath(f"{folder}/{specified['location']}") == file


def test_the_documents_behind_the_results_are_where_a_package_has_them():
    """The protocol, the rows and the program that recomputes them: names that a built package really has."""
    folder = ARS_JSON.rpartition("/")[0]
    found = {
        one["id"]: normpath(f"{folder}/{one['location']}")
        for one in event_of("rotterdam")["referenceDocuments"]
    }
    assert found == {
        "Doc.protocol": "data/01_protocol/protocol.yaml",
        "Doc.results": "data/05_results/ard.json",
        "Doc.rerun": "data/07_code/rerun.py",
    }


def test_those_documents_are_in_a_built_package(package):
    assert {"data/01_protocol/protocol.yaml", "data/05_results/ard.json", "data/07_code/rerun.py"} <= set(
        package.file_names
    )


@pytest.mark.parametrize("ending", ["pdf", "PDF", "rtf", "txt"])
def test_a_type_that_the_standard_lists_is_a_controlled_term(ending):
    (output,) = one_output(f"data/06_report/x.{ending}")["outputs"]
    assert output["fileSpecifications"][0]["fileType"] == {"controlledTerm": ending.lower()}


@pytest.mark.parametrize("ending", ["svg", "csv", "html", "docx", "json", "parquet"])
def test_another_type_is_a_term_of_ours(ending):
    event = one_output(f"data/06_report/x.{ending}")
    kind = event["outputs"][0]["fileSpecifications"][0]["fileType"]
    assert kind == {"sponsorTermId": f"Term.OutputFileTypeEnum.{ending}"} and model.dangling(event) == []


@pytest.mark.parametrize("file", ["data/x.exe", "data/x", "data/x.", "x"])
def test_a_type_that_nobody_lists_is_left_out(file):
    event = one_output(file)
    assert "fileType" not in event["outputs"][0]["fileSpecifications"][0]
    assert list(model.faults(event)) == []


def test_a_table_and_a_figure_say_which_they_are_in_both_languages():
    found = {one["id"]: one["description"] for one in event_of("rotterdam")["outputs"]}
    assert found["Out.table_1"] == "表 / Table" and found["Out.figure_1"] == "图 / Figure"


def test_a_display_has_both_titles():
    """A display title is one text, in English; the section of titles holds the Chinese as well."""
    (output,) = one_output("data/05_results/t.csv")["outputs"]
    (shown,) = output["displays"]
    (section,) = shown["display"]["displaySections"]
    assert section["sectionType"] == "Title" and shown["display"]["displayTitle"] == TITLE.en
    assert [one["subSection"]["text"] for one in section["orderedSubSections"]] == [TITLE.en, TITLE.zh]


def test_titles_pass_as_they_are_written():
    title = Bilingual("<甲> & {x} %s\n", '"A" / {0}')
    (output,) = one_output("data/05_results/t.csv", title=title)["outputs"]
    assert (output["name"], output["label"]) == (title.en, title.zh)
