"""The fit over hospitals that keep their rows: equal to the pooled fit, and what a site refuses to answer."""

from __future__ import annotations

import json

import numpy as np
import pytest

from studies.reasons import CannotEstimate
from studies.statistics.survival.cox import fit_cox
from studies.statistics.survival.federated import (
    Agreement,
    Answer,
    Question,
    Site,
    as_message,
    fit_federated,
    read_answer,
    read_question,
)
from tests.studies.statistics.survival.cohorts import people

EXACT = 1e-10
P = people(41, 400)
HOSPITAL = np.arange(400) % 3
NAMES = ("a", "b")


def sites(agreement, **options):
    out = []
    for k in range(3):
        p = P[k == HOSPITAL]
        out.append(
            Site(f"h{k}", agreement, p.x, p.time, p.event, entry=p.entry, weights=p.weights, **options)
        )
    return out


class ByWire:
    """A site behind a door: only JSON passes. It keeps what went by."""

    def __init__(self, site):
        self.name, self._site, self.sent = site.name, site, []

    def answer(self, question: Question) -> Answer:
        text = json.dumps(
            as_message(self._site.answer(read_question(json.loads(json.dumps(as_message(question))))))
        )
        self.sent.append(json.loads(text))
        return read_answer(json.loads(text))


@pytest.mark.parametrize("ties", ["efron", "breslow"])
@pytest.mark.parametrize("robust", [False, True])
def test_the_fit_is_that_of_the_pooled_rows_stratified_by_site(ties, robust):
    """Coefficients, both covariances, likelihood, tests; with entry, weights and ties, over JSON."""
    agreement = Agreement(NAMES, ties=ties, robust=robust)
    found = fit_federated([ByWire(site) for site in sites(agreement)], agreement)
    pooled = fit_cox(
        P.x, P.time, P.event, entry=P.entry, weights=P.weights, strata=HOSPITAL, ties=ties,
        robust=None if robust else False, names=NAMES,
    )  # fmt: skip
    assert found.coef == pytest.approx(pooled.coef, rel=EXACT)
    assert found.covariance == pytest.approx(pooled.covariance, rel=EXACT)
    assert (found.loglik, found.loglik0) == pytest.approx((pooled.loglik, pooled.loglik0), rel=EXACT)
    assert found.wald is not None and pooled.wald is not None
    assert found.wald.chisq == pytest.approx(pooled.wald.chisq, rel=EXACT)
    assert found.score.chisq == pytest.approx(pooled.score.chisq, rel=EXACT)
    assert (found.n, found.events, found.iterations) == (pooled.n, pooled.events, pooled.iterations)
    assert found.hazard_ratio(1).upper == pytest.approx(pooled.hazard_ratio("b").upper, rel=EXACT)


def test_strata_and_clusters_within_sites_are_kept():
    agreement = Agreement(NAMES, robust=True)
    parts = [P[k == HOSPITAL] for k in range(3)]
    asked = [
        Site(f"h{k}", agreement, p.x, p.time, p.event, strata=p.strata, cluster=p.cluster)
        for k, p in enumerate(parts)
    ]
    found = fit_federated(asked, agreement)
    pooled = fit_cox(
        P.x, P.time, P.event, strata=P.strata * 10 + HOSPITAL, cluster=P.cluster * 10 + HOSPITAL, names=NAMES
    )
    assert found.coef == pytest.approx(pooled.coef, rel=EXACT)
    assert found.covariance == pytest.approx(pooled.covariance, rel=EXACT)


def test_what_travels_is_totals_only():
    """Each answer is the same few numbers whatever the number of people or event times."""
    agreement = Agreement(NAMES)
    wires = [ByWire(site) for site in sites(agreement)]
    fit_federated(wires, agreement)
    for message in wires[0].sent:
        assert set(message) == {"digest", "step", "site", "rows", "events", "loglik", "score", "matrix"}
        assert len(message["score"]) == 2 and np.shape(message["matrix"]) == (2, 2)
    assert len(wires[0].sent) <= agreement.maximum_answers


def question(agreement, step=0, beta=(0.0, 0.0), ask="totals"):
    return Question(agreement.digest, step, ask, beta)


def test_a_site_answers_each_step_once_and_in_order():
    agreement = Agreement(NAMES)
    site = sites(agreement)[0]
    site.answer(question(agreement))
    for wrong in (
        question(agreement, 0),
        question(agreement, 2),
        question(agreement, 1, (0.0,)),
        question(agreement, 1, ask="meat"),
        question(agreement, 1, ask="times"),
        Question("another agreement", 1, "totals", (0.0, 0.0)),
    ):
        with pytest.raises(CannotEstimate, match="site_out_of_order"):
            site.answer(wrong)
    site.answer(question(agreement, 1))


def test_a_site_answers_only_so_often_and_not_after_the_last():
    agreement = Agreement(NAMES, robust=True, maximum_answers=3)
    site = sites(agreement)[0]
    for step in range(3):
        site.answer(question(agreement, step))
    with pytest.raises(CannotEstimate, match="site_out_of_order"):
        site.answer(question(agreement, 3))
    closed = sites(agreement)[0]
    closed.answer(question(agreement, 0, ask="meat"))
    with pytest.raises(CannotEstimate, match="site_out_of_order"):
        closed.answer(question(agreement, 1))


@pytest.mark.parametrize("beta", [(30.0, 0.0), (-60.0, 5.0), (1e300, 0.0), (float("nan"), 0.0)])
def test_a_beta_that_singles_out_a_person_is_not_answered_and_counts(beta):
    """At an extreme beta the totals are those of the person with the largest risk."""
    agreement = Agreement(NAMES)
    site = sites(agreement)[0]
    with pytest.raises(CannotEstimate, match="site_singled_out"):
        site.answer(question(agreement, 0, beta))
    with pytest.raises(CannotEstimate, match="site_out_of_order"):
        site.answer(question(agreement, 0))


def test_a_site_with_few_events_does_not_take_part():
    agreement = Agreement(NAMES)
    few = np.zeros(400)
    few[:9] = 1
    with pytest.raises(CannotEstimate, match="site_too_few_events"):
        Site("h", agreement, P.x, P.time, few)
    few[9] = 1
    Site("h", agreement, P.x, P.time, few)


@pytest.mark.parametrize("column", [np.eye(400)[0] + np.eye(400)[7], np.r_[1e6, np.zeros(199), np.ones(200)]])
def test_a_covariate_of_a_few_people_is_named(column):
    """Two people with the trait, or one with an extreme value: the score would be theirs."""
    with pytest.raises(CannotEstimate, match=r"site_too_few_people.*'rare'"):
        Site("h", Agreement(("a", "rare")), np.column_stack([P.x[:, 0], column]), P.time, P.event)


def test_rows_of_one_person_count_once():
    """Forty rows of four people with the trait are four people."""
    person = np.arange(400) // 10
    trait = (person < 4).astype(float)
    with pytest.raises(CannotEstimate, match="site_too_few_people"):
        Site("h", Agreement(("trait",)), trait, P.time, P.event, cluster=person)
    Site("h", Agreement(("trait",)), trait, P.time, P.event)


def test_more_totals_than_values_are_refused():
    """Twenty people and ten covariates: 12 answers of 66 numbers are more than 20 x 12 values."""
    random = np.random.default_rng(1)
    names = tuple("abcdefghij")
    with pytest.raises(CannotEstimate, match="site_too_many_numbers"):
        Site("h", Agreement(names), random.choice([-1.0, 1.0], (20, 10)), np.arange(1, 21), np.ones(20))


def test_sites_must_have_agreed_to_the_same():
    one, two = Agreement(NAMES), Agreement(NAMES, ties="breslow")
    assert one.digest == Agreement(NAMES).digest != two.digest
    with pytest.raises(CannotEstimate, match="site_out_of_order"):
        fit_federated(sites(two), one)
    with pytest.raises(CannotEstimate, match="sites_differ"):
        fit_federated([], one)
    first = sites(one)
    with pytest.raises(CannotEstimate, match="sites_differ"):
        fit_federated([first[0], first[0]], one)


class Liar(ByWire):
    def answer(self, question: Question) -> Answer:
        true = super().answer(question)
        return Answer(**{**true.__dict__, "site": "another"})


def test_an_answer_that_is_not_the_sites_own_ends_the_fit():
    agreement = Agreement(NAMES)
    with pytest.raises(CannotEstimate, match="sites_differ"):
        fit_federated([Liar(site) for site in sites(agreement)], agreement)


@pytest.mark.parametrize("message", [{}, {"digest": "", "step": "x", "ask": "", "beta": [1]}, {"beta": 3}])
def test_a_message_that_is_none_is_refused(message):
    for read in (read_question, read_answer):
        with pytest.raises(CannotEstimate, match="not_a_number"):
            read(message)


def test_separation_at_all_sites_is_named_or_stopped_by_a_site():
    """A trait without events: the coordinator walks out until the coefficient is named or a site refuses."""
    agreement = Agreement(("trait",), maximum_answers=30)
    trait = (np.arange(400) % 5 == 0).astype(float)
    event = np.where(trait == 1, 0.0, P.event)
    asked = [
        Site(f"h{k}", agreement, trait[k == HOSPITAL], P.time[k == HOSPITAL], event[k == HOSPITAL])
        for k in range(3)
    ]
    with pytest.raises(CannotEstimate, match=r"monotone_likelihood.*'trait'|site_singled_out"):
        fit_federated(asked, agreement)
