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
    series A.over_time: place, time_days, hazard_ratio, ci_low, ci_high      with the test of hazards
    A.G.effective_sample_size                               with weights
    A.G.matched                                             matched pairs: how many of the arm
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
    With competing events in the protocol each survival has the note that its complement overstates.
cumulative_incidence        K is a kind of event: `event` or `competing`
    A.K.G.observed
    A.G.at_risk.day_<d>; A.G.cumulative_incidence.day_<d>, A.G.competing_incidence.day_<d> (limits)
    A.gray.K.chi_square, .degrees, .p_value
    A.cause_specific.K.V.hazard_ratio (limits), A.fine_gray.K.V.subdistribution_hazard_ratio (limits), and of each
    .coefficient, .standard_error, .p_value
    series A.incidence.G: time_days, cumulative_incidence, ci_low, ci_high, competing_incidence, competing_ci_low,
    competing_ci_high; A.causes.G: time_days, at_risk, events, competing; A.at_risk: time_days, exposed, comparator
    not_done: A.G, A.gray.K, A.cause_specific.K, A.fine_gray.K
log_rank
    A.chi_square, A.degrees, A.p_value; A.G.observed, A.G.expected
follow_up
    A.G.subjects, .events, .person_years, .rate_per_100_person_years (limits), .median_follow_up (limits)
safety                      L: any, serious, related, fatal, deficiency, serious_unknown, related_unknown; T: a code
    A.G.subjects, .person_years, .silent_subjects; A.codes
    A.K.G.reports              K: before_time_zero, after_observation, undated, almost_happened, repeated_reports,
                                  taken_back
    A.L.G.affected, .affected_percent (limits), .adverse_events, .person_years (to the first event),
    .rate_per_100_person_years (limits), .median_onset (limits, days), and with nobody .upper_limit (one-sided)
    A.term.T.G. the same
    A.deaths_both.reconciled, A.deaths_only_outcome.reconciled, A.deaths_only_events.reconciled      over both arms
    series A.terms: variable, code_system, code, title_zh, title_en; most frequent first
    `events` of a row are the subjects with the event; not_done: A.G
forest
    series A.lines: result, title_zh, title_en, n, events, hazard_ratio, ci_low, ci_high
    `result` is the id of the row drawn; the last line is overseas.hazard_ratio
tipping_point, of a criterion                                k: failures among those lost
    A.exposed.subjects, .lost, .failures_to_overturn, .failures_to_miss (None: no k does), .grid_step; A.criterion
    A.none_failed.bound, .verdict; A.all_failed.bound, .verdict
    series A.bounds: failures_among_lost, bound, verdict     every grid_step, and both sides of each turn
tipping_point, of two arms                                   difference: risk of failure, exposed minus comparator
    A.G.subjects, .failed, .followed, .lost, .grid_step
    A.S.difference (limits), .verdict                        S: observed (lost left out), none, every, worst, best
    A.combinations, A.combinations_changed                   all, and those whose verdict is not that of `observed`
    A.exposed.turns_at.not_better, .worse                    failures among its lost, none of the comparator's failing
    A.comparator.turns_at.not_worse, .better                 failures among its lost, none of the exposed's failing
    series A.map: failed_exposed, failed_comparator, difference, ci_low, ci_high, verdict
subgroups                                                    V: a level (`size.s`), `diabetes.yes`, `diabetes.no`
    A.G.subjects, .events                                    of all
    A.V.subjects, A.V.G.subjects, A.V.G.events
    A.V.hazard_ratio (limits), .standard_error               not of a level that cannot be estimated
    A.interaction.C.chi_square, .degrees, .p_value           C: the covariate
leave_one_out                                                k from 1, in the order of the hospitals' names
    A.without_<k>.site; A.without_<k>.X.hazard_ratio (limits)            X: the exposure; n and events of those left
    A.X.smallest_hazard_ratio, .largest_hazard_ratio
specification
    A.specifications, A.specifications_done, A.pointing_better, .pointing_worse, .shown_better, .shown_worse
    A.S.smallest, .median_result, .largest                   S: a scale with two results or more
    series A.specifications: result, analysis, section, scale, null, n, events, value, ci_low, ci_high, reason_zh,
    reason_en                                                `result` is "" where there is none, and then the reason
"""
