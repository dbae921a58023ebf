"""A lock of a state of the store that was linked carries the run's account, in counts as they may be shown."""

from __future__ import annotations

from rwd_platform.flows.linkage import run_linkage
from rwd_platform.flows.platform import Platform
from tests.flows.linking import PRIVACY
from tests.flows.test_lock_rows import filled, filled_home, locked, study_of  # noqa: F401 - fixtures


def test_a_lock_says_what_the_linkage_of_its_state_was_worth(filled: Platform) -> None:  # noqa: F811 - the fixture
    """30 patients of one hospital: nobody was linked, and the lock says so."""
    run = run_linkage(filled, PRIVACY)
    _, facts, _ = locked(filled, study_of(filled, "linked"))
    told = facts["linkage"]["run"]
    assert (
        told["account"]["persons"] == 30
        and told["comparisons"] == []
        and told["roles"] == run.report["roles"]
    )
    assert sum(told["account"]["sources"][0]["states"].values()) == 30
    assert "lake_versions" not in told
