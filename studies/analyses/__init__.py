"""One planned analysis a file. A protocol names its method; `studies.run` looks it up in METHODS.

What each gives, by id. `A` is the planned analysis, `V` the exposure, a covariate or one of its levels
(`size.over50`), `G` an arm: `exposed` or `comparator`. A median that is not reached has value None and
the warning "not reached". Warnings and reasons in `not_done` hold both languages;
`studies.reasons.in_language` takes one.

every run
    cohort.subjects.analysed, cohort.G.subjects
    attrition.step_<n>.left, .remaining                     n from 1, in the order of the series
    overseas.hazard_ratio (limits)                          from the protocol, if it has one
    series attrition: step, reason_zh, reason_en, left, remaining
cox
    A.V.hazard_ratio (limits), .coefficient, .standard_error, .p_value; A.log_likelihood
    A.ph.C.chi_square, .degrees, .p_value                   C: a whole covariate, the exposure, `global`
    A.G.effective_sample_size                               with overlap weights
balance
    A.G.subjects
    A.V.G.mean, .standard_deviation, .lower_quartile, .median, .upper_quartile       numbers
    A.V.G.subjects, .percent                                                         levels and records
    A.V.smd_unweighted
    A.V.G.weighted_mean, .weighted_standard_deviation, .weighted_percent, A.V.smd_weighted,
    A.G.effective_sample_size                                                        with overlap weights
    series A.love: variable, level, smd_unweighted, smd_weighted
overlap
    A.area_under_curve
    A.G.propensity_minimum, .propensity_median, .propensity_maximum, .weight_mean, .weight_maximum,
    .effective_sample_size
    series A.histogram: score_from, score_to, exposed, comparator
kaplan_meier
    A.G.median (limits, days); A.G.survival.day_<d> (limits); A.G.at_risk.day_<d>
    series A.curve.G: time_days, survival, ci_low, ci_high
    series A.at_risk: time_days, exposed, comparator
log_rank
    A.chi_square, A.degrees, A.p_value; A.G.observed, A.G.expected
follow_up
    A.G.subjects, .events, .person_years, .rate_per_100_person_years (limits), .median_follow_up (limits)
forest
    series A.lines: result, title_zh, title_en, n, events, hazard_ratio, ci_low, ci_high
    `result` is the id of the row drawn; the last line is overseas.hazard_ratio
"""
