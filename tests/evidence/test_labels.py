"""A package carries the class and level of each of its files, and those of the lock it was made from."""

from __future__ import annotations

import json
from functools import partial

import pandas as pd
import pytest

from deidentify.classification import labels_of, labels_of_package, load_catalogue
from rwd_platform.core.errors import PlatformError
from studies.evidence.documents import LABELS_JSON
from studies.evidence.package import build
from studies.evidence.verify import verify_package
from tests.evidence.fixtures import package_signer, small_inputs, with_changes

LOCK = labels_of({"subject": pd.DataFrame({"subject_id": ["a", "b"], "age_years": [9, 41]})})


def test_every_file_of_the_package_is_labelled_and_no_other(package):
    """The labels stand beside the results; what is sealed after them - manifests, signature - is in them too."""
    document = json.loads((package.folder / LABELS_JSON).read_text("utf-8"))
    assert set(document["files"]) == set(package.file_names)
    assert document["catalogue"] == load_catalogue().identity()
    assert (document["audience"], document["level"], document["sensitive"]) == ("authority", 3, True)


def test_the_labels_are_part_of_what_names_the_package(package, tmp_path):
    """Other labels are another package: nobody can lower a level and keep the id."""
    lowered = with_changes(small_inputs(), labels=lambda names, audience: {"files": {}, "level": 1})
    assert build(lowered, tmp_path).package_id != package.package_id


def test_an_aggregate_package_is_labelled_without_its_lock_and_verifies(tmp_path):
    """How many subjects were children is a count of people, and a small one."""
    labels = partial(labels_of_package, lock_labels=LOCK)
    built = build(with_changes(small_inputs(), audience="aggregate", labels=labels), tmp_path)
    document = json.loads((built.folder / LABELS_JSON).read_text("utf-8"))
    assert set(document["files"]) == set(built.file_names)
    assert (document["level"], document["sensitive"], "lock" in document) == (2, False, False)
    assert verify_package(built.path, package_signer().public_key).failures == ()


def test_a_package_without_labels_has_none_and_one_with_an_unlisted_file_is_not_made(tmp_path):
    """Older inputs still build; a file that nobody has classified stops the package before anything is written."""
    bare = build(with_changes(small_inputs(), labels=None), tmp_path / "bare")
    assert LABELS_JSON not in bare.file_names
    strict = with_changes(
        small_inputs(), labels=lambda names, audience: labels_of_package([*names, "x"], audience)
    )
    with pytest.raises(PlatformError, match="unlisted"):
        build(strict, tmp_path / "strict")
    assert not (tmp_path / "strict").exists()
