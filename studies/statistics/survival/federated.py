"""Cox's model over hospitals that keep their rows: stratified by site, only a site's totals travel.

Each site answers one question, "what are your log-likelihood, score and information at this beta?", with one
number, p numbers and a p x p matrix, summed over all its people and times. Their sums over sites are the likelihood
of the fit stratified by site, so the result is that of pooling the rows, to rounding. Sums by event time
never leave a site: the difference of two neighbours is one person's covariates.

What this protects, and what not. Totals are not anonymous by themselves. Each answer is a set of equations about the
site's people; with enough answers at chosen betas, or for chosen covariates, they can be solved, and at an
extreme beta the totals are those of the one person with the largest risk. So a site answers each iteration once and in
order, a fixed number of times, never at a beta that leaves too few people with weight, never with few
events, never for a covariate that only a few people have, and never more numbers in total than its people have
values. It cannot know of other fits with its rows: whoever runs the site has to count those.

**Even so, what a site sends is personal information until somebody has assessed that it is not** (PIPL, articles 4
and 55), and the coordinator's log must be treated so. A secure sum over sites would hide the totals of each; it is
not done here.

Source of the method: Lu et al., "WebDISCO: a web service for distributed Cox model learning" (2015), with strata in
place of shared risk sets.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Hashable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from studies.reasons import BAD_ARGUMENT, NOT_A_NUMBER, CannotEstimate, Reason
from studies.statistics import Floats
from studies.statistics.estimate import Estimate, wald
from studies.statistics.inputs import Labels, follow_up, labels, matrix
from studies.statistics.options import checked
from studies.statistics.probability import CI_LEVEL
from studies.statistics.survival.chi_squares import ChiSquare, chi_square, wald_test
from studies.statistics.survival.cox import (
    TIES,
    TOLERANCE,
    column_names,
    inverse,
    maximise,
    score_sums,
)
from studies.statistics.survival.curve_limits import check_conf
from studies.statistics.survival.partial_likelihood import PartialLikelihood, Totals
from studies.statistics.survival.risk_sets import risk_sets, tied_times

TOO_FEW_EVENTS = Reason(
    "site_too_few_events",
    "“{site}”的结局事件少于约定的下限，不能参加联合分析：汇总量可能指向个人。",
    "The site '{site}' has fewer events than agreed: its totals could point at single people.",
)
TOO_FEW_PEOPLE = Reason(
    "site_too_few_people",
    "在“{site}”，“{variable}”的信息只来自少数人，该中心拒绝回答。",
    "At the site '{site}' what is known of '{variable}' comes from too few people: it does not answer.",
)
TOO_MANY_NUMBERS = Reason(
    "site_too_many_numbers",
    "按约定的迭代次数，“{site}”要提供的汇总数超过其个体数据的个数，可能被还原，该中心拒绝参加。",
    "With the agreed number of iterations '{site}' would send more totals than its people have values, from which "
    "they could be worked out: it does not take part.",
)
SINGLED_OUT = Reason(
    "site_singled_out",
    "所问的系数会使“{site}”的汇总量几乎只来自个别人，该中心拒绝回答。",
    "The coefficients asked for would leave the totals of '{site}' to a few people: it does not answer.",
)
OUT_OF_ORDER = Reason(
    "site_out_of_order",
    "发给“{site}”的消息与约定的方案或顺序不符，或超过约定的次数，该中心拒绝回答。",
    "The message to '{site}' is not the next one of the agreed protocol, or one too many: it does not answer.",
)
SITES_DIFFER = Reason(
    "sites_differ",
    "各中心约定的方案不一致，或中心名称重复，或没有中心。",
    "The sites have not agreed to the same protocol, or two have the same name, or there is none.",
)


@dataclass(frozen=True)
class Agreement:
    """What all sites agree to before the first number travels; `digest` names it in every message.

    minimum_events -- a site with fewer does not take part. 10: below that the score of a covariate is near the
    covariate of a single person with an event, and a stratum adds little to the estimate anyway.
    minimum_people -- for each covariate, and for the weights exp(x beta), Kish's effective number of people
    (sum c)^2 / sum c^2 must reach it: c is the squared distance from the mean, which for a yes/no covariate counts
    those of the rarer answer. 5, as the usual smallest cell of a published table.
    maximum_answers -- questions answered in one fit (a Newton fit needs 4 to 8; R allows 20).
    """

    names: tuple[str, ...]
    ties: str = "efron"
    robust: bool = False
    tolerance: float = TOLERANCE
    minimum_events: int = 10
    minimum_people: float = 5.0
    maximum_answers: int = 12

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON of the agreement."""
        text = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Question:
    """From the coordinator: `step` counts from 0; `ask` is "totals", or "meat" for the robust variance at the end."""

    digest: str
    step: int
    ask: str
    beta: tuple[float, ...]


@dataclass(frozen=True)
class Answer:
    """From a site, the sums over all its rows. For "meat" `matrix` is the sum over people of u u' and the rest 0."""

    digest: str
    step: int
    site: str
    rows: int
    events: int
    loglik: float
    score: tuple[float, ...]
    matrix: tuple[tuple[float, ...], ...]


def as_message(sent: Question | Answer) -> dict[str, Any]:
    """A dict of JSON's types: what goes over the wire. Numbers keep every digit."""
    message: dict[str, Any] = json.loads(json.dumps(asdict(sent), allow_nan=False))
    return message


def read_question(message: dict[str, Any]) -> Question:
    """A `Question` from the wire. Raises `CannotEstimate(NOT_A_NUMBER)` for what is none."""
    try:
        beta = tuple(float(one) for one in message["beta"])
        return Question(str(message["digest"]), int(message["step"]), str(message["ask"]), beta)
    except (KeyError, TypeError, ValueError) as malformed:
        raise CannotEstimate(NOT_A_NUMBER, variable="question") from malformed


def read_answer(message: dict[str, Any]) -> Answer:
    """An `Answer` from the wire. Raises `CannotEstimate(NOT_A_NUMBER)` for what is none."""
    try:
        return Answer(
            str(message["digest"]),
            int(message["step"]),
            str(message["site"]),
            int(message["rows"]),
            int(message["events"]),
            float(message["loglik"]),
            tuple(float(one) for one in message["score"]),
            tuple(tuple(float(one) for one in line) for line in message["matrix"]),
        )
    except (KeyError, TypeError, ValueError) as malformed:
        raise CannotEstimate(NOT_A_NUMBER, variable="answer") from malformed


class Answers(Protocol):
    """What the coordinator needs of a site: a local `Site`, or a door to one that sends messages."""

    name: str

    def answer(self, question: Question) -> Answer: ...


class Site:
    """A hospital's rows of one fit, and the only way to ask about them. Columns as `cox.fit_cox` takes them.

    Raises `CannotEstimate`, before anything is sent: bad columns, TOO_FEW_EVENTS, TOO_FEW_PEOPLE naming the covariate,
    TOO_MANY_NUMBERS where the answers would outnumber the values of its rows.
    """

    def __init__(
        self,
        name: str,
        agreement: Agreement,
        x: npt.ArrayLike,
        time: npt.ArrayLike,
        event: npt.ArrayLike,
        *,
        entry: npt.ArrayLike | None = None,
        weights: npt.ArrayLike | None = None,
        strata: Sequence[Hashable] | npt.ArrayLike | None = None,
        cluster: Sequence[Hashable] | npt.ArrayLike | None = None,
    ) -> None:
        if agreement.ties not in TIES:
            raise CannotEstimate(BAD_ARGUMENT, argument="ties", allowed=", ".join(TIES))
        rows = follow_up(time, event, entry=entry, weights=weights)
        table = matrix(x, len(rows))
        column_names(agreement.names, table.shape[1])
        if int(rows.event.sum()) < agreement.minimum_events:
            raise CannotEstimate(TOO_FEW_EVENTS, site=name)
        groups = None if strata is None else labels(strata, "strata", len(rows))
        until, came = tied_times(rows.time, rows.entry)
        sets = risk_sets(until, rows.event, entry=came, stratum=None if groups is None else groups.codes)
        self.name = name
        self._agreement = agreement
        self._cluster: Labels | None = None if cluster is None else labels(cluster, "cluster", len(rows))
        self._person = np.arange(len(rows)) if self._cluster is None else self._cluster.codes
        self._likelihood = PartialLikelihood(table, sets, rows.weights, agreement.ties)
        self._next = 0
        self._closed = False
        self._check_people()

    def answer(self, question: Question) -> Answer:
        """The totals at the question's beta. Raises OUT_OF_ORDER for another agreement, a step that is not the next,
        one too many or after the last; SINGLED_OUT for a beta that leaves too few people with weight."""
        agreed = self._agreement
        beta = np.asarray(question.beta, dtype=float)
        fits = question.digest == agreed.digest and question.step == self._next and not self._closed
        known = question.ask == "totals" or (question.ask == "meat" and agreed.robust)
        if (
            not (fits and known and beta.shape == (len(agreed.names),))
            or self._next >= agreed.maximum_answers
        ):
            raise CannotEstimate(OUT_OF_ORDER, site=self.name)
        self._next += 1  # a refusal is an answer, too: it must not be had for nothing
        if not np.isfinite(beta).all() or self._people_with_weight(beta) < agreed.minimum_people:
            raise CannotEstimate(SINGLED_OUT, site=self.name)
        state = self._likelihood.at(beta)
        events = len(self._likelihood.sets.dead)
        if question.ask == "totals":
            loglik, score, square = state.loglik, state.score, state.information
        else:
            self._closed = True
            sums = score_sums(self._likelihood, state, self._cluster)
            loglik, score, square = 0.0, np.zeros_like(beta), sums @ sums.T
        return Answer(
            agreed.digest,
            question.step,
            self.name,
            self._likelihood.sets.rows,
            events,
            loglik,
            tuple(score.tolist()),
            tuple(tuple(line) for line in square.tolist()),
        )

    def _check_people(self) -> None:
        agreed, like = self._agreement, self._likelihood
        people = int(self._person.max()) + 1
        for name, column in zip(agreed.names, like.xt, strict=True):
            if _effective(np.bincount(self._person, weights=column**2)) < agreed.minimum_people:
                raise CannotEstimate(TOO_FEW_PEOPLE, site=self.name, variable=name)
        p = len(agreed.names)
        numbers_sent = agreed.maximum_answers * (1 + p + p * (p + 1) // 2)
        if numbers_sent > people * (p + 2):  # each person: p covariates, a time, an event
            raise CannotEstimate(TOO_MANY_NUMBERS, site=self.name)

    def _people_with_weight(self, beta: Floats) -> float:
        with np.errstate(all="ignore"):
            eta = beta @ self._likelihood.xt
            risk = np.exp(eta - eta.max())
        return _effective(np.bincount(self._person, weights=risk)) if np.isfinite(risk).all() else 0.0


@dataclass(frozen=True)
class FederatedFit:
    """The fit stratified by site. Fields as in `cox.CoxFit`; `sites` are the names, in the order asked."""

    names: tuple[str, ...]
    coef: Floats
    covariance: Floats
    naive_covariance: Floats
    robust: bool
    loglik: float
    loglik0: float
    lrt: ChiSquare
    wald: ChiSquare | None
    score: ChiSquare
    iterations: int
    n: int
    events: int
    sites: tuple[str, ...]
    method: str

    @property
    def se(self) -> Floats:
        """(p,) standard errors: of `covariance`."""
        return np.sqrt(np.diag(self.covariance))

    @checked
    def hazard_ratio(self, column: int, conf_level: float = CI_LEVEL) -> Estimate:
        """exp(coef) with Wald limits and p."""
        check_conf("log", conf_level)
        return wald(float(self.coef[column]), float(self.se[column]), conf_level, scale="log")


def fit_federated(sites: Sequence[Answers], agreement: Agreement) -> FederatedFit:
    """Newton's method over the sites' totals, on the path of `cox.fit_cox` with strata = site.

    A site's refusal ends the fit: without it the estimate would be of other people. Raises `CannotEstimate`:
    SITES_DIFFER, what a site raises, and what `cox.maximise` raises.
    """
    if not sites or len({site.name for site in sites}) != len(sites):
        raise CannotEstimate(SITES_DIFFER)
    names = agreement.names
    asked = _Coordinator(sites, agreement)
    null = asked.totals(np.zeros(len(names)))
    state, iterations = maximise(
        asked.totals, null, names, agreement.tolerance, agreement.maximum_answers - 1 - agreement.robust
    )
    naive = inverse(state.information)
    covariance = naive @ asked.meat(state.beta) @ naive if agreement.robust else naive
    kind = "robust variance; " if agreement.robust else ""
    return FederatedFit(
        names=names,
        coef=state.beta,
        covariance=covariance,
        naive_covariance=naive,
        robust=agreement.robust,
        loglik=state.loglik,
        loglik0=null.loglik,
        lrt=chi_square(2.0 * (state.loglik - null.loglik), len(names)),
        wald=wald_test(covariance, state.beta),
        score=chi_square(float(null.score @ inverse(null.information) @ null.score), len(names)),
        iterations=iterations,
        n=asked.rows,
        events=asked.events,
        sites=tuple(site.name for site in sites),
        method=f"Cox proportional hazards model stratified by site ({len(sites)} sites), {agreement.ties.capitalize()}"
        f" ties; {kind}fitted from the sites' totals without their rows",
    )


class _Coordinator:
    """Puts one question to every site, checks the answers, and adds them up."""

    def __init__(self, sites: Sequence[Answers], agreement: Agreement) -> None:
        self._sites = sites
        self._agreement = agreement
        self._step = 0
        self.rows = self.events = 0

    def totals(self, beta: Floats) -> Totals:
        answers = self._ask("totals", beta)
        self.rows, self.events = sum(one.rows for one in answers), sum(one.events for one in answers)
        loglik = sum(one.loglik for one in answers)
        score = np.sum([one.score for one in answers], axis=0)
        return Totals(beta, loglik, score, np.sum([one.matrix for one in answers], axis=0))

    def meat(self, beta: Floats) -> Floats:
        return np.asarray(np.sum([one.matrix for one in self._ask("meat", beta)], axis=0))

    def _ask(self, what: str, beta: Floats) -> list[Answer]:
        p = len(self._agreement.names)
        question = Question(self._agreement.digest, self._step, what, tuple(beta.tolist()))
        self._step += 1
        answers = [site.answer(question) for site in self._sites]
        for site, one in zip(self._sites, answers, strict=True):
            right = (one.digest, one.step, one.site) == (question.digest, question.step, site.name)
            if not right or np.shape(one.score) != (p,) or np.shape(one.matrix) != (p, p):
                raise CannotEstimate(SITES_DIFFER)
        return answers


def _effective(contributions: npt.NDArray[Any]) -> float:
    """Kish's effective number: (sum c)^2 / sum c^2, 0 where nothing contributes."""
    squares = float((contributions**2).sum())
    return float(contributions.sum()) ** 2 / squares if squares > 0 else 0.0
