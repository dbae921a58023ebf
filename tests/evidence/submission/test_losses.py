"""What the transport file could not hold is said, counted, and said in both languages."""

from __future__ import annotations

import re
from typing import get_args

import pytest

from rwd_platform.core.text import Bilingual
from studies.evidence.submission.adam import AdamDataset, AdamVariable, Sheet
from studies.evidence.submission.losses import Kind, Loss, described_losses
from tests.evidence.submission.made import rotterdam, rotterdam_files, valve_files

HAN = re.compile(r"[\u4e00-\u9fff]")


def dataset(title: Bilingual, *variables: AdamVariable) -> AdamDataset:
    sheet = Sheet(1)
    for one in variables:
        sheet.add(one, ["x"])
    return sheet.dataset("ADX", title, Bilingual("一", "One"), ("X", ""), ())


@pytest.mark.parametrize("kind", get_args(Kind))
def test_each_kind_of_loss_has_its_words(kind):
    what = Loss("ADSL", "AGE", kind, 1).what
    assert HAN.search(what.zh) and what.en and not HAN.search(what.en)


def test_a_label_that_does_not_fit_is_listed_and_one_that_does_is_not():
    fits = AdamVariable("A", Bilingual("甲", "x" * 40), "text", "Derived")
    longer = AdamVariable("B", Bilingual("乙", "x" * 41), "text", "Derived")
    foreign = AdamVariable("C", Bilingual("丙", "≤20 mm"), "text", "Derived")
    found = list(described_losses(dataset(Bilingual("集", "A set"), fits, longer, foreign)))
    assert found == [Loss("ADX", "B", "label", 1), Loss("ADX", "C", "label", 1)]


def test_the_datasets_own_label_is_listed_without_a_variable():
    found = list(
        described_losses(dataset(Bilingual("集", "A set of the label that is longer than forty bytes")))
    )
    assert found == [Loss("ADX", "", "label", 1)]


def test_a_shortened_name_is_listed():
    short = AdamVariable("SYST3XY", Bilingual("收缩压", "Systolic"), "text", "Derived", shortened=True)
    assert list(described_losses(dataset(Bilingual("集", "Set"), short))) == [
        Loss("ADX", "SYST3XY", "name", 1)
    ]


def test_a_labels_length_in_chinese_is_no_loss():
    long = AdamVariable("A", Bilingual("很" * 100, "Short"), "text", "Derived")
    assert list(described_losses(dataset(Bilingual("集" * 100, "Set"), long))) == []


def test_the_demonstration_loses_nothing_but_spellings_and_says_so():
    """All Chinese has an English counterpart in the protocol: nothing is replaced, cut or out of range."""
    for losses in (rotterdam_files().losses, valve_files().losses):
        assert {one.kind for one in losses} <= {"decoded", "label", "name"}
    rows = len(rotterdam()[0].frame)
    counted = {
        (one.dataset, one.variable): one.count for one in rotterdam_files().losses if one.kind == "decoded"
    }
    assert counted["ADSL", "TRT01A"] == rows and counted["ADTTE", "PARAM"] == 2 * rows
    assert counted["ADTTE", "CNSDTDSC"] == (rotterdam()[1].frame["CNSR"] == 1).sum()
