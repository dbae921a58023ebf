"""lifelines is right for point estimates and wrong, measured against R, in several of its inferences."""

from __future__ import annotations

from pathlib import Path

import pytest

STUDIES = Path(__file__).parents[2] / "studies"


@pytest.mark.parametrize(
    "name",
    [
        "robust=True",  # ties only approximately; wrong with delayed entry
        "compute_residuals",  # score residuals do not sum to the score
        "proportional_hazard_test",  # an old approximation, chi-square off by up to 79 %
        "check_assumptions",
        "AalenJohansenFitter",  # jitters ties at random
        "restricted_mean_survival_time",  # its variance is that of the time, not of the estimate
        "confidence_interval_",  # too narrow for weighted curves
    ],
)
def test_parts_of_lifelines_that_are_wrong_are_not_used(name):
    """Every error, limit and test that is reported comes from studies/statistics, golden-tested against R."""
    texts = {path.name: path.read_text("utf-8") for path in sorted(STUDIES.rglob("*.py"))}
    assert [file for file, text in texts.items() if "lifelines" in text and name in text] == []


def test_lifelines_has_one_home():
    """Only the modules that fit with it import it, and inside the function that needs it."""
    importers = {}
    for path in sorted(STUDIES.rglob("*.py")):
        lines = path.read_text("utf-8").splitlines()
        found = [line for line in lines if line.strip().startswith(("import lifelines", "from lifelines"))]
        if found:
            importers[path.relative_to(STUDIES).as_posix()] = all(line.startswith("    ") for line in found)
    assert importers == {"statistics/survival/lifelines_front.py": True}
