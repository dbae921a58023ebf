"""The results: curves, follow-up, models, the test of their assumption, and how estimates agree."""

from __future__ import annotations

from rwd_platform.core.text import Bilingual
from studies.analyses.competing import censors_competing
from studies.evidence.effect_plot import effect_over_time
from studies.evidence.figures import GREY, SHORT_DAYS, TEAL, Curve, SurvivalLabels, survival
from studies.evidence.numbers import Number
from studies.evidence.report.blocks import Block, Table, Text
from studies.evidence.report.claims_part import claims
from studies.evidence.report.context import Context, inside
from studies.evidence.report.designs_part import designs
from studies.evidence.report.estimates import quantile, share
from studies.evidence.report.incidence_part import competing
from studies.evidence.report.others_part import others
from studies.evidence.report.safety_part import safety
from studies.evidence.report.summary_part import OVERSEAS, compared, hazards_of
from studies.evidence.report.withheld_part import curve_withheld, why_no_curve, without_curve
from studies.evidence.tables import Result, interval
from studies.outcome import DAYS_A_YEAR
from studies.planned import PlannedAnalysis
from studies.protocol import ARMS, EXPOSED


def results(context: Context) -> list[Block]:
    curves: list[Block] = []
    for plan in context.planned("kaplan_meier"):
        curves += _kaplan_meier(context, plan)
    for plan in context.planned("follow_up"):
        curves.append(_follow_up(context, plan))
    models: list[Block] = []
    for plan in context.planned("cox"):
        models += _cox(context, plan)
    return [
        context.heading("results.title"),
        *([context.heading("km.title", 2), *curves] if curves else []),
        *competing(context),
        *([context.heading("cox.title", 2), *models] if models else []),
        *_sensitivity(context),
        *designs(context),
        *others(context),
        *safety(context),
        *claims(context),
    ]


def _key(kind: str, plan: PlannedAnalysis) -> str:
    return f"{kind}_{plan.id.replace('.', '_')}"


def _kaplan_meier(context: Context, plan: PlannedAnalysis) -> list[Block]:
    arms = [arm for arm in ARMS if context.series(f"{plan.id}.curve.{arm}")]
    if not arms:
        return []
    key = _key("km", plan)
    untold = without_curve(context, {arm: context.series(f"{plan.id}.curve.{arm}") for arm in arms})
    curves = [_curve(context, plan, key, arm, drawn=arm not in untold) for arm in arms]
    time = "time" if max(plan.days, default=SHORT_DAYS + 1) > SHORT_DAYS else "time_days"
    axes = (context.label(f"km.{time}"), context.label("km.survival"), context.label("km.at_risk"))
    labels = SurvivalLabels(*axes, curve_withheld(context, untold))
    counts = _total(context, plan, key)
    caption = context.text("km.caption", counts, population=_population(context, plan)) if counts else Text()
    why = why_no_curve(context, untold, "km.no_curve")
    notes = [*why, *_band(context, plan, key, arms), *_log_rank(context, plan), *_beside_competing(context)]
    if context.inputs.is_aggregate:
        notes.append(context.text("km.note_aggregate"))
    figure = context.figure(
        key,
        survival(curves, (0, *(day for day in plan.days if day > 0)), labels),
        caption,
        context.text("km.alt"),
        *notes,
    )
    return [figure, _medians(context, plan, arms, why)]


def _population(context: Context, plan: PlannedAnalysis) -> Bilingual:
    """With how it was weighted, if it was."""
    of = context.population(plan)
    if plan.weights == "none":
        return of
    kind = context.label(f"weights.{plan.weights}")
    return Bilingual(f"{of.zh}，{kind.zh}", f"{of.en}, after {kind.en}")


def _band(context: Context, plan: PlannedAnalysis, key: str, arms: list[str]) -> list[Text]:
    """How the limits were made; of a weighted curve also what its weights are worth."""
    if plan.weights == "none":
        return [context.text("km.note")]
    sizes = [f"{plan.id}.{arm}.effective_sample_size" for arm in ARMS]
    notes = [context.text("km.note_weighted", kind=context.label(f"weights.{plan.weights}"))]
    if len(arms) == len(ARMS) and all(context.row(one) is not None for one in sizes):
        numbers = {
            arm: context.result(f"text:{key}.ess", one, "fixed.1")
            for arm, one in zip(ARMS, sizes, strict=True)
        }
        notes.append(context.text("baseline.ess", numbers))
    return notes


def _total(context: Context, plan: PlannedAnalysis, key: str) -> dict[str, Number] | None:
    """n and events of the whole population: those of a Cox model on it, which every plan has."""
    for cox in context.planned("cox"):
        ard_id = f"{cox.id}.{context.exposure}.hazard_ratio"
        if cox.population == plan.population and context.row(ard_id):
            return context.counts(f"text:{key}.caption", ard_id)
    return None


def _curve(context: Context, plan: PlannedAnalysis, key: str, arm: str, *, drawn: bool) -> Curve:
    series = context.series(f"{plan.id}.curve.{arm}")
    points = series.points if series and drawn else ()
    stem = f"{plan.id}.{arm}"
    days = [day for day in plan.days if day > 0]
    at_risk = (
        context.result(f"figure:{key}:{arm}:0", f"{stem}.median", "int", "n"),
        *(_at_risk(context, f"figure:{key}:{arm}:{day}", f"{stem}.at_risk.day_{day}") for day in days),
    )
    title = context.protocol.exposure.arm_title(arm)
    colour = TEAL if arm == EXPOSED else GREY
    steps = [
        (float(day), float(value), _float(low), _float(high))
        for day, value, low, high in points
        if isinstance(day, int | float) and isinstance(value, int | float)
    ]
    return Curve(title, colour, steps, at_risk)


def _at_risk(context: Context, place: str, ard_id: str) -> Number | None:
    """None where the number is withheld from a reader abroad."""
    return context.result(place, ard_id, "int") if context.row(ard_id) else None


def _float(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _log_rank(context: Context, plan: PlannedAnalysis) -> list[Text]:
    for test in context.planned("log_rank"):
        if test.population == plan.population:
            numbers = {
                name: context.result("text:km.logrank", f"{test.id}.{statistic}", form)
                for name, statistic, form in (
                    ("chi", "chi_square", "fixed.2"),
                    ("df", "degrees", "int"),
                    ("p", "p_value", "p_is"),
                )
            }
            crude = "km.logrank" if plan.weights == "none" else "km.logrank_crude"
            return [context.text(crude, numbers)]
    return []


def _beside_competing(context: Context) -> list[Text]:
    """A complement of this curve is no incidence where events compete."""
    outcome = context.protocol.outcome
    if outcome.competing is None:
        return []
    key = "censored" if censors_competing(outcome) else "composite"
    event, other = inside(outcome.competing.event_title), inside(outcome.competing.title)
    return [context.text(f"km.note_competing_{key}", event=event, competing=other)]


def _medians(context: Context, plan: PlannedAnalysis, arms: list[str], why: list[Text]) -> Table:
    titles = [context.protocol.exposure.arm_title(arm) for arm in arms]
    maker = context.maker(_key("median", plan), ("median.statistic", *titles), "l" + "r" * len(arms))
    stems = [f"{plan.id}.{arm}" for arm in arms]
    maker.add(context.label("median.subjects"), *(Result(f"{one}.median", "int", "n") for one in stems))
    maker.add(context.label("median.events"), *(Result(f"{one}.median", "int", "events") for one in stems))
    maker.add(context.label("median.median"), *(quantile(context, f"{one}.median") for one in stems))
    note = "median.note" if plan.weights == "none" else "median.note_weighted"
    for day in plan.days:
        label = _at(context, day, short=max(plan.days) <= SHORT_DAYS)
        maker.add(label, *(share(context, f"{one}.survival.day_{day}", 1.0) for one in stems))
    return maker.table(
        context.text("median.caption", population=_population(context, plan)), context.text(note), *why
    )


def _at(context: Context, day: int, *, short: bool) -> Text:
    if short:
        return context.text("median.at_day", day=Bilingual(str(day), str(day)))
    years = f"{day / DAYS_A_YEAR:.1f}".removesuffix(".0")
    return context.text("median.at", years=Bilingual(years, years))


def _follow_up(context: Context, plan: PlannedAnalysis) -> Table:
    heads = (
        "median.arm",
        "median.subjects",
        "median.events",
        "follow.person_years",
        "follow.rate",
        "follow.median",
    )
    maker = context.maker(_key("follow", plan), heads, "lrrrrr")
    for arm in ARMS:
        row = f"{plan.id}.{arm}"
        maker.add(
            context.protocol.exposure.arm_title(arm),
            Result(f"{row}.subjects", "int"),
            Result(f"{row}.events", "int"),
            Result(f"{row}.person_years", "fixed.1"),
            interval(f"{row}.rate_per_100_person_years", "fixed.2"),
            quantile(context, f"{row}.median_follow_up"),
        )
    return maker.table(
        context.text("follow.caption", population=context.population(plan)), context.text("follow.note")
    )


def _terms(context: Context, plan: PlannedAnalysis) -> list[tuple[str, Bilingual, str]]:
    """The exposure, then each covariate or its levels after the reference: column, title, form of the ratio."""
    terms = [(context.exposure, context.protocol.exposure.title, "fixed.3")]
    for name in plan.covariates:
        covariate = context.protocol.covariate(name)
        if not covariate.levels:
            # A ratio per unit of a measured number is close to 1: one decimal more.
            terms.append((name, covariate.title, "fixed.4" if covariate.type == "number" else "fixed.3"))
        for level in covariate.levels[1:]:
            first = covariate.levels[0].title
            zh = f"{covariate.title.zh}：{level.title.zh} 对 {first.zh}"
            en = f"{covariate.title.en}: {level.title.en} against {first.en}"
            terms.append((f"{name}.{level.id}", Bilingual(zh, en), "fixed.3"))
    return terms


def _cox(context: Context, plan: PlannedAnalysis) -> list[Block]:
    """A table for a model with covariates; crude and weighted models stand in the comparison. The test of hazards."""
    if plan.weights != "none":
        return []
    tested = [*_hazards(context, plan), *_over_time(context, plan)]
    return [_model(context, plan), *tested] if plan.covariates else tested


def _model(context: Context, plan: PlannedAnalysis) -> Table:
    key = _key("cox", plan)
    maker = context.maker(key, ("cox.term", "cox.hr", "cox.se", "cox.p"), "lrrr")
    for column, title, form in _terms(context, plan):
        row = f"{plan.id}.{column}"
        maker.add(
            title,
            interval(f"{row}.hazard_ratio", form),
            Result(f"{row}.standard_error", "fixed.4"),
            Result(f"{row}.p_value", "p"),
        )
    first = f"{plan.id}.{context.exposure}.hazard_ratio"
    caption = context.text("cox.caption", context.counts(f"text:{key}.caption", first), title=plan.title)
    name = Bilingual(f"{plan.id}.*", f"{plan.id}.*")
    note = context.text("cox.note", analysis=name)
    return maker.table(caption, note)


def _over_time(context: Context, plan: PlannedAnalysis) -> list[Block]:
    series = context.series(f"{plan.id}.over_time")
    if series is None:
        return []
    row = context.row(f"{plan.id}.{context.exposure}.hazard_ratio")
    exposure = context.protocol.exposure.title
    figure = context.figure(
        _key("over_time", plan),
        effect_over_time(
            [tuple(float(str(one)) for one in point) for point in series.points],  # type: ignore[misc]  # five columns
            _float(row.value) if row else None,
            (context.label("over_time.days"), context.label("over_time.years")),
            context.label("over_time.ratio"),
        ),
        context.text("over_time.caption", exposure=exposure, title=inside(plan.title)),
        context.text("over_time.alt"),
        context.text("over_time.note"),
    )
    return [figure]


def _hazards(context: Context, plan: PlannedAnalysis) -> list[Block]:
    if context.row(f"{plan.id}.ph.global.p_value") is None:
        return []
    alpha = context.protocol.diagnostics.ph_alpha
    maker = context.maker(_key("ph", plan), ("cox.term", "ph.chi", "ph.df", "cox.p"), "lrrr")
    titles = [(context.exposure, context.protocol.exposure.title)]
    titles += [(name, context.protocol.covariate(name).title) for name in plan.covariates]
    for term, title in [*titles, ("global", context.label("ph.global"))]:
        row = f"{plan.id}.ph.{term}"
        maker.add(
            title,
            Result(f"{row}.chi_square", "fixed.2"),
            Result(f"{row}.degrees", "int"),
            Result(f"{row}.p_value", context.p_form(f"{row}.p_value", alpha)),
        )
    numbers = {
        f"{name}{at}": context.result(f"text:{_key('ph', plan)}", f"{plan.id}.ph.{term}.{statistic}", form)
        for term, at in ((context.exposure, ""), ("global", "_all"))
        for name, statistic, form in (
            ("chi", "chi_square", "fixed.2"),
            ("df", "degrees", "int"),
            ("p", "p_value", context.p_form(f"{plan.id}.ph.{term}.p_value", alpha, "p_is")),
        )
    }
    found = hazards_of(context, plan) or "accepted"
    verdict = context.paragraph(f"ph.{found}", "plain" if found == "accepted" else "caution", numbers)
    return [
        context.heading("ph.title", 2),
        verdict,
        maker.table(context.text("ph.caption", title=plan.title)),
    ]


def _sensitivity(context: Context) -> list[Block]:
    rows = compared(context)
    if not rows:
        return []
    heads = ("forest.analysis", "median.subjects", "median.events", "forest.estimate", "cox.se", "cox.p")
    maker = context.maker("sensitivity", heads, "lrrrrr")
    for plan, row in rows:
        stem = row.id.removesuffix("hazard_ratio")
        counts = (Result(row.id, "int", "n"), Result(row.id, "int", "events"))
        maker.add(
            plan.title,
            *counts,
            interval(row.id, "fixed.3"),
            Result(f"{stem}standard_error", "fixed.4"),
            Result(f"{stem}p_value", "p"),
        )
    overseas = context.protocol.overseas
    heading = context.heading("sensitivity.title", 2)
    if overseas is None or not context.row(OVERSEAS):
        note = context.text("sensitivity.without_overseas_note")
        return [heading, maker.table(context.text("sensitivity.caption"), note)]
    counts = (Result(OVERSEAS, "int", "n"), Result(OVERSEAS, "int", "events"))
    maker.add(overseas.title, *counts, interval(OVERSEAS, "fixed.3"), "—", "—")
    caption = context.text("sensitivity.caption_overseas")
    return [heading, maker.table(caption, context.text("sensitivity.note", source=overseas.source))]
