"""The report's content in order: the director's summary, then everything, from protocol, results and facts alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rwd_platform.core.text import Bilingual
from studies.evidence.aggregate import cell_of
from studies.evidence.aggregate_curves import GRID_DAYS
from studies.evidence.figures import Drawing
from studies.evidence.inputs import PackageInputs
from studies.evidence.numbers import NumberBook
from studies.evidence.report import assurance, cohort_part, results_part, summary_part, verification_part
from studies.evidence.report.blocks import Report
from studies.evidence.report.context import Context, inside
from studies.evidence.report.phrases import Phrases

TEXTS = (
    "texts.yaml",
    "designs.yaml",
    "claims.yaml",
    "doubt.yaml",
    "safety.yaml",
    "incidence.yaml",
    "verification.yaml",
)


def make_report(
    inputs: PackageInputs, documents: Mapping[str, Any]
) -> tuple[Report, NumberBook, dict[str, Drawing]]:
    """The report with the register of its numbers and its figures in both languages."""
    book = NumberBook(inputs.results, documents)
    context = Context(inputs, book, Phrases.load(TEXTS, book, facts_of(inputs)))
    summary = summary_part.summary(context)
    body = (
        *assurance.protocol(context),
        *assurance.sources(context, documents),
        *assurance.deidentification(context, documents),
        *assurance.quality(context, documents),
        *verification_part.verification(context, documents),
        *cohort_part.cohort(context, documents),
        *cohort_part.baseline(context),
        *results_part.results(context),
        *assurance.limits(context),
        *assurance.log_and_signature(context),
    )
    report = Report(
        title=context.text("title"),
        subtitle=context.text("subtitle"),
        summary=summary,
        body=body,
        study=inputs.study,
        version=str(inputs.version),
        dated=inputs.dated,
    )
    return report, book, context.drawings


def facts_of(inputs: PackageInputs) -> dict[str, Bilingual]:
    """Names, dates and versions that texts mention; none of them is a result."""
    protocol = inputs.protocol
    return {
        "study_title": protocol.title,
        "study": _same(inputs.study),
        "protocol_version": _same(protocol.version),
        "version": _same(str(inputs.version)),
        "dated": _same(inputs.dated),
        "platform": inputs.platform,
        "lock": _same(inputs.results.lock_id),
        "outcome": inside(protocol.outcome.title),
        "exposure": inside(protocol.exposure.title),
        "exposed": inside(protocol.exposure.exposed),
        "comparator": inside(protocol.exposure.comparator_title),
        "source": inside(protocol.cohort.source),
        "cell": _same(str(cell_of(inputs) if inputs.is_aggregate else protocol.diagnostics.smallest_cell)),
        "grid": _same(str(GRID_DAYS)),
    }


def _same(text: str) -> Bilingual:
    return Bilingual(text, text)
