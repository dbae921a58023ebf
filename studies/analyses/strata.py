"""The strata of an analysis: one label a subject, of all its stratifying covariates together."""

from __future__ import annotations

from studies.analyses.context import Subset
from studies.planned import PlannedAnalysis


def strata_of(analysis: PlannedAnalysis, subset: Subset) -> list[str] | None:
    """(n,) labels in the order of the subset, or None where the analysis has no strata."""
    if not analysis.strata:
        return None
    columns = [subset.frame[name].tolist() for name in analysis.strata]
    return [" | ".join(str(value) for value in values) for values in zip(*columns, strict=True)]
