"""What makes the results believable: protocol, sources, de-identification, quality, limits, log and signature."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rwd_platform.core.text import Bilingual
from studies.evidence.documents import DEIDENTIFIED_JSON, QUALITY_JSON, SOURCES_JSON
from studies.evidence.papers import AGREEMENTS_JSON, ETHICS_JSON
from studies.evidence.report.blocks import Block, Facts, Paragraph, Points, Table, Text, same, words
from studies.evidence.report.claims_part import unsealed
from studies.evidence.report.context import Context
from studies.evidence.report.withheld_part import of_limits
from studies.evidence.tables import NONE, Cell, Fact
from studies.reasons import in_language

_OUTCOMES = ("received", "accepted", "rejected", "quarantined", "duplicate")
_ROLES = ("entrusted", "joint", "recipient")


def protocol(context: Context) -> list[Block]:
    plan = context.protocol
    facts = (
        ("protocol.question", plan.question),
        ("protocol.why", plan.why_real_world_data),
        ("protocol.prior", plan.prior_knowledge),
        ("protocol.exposure", plan.exposure.exposed),
        ("protocol.comparator", plan.exposure.comparator_title),
        ("protocol.index", plan.cohort.index_title),
        ("protocol.outcome", plan.outcome.title),
    )
    return [
        context.heading("protocol.title"),
        context.paragraph("protocol.frozen"),
        Facts((*((context.text(key), words(value)) for key, value in facts), *unsealed(context)[1:])),
        context.heading("estimand.title", 2),
        _estimand(context),
        _target_trial(context),
    ]


def _estimand(context: Context) -> Table:
    estimand = context.protocol.estimand
    maker = context.maker("estimand", ("estimand.attribute", "estimand.definition"), "ll")
    for name in ("population", "treatment", "variable"):
        maker.add(context.label(f"estimand.{name}"), getattr(estimand, name))
    for one in estimand.intercurrent_events:
        maker.add(context.text("estimand.event", event=one.event), one.strategy)
    maker.add(context.label("estimand.summary"), estimand.summary_measure)
    return maker.table(context.text("estimand.caption"))


def _target_trial(context: Context) -> Table:
    maker = context.maker("target_trial", ("trial.element", "trial.trial", "trial.emulation"), "lll")
    for row in context.protocol.target_trial:
        maker.add(row.element, row.trial, row.emulation)
    return maker.table(context.text("trial.caption"))


def sources(context: Context, documents: Mapping[str, Any]) -> list[Block]:
    listed = documents[SOURCES_JSON]["sources"]
    hospitals = context.book.fact("text:sources.text", SOURCES_JSON, "/counts/hospitals")
    files = context.book.fact("text:sources.text", SOURCES_JSON, "/counts/files")
    aggregate = context.inputs.is_aggregate
    reconciliation = _by_source(context, listed) if aggregate else _by_file(context, listed)
    return [
        context.heading("sources.title"),
        context.paragraph("sources.text", "plain", {"hospitals": hospitals, "files": files}),
        reconciliation,
        _basis(context, listed),
        *papers(context, documents),
    ]


def _by_file(context: Context, listed: list[Mapping[str, Any]]) -> Table:
    heads = ("sources.hospital", "sources.file", *(f"sources.{name}" for name in _OUTCOMES))
    maker = context.maker("reconciliation", heads, "llrrrrr")
    for place, source in enumerate(listed):
        for file_place, file in enumerate(source["files"]):
            counts = _accounting(f"/sources/{place}/files/{file_place}")
            maker.add(_pair(source["name"]), file["name"], *counts)
    return maker.table(context.text("sources.caption"), context.text("sources.note"))


def _by_source(context: Context, listed: list[Mapping[str, Any]]) -> Table:
    heads = ("sources.hospital", *(f"sources.{name}" for name in _OUTCOMES))
    maker = context.maker("reconciliation", heads, "lrrrrr")
    for place, source in enumerate(listed):
        maker.add(_pair(source["name"]), *_accounting(f"/sources/{place}"))
    return maker.table(context.text("sources.caption_aggregate"))


def _accounting(stem: str) -> list[Fact]:
    return [Fact(SOURCES_JSON, f"{stem}/accounting/{name}") for name in _OUTCOMES]


def _basis(context: Context, listed: list[Mapping[str, Any]]) -> Table:
    heads = ("sources.hospital", *(f"basis.{name}" for name in ("agreement", "role", "consent", "ethics")))
    maker = context.maker("basis", heads, "lllll")
    for source in listed:
        role = source["platform_role"]
        shown = context.label(f"role.{role}") if role in _ROLES else role
        maker.add(
            _pair(source["name"]), source["agreement"], shown, source["consent_version"], source["ethics_id"]
        )
    return maker.table(context.text("basis.caption"))


def papers(context: Context, documents: Mapping[str, Any]) -> list[Block]:
    """What was put on record by itself, beside what the uploads state: by hospital, as of the day of the lock."""
    if ETHICS_JSON not in documents:
        return []
    ethics, agreements = documents[ETHICS_JSON], documents[AGREEMENTS_JSON]
    heads = ("sources.hospital", *(f"papers.{name}" for name in ("approval", "whose", "until", "agreements")))
    maker = context.maker("papers", heads, "lllll")
    none = context.label("papers.none")
    for one, agreed in zip(ethics["hospitals"], agreements["hospitals"], strict=True):
        whose = context.label(f"papers.{one['covered']}")  # own, recognised, none
        maker.add(
            _pair(one["name"]),
            one["approval"] or none,
            _named(whose, one["approved_by"]) if one["covered"] == "recognised" else whose,
            one["valid_until"] or NONE,
            ", ".join(agreed["numbers"]) or none,
        )
    caption = context.text("papers.caption", day=Bilingual(ethics["as_of"], ethics["as_of"]))
    return [maker.table(caption, context.text("papers.note"))]


def _named(what: Bilingual, name: Mapping[str, str]) -> Bilingual:
    return Bilingual(f"{what.zh}：{name['zh']}", f"{what.en}: {name['en']}")


def _pair(text: Mapping[str, str]) -> Bilingual:
    return Bilingual(text["zh"], text["en"])


def deidentification(context: Context, documents: Mapping[str, Any]) -> list[Block]:
    report = documents[DEIDENTIFIED_JSON]
    blocks: list[Block] = [context.heading("deid.title"), context.paragraph("deid.text")]
    policy = report.get("policy") or {}
    if policy:
        named = " · ".join(str(policy[name]) for name in ("name", "version", "sha256") if policy.get(name))
        blocks.append(Facts(((context.text("deid.policy"), same(named)),)))
    counted = not context.inputs.is_aggregate
    maker = context.maker("deidentified", ("deid.path", "deid.count")[: 1 + counted], "lr"[: 1 + counted])
    for place, one in enumerate(report["dropped"]):
        counts = [Fact(DEIDENTIFIED_JSON, f"/dropped/{place}/count")] if counted else []
        maker.add(one["path"], *counts)
    if report["dropped"]:
        blocks.append(maker.table(context.text("deid.caption")))
    return blocks


def quality(context: Context, documents: Mapping[str, Any]) -> list[Block]:
    lines = documents[QUALITY_JSON]["lines"]
    if not lines:
        return []
    if context.inputs.is_aggregate:
        return [context.heading("quality.title"), _quality_shares(context, lines)]
    names = ("rules", "passed", "failed", "not_applicable", "errors", "quarantined")
    heads = ("sources.hospital", "quality.dimension", *(f"quality.{name}" for name in names))
    maker = context.maker("quality", heads, "llrrrrrr")
    for place, line in enumerate(lines):
        counts = [Fact(QUALITY_JSON, f"/lines/{place}/{name}") for name in names]
        maker.add(_pair(line["organisation"]), _pair(line["dimension"]), *counts)
    return [
        context.heading("quality.title"),
        maker.table(context.text("quality.caption"), context.text("quality.note")),
    ]


def _quality_shares(context: Context, lines: list[Mapping[str, Any]]) -> Table:
    """A line for each hospital, a column for each dimension: hospitals are read against each other."""
    dimensions = list(dict.fromkeys(_pair(line["dimension"]) for line in lines))
    shares: dict[Bilingual, dict[Bilingual, Cell]] = {}
    for place, line in enumerate(lines):
        judged = line["passed_share"] is not None
        share = Fact(QUALITY_JSON, f"/lines/{place}/passed_share", "percent.1") if judged else NONE
        shares.setdefault(_pair(line["organisation"]), {})[_pair(line["dimension"])] = share
    maker = context.maker("quality", ("sources.hospital", *dimensions), "l" + "r" * len(dimensions))
    for hospital, found in shares.items():
        maker.add(hospital, *(found.get(one, NONE) for one in dimensions))
    return maker.table(context.text("quality.shares_caption"))


def limits(context: Context) -> list[Block]:
    blocks: list[Block] = [context.heading("limits.title")]
    if context.protocol.limits:
        blocks.append(Points((*(words(one) for one in context.protocol.limits), *of_limits(context))))
    warnings = _warnings(context)
    if warnings:
        blocks.append(Points(warnings, context.text("limits.warnings")))
    not_done = context.inputs.results.not_done
    if not not_done:
        return [*blocks, context.paragraph("limits.none_missing")]
    return [*blocks, *_without_results(context)]


def _without_results(context: Context) -> Iterator[Block]:
    """Two lists, which a reader must not take for each other: what was not done, and what was and is not told here."""
    withheld = context.inputs.withheld
    reasons = context.inputs.results.not_done.items()
    absent = tuple(_about(context, name, why) for name, why in reasons if name not in withheld)
    untold = tuple(_about(context, name, why) for name, why in reasons if name in withheld)
    if absent:
        yield Points(absent, context.text("limits.not_done"), "caution")
    if untold:
        yield Points(untold, context.text("limits.withheld"), "caution")


def _warnings(context: Context) -> tuple[Text, ...]:
    """Each warning once for each analysis, in the results' order."""
    found: dict[tuple[str, str], Text] = {}
    weighted = {plan.id for plan in context.protocol.analyses if plan.weights != "none"}
    for row in context.inputs.results.rows:
        # Tests of hazards and gates have tables of their own; imbalance before weighting is why weights are used.
        if row.id.startswith((f"{row.analysis}.ph.", f"{row.analysis}.gate.")) or (
            row.statistic == "smd_unweighted" and row.analysis in weighted
        ):
            continue
        for warning in row.warnings:
            if (row.analysis, warning) not in found:
                found[row.analysis, warning] = _about(context, row.analysis, warning)
    return tuple(found.values())


def _about(context: Context, analysis: str, text: str) -> Text:
    """Of an analysis, or of a part of one: `all.sub.size.m` is "size.m" of all.sub."""
    titles = {plan.id: plan.title for plan in context.protocol.analyses}
    of = next((id for id in titles if analysis == id or analysis.startswith(f"{id}.")), "")
    title = titles.get(of, Bilingual(analysis, analysis))
    part = analysis[len(of) + 1 :] if of else ""
    if part:
        title = Bilingual(f"{title.zh}（{part}）", f"{title.en} ({part})")
    spoken = Bilingual(in_language(text, "zh"), in_language(text, "en"))
    return context.text("limits.warning", title=title, warning=spoken)


def log_and_signature(context: Context) -> list[Block]:
    trace = "assurance.trace_aggregate" if context.inputs.is_aggregate else "assurance.trace"
    keys = ("assurance.log", "assurance.verify", "assurance.rerun", trace)
    return [context.heading("assurance.title"), *(Paragraph(context.text(key)) for key in keys)]
