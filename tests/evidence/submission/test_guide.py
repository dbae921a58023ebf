"""The data guide: the same blocks in both languages, saying of these very datasets what is so."""

from __future__ import annotations

import io
import re
import zipfile
from dataclasses import replace

import pytest

from rwd_platform.core.errors import PlatformError
from studies.evidence.report.blocks import Facts, Heading, Paragraph, Table
from studies.evidence.submission import datasets
from studies.evidence.submission.guide import Guide, _words, data_guide, guide_report
from studies.evidence.submission.losses import Loss
from studies.evidence.submission.xpt import LARGEST, SMALLEST
from tests.evidence.submission.made import (
    FACTS,
    device,
    devices,
    hostile,
    rotterdam,
    rotterdam_files,
    rotterdam_table,
    valve,
    valve_files,
    valve_table,
)
from tests.studies.adverse_lock import dataset_of, planned
from tests.studies.rotterdam_lock import rotterdam_protocol
from tests.studies.small import dataset, table
from tests.studies.valve import protocol as valve_protocol

HAN = re.compile(r"[\u4e00-\u9fff]")


def guide_of(name: str, facts=FACTS) -> Guide:
    if name == "rotterdam":
        return Guide(rotterdam(), rotterdam_protocol(), facts, rotterdam_files().losses)
    if name == "valve":
        return Guide(valve(), valve_protocol(), facts, valve_files().losses)
    return Guide(datasets(dataset(20), hostile()), hostile(), facts, ())


each_study = pytest.mark.parametrize("name", ["rotterdam", "valve"])


def paragraphs(guide: Guide, language: str = "en") -> str:
    blocks = guide_report(guide).blocks
    return "\n".join(one.text.plain(language) for one in blocks if isinstance(one, Paragraph | Heading))


def table_of(guide: Guide, key: str) -> Table:
    return next(one for one in guide_report(guide).tables if one.key == key)


def cells(guide: Guide, key: str, language: str = "en") -> list[list[str]]:
    return [[cell.plain(language) for cell in row] for row in table_of(guide, key).rows]


def texts(guide: Guide):
    report = guide_report(guide)
    yield from (report.title, report.subtitle)
    for block in report.blocks:
        if isinstance(block, Heading | Paragraph):
            yield block.text
        elif isinstance(block, Facts):
            yield from (cell for row in block.rows for cell in row)
        elif isinstance(block, Table):
            yield from (
                block.caption,
                *block.head,
                *(cell for row in block.rows for cell in row),
                *block.notes,
            )


def docx_text(content: bytes) -> str:
    import docx

    document = docx.Document(io.BytesIO(content))
    lines = [one.text for one in document.paragraphs]
    lines += [cell.text for one in document.tables for row in one.rows for cell in row.cells]
    return "\n".join(lines)


@pytest.mark.parametrize("key", sorted(_words()))
def test_each_sentence_of_the_guide_is_in_both_languages_with_the_same_facts(key):
    zh, en = _words()[key]["zh"], _words()[key]["en"]
    assert zh and en and not HAN.search(en)
    assert set(re.findall(r"\{(\w+)\}", zh)) == set(re.findall(r"\{(\w+)\}", en))
    for name in ("INDXQTR", "EVNTDESC", "AESITEFL", "TRT01P", "rows.p7m", "openssl", "5.4e-79", "null"):
        assert (name in zh) == (name in en)


@each_study
def test_every_block_has_words_in_both_languages(name):
    found = list(texts(guide_of(name)))
    assert len(found) > 100
    assert all(bool(one.plain("zh")) == bool(one.plain("en")) for one in found)
    for one in found:
        assert "{" not in one.plain("en").replace("{nodes}", "")


@each_study
def test_no_english_paragraph_heading_or_caption_is_chinese(name):
    guide = guide_of(name)
    assert not HAN.search(paragraphs(guide, "en"))
    for one in guide_report(guide).tables:
        assert HAN.search(one.caption.plain("zh")) and not HAN.search(one.caption.plain("en"))


@each_study
def test_every_variable_is_in_the_table_of_its_dataset_with_its_source(name):
    guide = guide_of(name)
    for data in guide.datasets:
        listed = cells(guide, f"variables_{data.name.lower()}")
        assert [row[0] for row in listed] == [one.name for one in data.variables]
        assert [row[1] for row in listed] == [one.title.en for one in data.variables]
        assert [row[3] for row in listed] == [
            ", ".join(one.source) or one.predecessor for one in data.variables
        ]
        assert all(row[4] for row in listed)  # how it was made


@each_study
def test_the_datasets_are_listed_with_their_records_and_keys(name):
    guide = guide_of(name)
    listed = [(row[0], row[3], row[4]) for row in cells(guide, "datasets")]
    assert listed == [(one.name, ", ".join(one.keys), str(len(one.frame))) for one in guide.datasets]


@each_study
def test_every_loss_is_listed_with_its_count(name):
    guide = guide_of(name)
    assert guide.losses
    listed = [(row[0], row[1], row[3]) for row in cells(guide, "losses")]
    assert listed == [(one.dataset, one.variable, str(one.count)) for one in guide.losses]


def test_where_nothing_is_lost_it_says_so():
    none = replace(guide_of("rotterdam"), losses=())
    assert "losses" not in {one.key for one in guide_report(none).tables}
    assert paragraphs(none).endswith("Tiers of row data") and "\nNothing.\n" in paragraphs(none)


def test_the_range_that_it_states_is_the_one_that_is_kept():
    said = _words()["numbers_form"]["en"]
    assert f"{SMALLEST:.1e}" == "5.4e-79" and f"{LARGEST:.1e}".replace("+", "") == "4.5e74"
    assert "5.4e-79" in said and "4.5e74" in said


def test_it_says_what_the_subject_ids_are_and_that_no_date_is_invented():
    for language, words in (
        ("zh", ("假名", "不编造日期", "保管库")),
        ("en", ("pseudonym", "invent none", "vault")),
    ):
        said = paragraphs(guide_of("rotterdam"), language)
        assert all(word in said for word in words)


def test_it_says_that_the_way_home_begins_with_the_subjects_place_in_adsl():
    """tests/…/test_subjects.py holds the numbers themselves against the trace's."""
    assert "place in ADSL, from 0" in paragraphs(guide_of("rotterdam"))
    assert "ADSL 中的次序，从 0 起" in paragraphs(guide_of("rotterdam"), "zh")


def test_of_ids_and_sites_it_does_not_promise_a_source_line():
    """The lineage has the analysis variables; who a subject is and where is the lock's own."""
    lineage = set(rotterdam_table().lineage["variable"])
    without = {source for data in rotterdam() for one in data.variables for source in one.source} - lineage
    assert without == {"subject_id", "site_id"}
    said = _words()["home"]
    assert "subject_id" in said["en"] and "site_id" in said["en"]
    assert "subject_id" in said["zh"] and "site_id" in said["zh"]


def test_only_a_study_with_events_speaks_of_them():
    assert "AESITEFL" in paragraphs(guide_of("valve")) and "AESITEFL" not in paragraphs(guide_of("rotterdam"))


def test_a_planned_safety_analysis_without_events_in_the_lock_is_not_read_as_no_events():
    protocol = planned()
    given = dataset_of(table("subject | arm | days\nP1 | new | 5"), None, protocol)
    said = paragraphs(Guide(datasets(given, protocol), protocol, FACTS, ()))
    assert "does not say that nobody had an event" in said


def test_a_study_with_devices_says_which_one_a_subjects_is():
    assert "Devices: one a subject" in paragraphs(guide_of("valve"))
    assert "Devices: one a subject" not in paragraphs(guide_of("rotterdam"))


def test_it_says_so_even_where_the_lock_left_out_the_device_identifier():
    """A coarsened lock may keep the model and not the UDI."""
    protocol = planned()
    people = table("subject | arm | days\nP1 | new | 5")
    rows = devices(device("P1", "x")).drop(columns=["udi_di", "udi_issuer"])
    made = datasets(dataset_of(people, "", protocol), protocol, rows)
    assert "DEVMODEL" in {one.name for one in made[0].variables}
    assert "Devices: one a subject" in paragraphs(Guide(made, protocol, FACTS, ()))


def test_a_short_name_is_explained_and_where_there_is_none_it_says_so():
    assert [row[1] for row in cells(guide_of("rotterdam"), "names")] == ["restricted"]
    assert "names" not in {one.key for one in guide_report(guide_of("valve")).tables}
    assert "Every name of the protocol serves as it is." in paragraphs(guide_of("valve"))


@each_study
def test_populations_and_codes_are_explained(name):
    guide = guide_of(name)
    listed = [row[1] for row in cells(guide, "populations")]
    assert listed == [one.id for one in guide.protocol.populations]
    codes = {(row[0], row[1]) for row in cells(guide, "codes")}
    wanted = {(one.codes.id, code.value) for data in guide.datasets for one in data.variables if one.codes
              for code in one.codes.spellings()}  # fmt: skip
    assert codes == wanted


def test_the_recipients_tier_and_all_five_are_named():
    guide = guide_of("rotterdam")
    facts = next(one for one in guide_report(guide).blocks if isinstance(one, Facts))
    said = {label.plain("en"): value.plain("en") for label, value in facts.rows}
    assert said["Tier of row data"].startswith("T3: Rows in the package, sealed to the recipient.")
    assert said["Package"] == "EP-test-v1" and said["Data lock"] == "lock-small"
    assert said["Protocol SHA-256"] == rotterdam_protocol().sha256
    assert [row[0] for row in cells(guide, "tiers")] == ["T0", "T1", "T2", "T3", "T4"]


def test_without_a_tier_or_a_package_it_names_none():
    guide = guide_of("rotterdam", replace(FACTS, tier="", package=""))
    facts = next(one for one in guide_report(guide).blocks if isinstance(one, Facts))
    assert not {"Tier of row data", "Package"} & {label.plain("en") for label, _ in facts.rows}


def test_a_guide_for_identifiable_data_is_refused():
    with pytest.raises(PlatformError) as error:
        guide_report(guide_of("rotterdam", replace(FACTS, tier="T4")))
    assert error.value.code == "submission.tier_never"


# --- as documents ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("name", ["rotterdam", "valve", "hostile"])
def test_the_document_can_be_opened_and_has_every_variable(name, language):
    guide = guide_of(name)
    said = docx_text(data_guide(guide, language))
    for data in guide.datasets:
        for one in data.variables:
            assert one.name in said


def test_the_chinese_document_is_chinese_and_the_english_one_english():
    guide = guide_of("rotterdam")
    zh, en = (docx_text(data_guide(guide, language)) for language in ("zh", "en"))
    assert "数据集一览" in zh and "The datasets" not in zh
    assert "The datasets" in en and "数据集一览" not in en
    outside_codes = [line for line in en.splitlines() if HAN.search(line)]
    spellings = {code.value for data in rotterdam() for one in data.variables if one.codes
                 for code in one.codes.spellings()}  # fmt: skip
    assert set(outside_codes) <= spellings  # the values as the Dataset-JSON has them


@pytest.mark.parametrize("language", ["zh", "en"])
def test_two_builds_have_the_same_bytes_and_the_packages_day(language):
    content = data_guide(guide_of("valve"), language)
    assert content == data_guide(guide_of("valve"), language)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert {one.date_time for one in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert b"2026-01-05T00:00:00Z" in archive.read("docProps/core.xml")


def test_demonstration_data_say_so_on_every_page():
    import docx

    for demo, said in ((True, "演示数据，不能用于任何决策"), (False, "递交数据集说明")):
        content = data_guide(guide_of("valve", replace(FACTS, demo=demo)), "zh")
        footer = docx.Document(io.BytesIO(content)).sections[0].footer.paragraphs[0]
        assert footer.text.split("\t")[0] == said  # the page's number follows


def test_hostile_titles_stay_text_in_the_document():
    said = docx_text(data_guide(guide_of("hostile"), "en"))
    assert '=<b>&"x"]]>' in said and "\x01" not in said


def test_a_loss_of_a_datasets_label_is_listed_without_a_variable():
    guide = replace(guide_of("rotterdam"), losses=(Loss("ADSL", "", "label", 1),))
    assert cells(guide, "losses")[0][:2] == ["ADSL", ""]


def test_the_valves_guide_describes_devices_of_its_lock():
    assert "UDIDI" in {row[0] for row in cells(guide_of("valve"), "variables_adsl")}
    assert len(valve_table().frame) == int(cells(guide_of("valve"), "datasets")[0][4])
