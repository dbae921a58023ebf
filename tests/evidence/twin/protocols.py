"""Protocols to make twins of, and their twins: made once, and never changed by a test."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import pandas as pd
import yaml

from studies.dataset import StudyDataset, build
from studies.evidence.twin import make_twin, twin_results
from studies.protocol import Protocol, load_protocol
from studies.results import ResultSet
from tests.studies import valve
from tests.studies.rotterdam_lock import protocol_text as rotterdam_text
from tests.studies.small import small_text

Twin = dict[str, pd.DataFrame]
Text = dict[str, Any]
NAMES = ("rotterdam", "valve", "stent")


def text_of(name: str) -> str:
    return {"rotterdam": rotterdam_text, "valve": lambda: valve.TEXT, "stent": small_text}[name]()


@cache
def protocol_of(name: str) -> Protocol:
    return load_protocol(text_of(name))


def changed(name: str, change: Callable[[Text], None]) -> Protocol:
    """The protocol with its text changed: read anew, so that a change that is not allowed is refused."""
    text = yaml.safe_load(text_of(name))
    change(text)
    return load_protocol(yaml.safe_dump(text, allow_unicode=True, sort_keys=False))


@cache
def _twin(name: str) -> Twin:
    return make_twin(protocol_of(name))


def twin_of(name: str) -> Twin:
    """A copy that a test may change."""
    return {table: frame.copy() for table, frame in _twin(name).items()}


@cache
def dataset_of(name: str) -> StudyDataset:
    return build(_twin(name), protocol_of(name))


@cache
def results_of(name: str) -> ResultSet:
    return twin_results(protocol_of(name), _twin(name))


def assert_same(one: Twin, other: Twin) -> None:
    """The same tables, columns, types, order and values, also in what is missing."""
    assert list(one) == list(other)
    for name, frame in one.items():
        pd.testing.assert_frame_equal(frame, other[name], check_exact=True)
        assert [str(kind) for kind in frame.dtypes] == [str(kind) for kind in other[name].dtypes]
        for column in frame.columns:
            assert list(map(repr, frame[column])) == list(map(repr, other[name][column])), (name, column)
