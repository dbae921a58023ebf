"""After the main job: how sure we are about its lock, who got the package, and what still waits for a vote."""

from __future__ import annotations

import json
import zipfile

import pytest
from sqlmodel import select

from deidentify.classification import labels_of
from rwd_platform.demo.journey import Journey
from rwd_platform.records.tables import BreakGlassVote, DataLockRecord, ReleaseVote, User
from rwd_platform.store.lock import open_lock


@pytest.fixture(scope="module")
def journey(sqlite_journey: Journey) -> Journey:
    return sqlite_journey


def labels_in(journey: Journey, file_name: str) -> dict:
    with zipfile.ZipFile(journey.platform.layout.packages / file_name) as archive:
        (name,) = [one for one in archive.namelist() if one.endswith("/data/05_results/labels.json")]
        document = json.loads(archive.read(name))
        assert set(document["files"]) == {one.partition("/")[2] for one in archive.namelist()}
        return document


def test_the_lock_has_a_risk_report_that_calls_nothing_anonymous(journey: Journey):
    """Every user of the product is in the cohort: rows are level 2, fit for no form of sharing, and it says so."""
    assert (journey.risk.of_kind, journey.risk.of_id) == ("lock", journey.run.lock_id)
    assert (journey.risk.level, journey.risk.verdict) == (2, "none")
    assert journey.risk.report["figures"]["records"] == 2982


def test_the_full_package_was_released_to_the_authority_by_two_officers(journey: Journey):
    """Neither of them asked for it; the papers are the demo's and say so."""
    assert (journey.release.state, journey.release.recipient_kind) == ("released", "competent_authority")
    assert journey.release.content_sha256 == journey.package.sha256
    records = journey.platform.records
    votes = records.all(select(ReleaseVote).where(ReleaseVote.release_id == journey.release.id))
    voters = {records.get(User, vote.approver_id).login for vote in votes}
    assert voters == {"privacy", "privacy-2"} and all(vote.approved for vote in votes)
    assert "demo" in journey.release.conditions["purpose"]


def test_one_break_glass_request_waits_for_its_first_vote(journey: Journey):
    """A hospital asks about one patient of its own, and nobody has said anything yet."""
    assert (journey.request.state, journey.request.organisation_id) == ("requested", "org-hospital-a")
    assert journey.platform.records.get(User, journey.request.requested_by).login == "hospital-a"
    assert not journey.platform.records.all(select(BreakGlassVote))


def test_labels_travel_with_both_packages(journey: Journey):
    """Every file has its level; what goes abroad is level 2 and tells no number of children."""
    full = labels_in(journey, journey.package.file_name)
    coarse = labels_in(journey, journey.aggregate.file_name)
    assert (full["audience"], full["level"], full["sensitive"]) == ("authority", 3, True)
    assert (coarse["audience"], coarse["level"], coarse["sensitive"]) == ("aggregate", 2, False)
    assert "lock" not in coarse


def test_labels_travel_with_the_lock(journey: Journey):
    """They are facts of the lock, and part of its id: whoever opens it knows how to handle it."""
    lock = journey.platform.records.get(DataLockRecord, journey.run.lock_id)
    opened = open_lock(journey.platform.layout.lock(lock.id))
    assert opened.facts["labels"] == labels_of(opened.tables)
    assert opened.facts["labels"]["subjects"]["count"] == 2982
    assert labels_in(journey, journey.package.file_name)["lock"] == opened.facts["labels"]
