"""One variable given others: how a missing value is drawn, with the uncertainty of the model it is drawn from.

van Buuren & Groothuis-Oudshoorn (2011), J Stat Softw 45(3); van Buuren (2018), Flexible Imputation of Missing
Data, 2nd ed., algorithms 3.1 (Bayesian normal), 3.3 (predictive mean matching) and 3.4 (logistic).
"""

from __future__ import annotations

import numpy as np

from studies.reasons import TOO_MANY_TERMS, CannotEstimate, Reason
from studies.statistics import Bools, Floats, Ints

IMPUTATION_NOT_CONVERGED = Reason(
    "imputation_not_converged",
    "变量“{variable}”的填补模型未收敛。",
    "The imputation model of '{variable}' did not converge.",
)

_STEPS = 60
_CONVERGED = 1e-8


def bayesian_draw(x: Floats, y: Floats, normals: Floats, chi_square: float) -> tuple[Floats, Floats, float]:
    """Coefficients by least squares (p,), a draw of them (p,) and a draw of the residual deviation.

    x (n, p) of full rank with its intercept, y (n,); normals (p,) standard normal, chi_square a draw with
    n - p degrees of freedom: sigma*^2 = RSS/chi_square, beta* = beta + sigma* R^-1 z with X = QR
    (a non-informative prior; Rubin 1987, p. 167).
    """
    if len(y) <= x.shape[1]:
        raise CannotEstimate(TOO_MANY_TERMS)
    q, r = np.linalg.qr(x)
    beta = np.linalg.solve(r, q.T @ y)
    residual = y - x @ beta
    sigma = float(np.sqrt(residual @ residual / chi_square))
    return np.asarray(beta), np.asarray(beta + sigma * np.linalg.solve(r, normals)), sigma


def nearest_donors(observed: Floats, wanted: Floats, donors: int, places: Floats) -> Ints:
    """For each of `wanted` (k,) the `donors` positions in `observed` (n,) whose values are nearest, (k, donors).

    places (k,) in [0, 1) choose where among equal values the search begins, so that ties share the work.
    If fewer are observed than asked for, all of them.
    """
    n = len(observed)
    size = min(donors, n)
    order = np.argsort(observed, kind="stable")
    ranked = observed[order]
    low, high = np.searchsorted(ranked, wanted, "left"), np.searchsorted(ranked, wanted, "right")
    begin = low + np.floor(places * (high - low + 1)).astype(np.intp)
    window = np.clip(begin[:, None] - size, 0, max(n - 2 * size, 0)) + np.arange(min(2 * size, n))
    distance = np.abs(ranked[window] - wanted[:, None])
    # Among equal distances the middle of the window comes first: that is where `places` pointed.
    middle = np.abs(window - begin[:, None] + 0.5)
    nearest = np.lexsort((middle, distance), axis=1)[:, :size]
    return np.asarray(order[np.take_along_axis(window, nearest, axis=1)])


def draw_normal(x: Floats, y: Floats, seen: Bools, rng: np.random.Generator) -> Floats:
    """Values for the rows that are not `seen`, from the Bayesian linear model."""
    _, beta, sigma = _draw(x, y, seen, rng)
    return np.asarray(x[~seen] @ beta + sigma * rng.standard_normal(int((~seen).sum())))


def draw_pmm(x: Floats, y: Floats, seen: Bools, rng: np.random.Generator, donors: int) -> Floats:
    """Observed values of donors: the prediction of a missing row uses the drawn coefficients, that of the
    observed the estimated ones (type 1 matching); one of the `donors` nearest is taken at random.
    """
    estimated, drawn, _ = _draw(x, y, seen, rng)
    # The order of the donors must not matter where predictions are equal.
    shuffled = rng.permutation(int(seen.sum()))
    missing = int((~seen).sum())
    found = nearest_donors((x[seen] @ estimated)[shuffled], x[~seen] @ drawn, donors, rng.random(missing))
    chosen = found[np.arange(missing), rng.integers(0, found.shape[1], missing)]
    return np.asarray(y[seen][shuffled][chosen])


def draw_category(
    x: Floats, y: Floats, seen: Bools, rng: np.random.Generator, levels: int, name: str
) -> Floats:
    """Codes 0 ... levels - 1 from a (multinomial) logistic model with a draw of its coefficients.

    Perfect prediction is prevented by a few rows of small weight (White, Daniel & Royston 2010): for each
    predictor and level a row at its mean plus and minus half a standard deviation, weighing p + 1 together.
    """
    fit_x, fit_y, weights = augmented(x[seen], y[seen], levels)
    coef, information = multinomial(fit_x, fit_y, weights, levels, name)
    root = np.linalg.cholesky(information)
    noise = np.linalg.solve(root.T, rng.standard_normal(len(information)))
    drawn = coef + noise.reshape(coef.shape)
    chance = _softmax(x[~seen] @ drawn.T)
    upto = np.cumsum(chance, axis=1)
    return np.asarray((rng.random(len(chance))[:, None] > upto[:, :-1]).sum(axis=1), dtype=np.float64)


def augmented(x: Floats, y: Floats, levels: int) -> tuple[Floats, Floats, Floats]:
    """x (n, p) with its intercept first, y (n,) codes: both with the additional rows, and all weights."""
    p = x.shape[1] - 1
    if p == 0:
        rows = np.ones((levels, 1))
        return (
            np.vstack([x, rows]),
            np.append(y, np.arange(levels)),
            np.append(np.ones(len(y)), rows[:, 0] / levels),
        )
    mean, spread = x[:, 1:].mean(axis=0), x[:, 1:].std(axis=0, ddof=1)
    shift = 0.5 * np.diag(spread)
    around = np.clip(mean + np.vstack([shift, -shift]), x[:, 1:].min(axis=0), x[:, 1:].max(axis=0))
    rows = np.column_stack([np.ones(2 * p), around])
    more_x, more_y = np.tile(rows, (levels, 1)), np.repeat(np.arange(levels, dtype=float), 2 * p)
    weight = (p + 1) / len(more_y)
    return (
        np.vstack([x, more_x]),
        np.append(y, more_y),
        np.append(np.ones(len(y)), np.full(len(more_y), weight)),
    )


def multinomial(x: Floats, y: Floats, weights: Floats, levels: int, name: str) -> tuple[Floats, Floats]:
    """The multinomial logit by Newton's method: coefficients (levels - 1, p) against level 0, and the
    information ((levels - 1) p, same). x (n, p), y (n,) codes, weights (n,).
    """
    p, k = x.shape[1], levels - 1
    hit = (y[:, None] == np.arange(1, levels)) * 1.0
    coef = np.zeros((k, p))
    value = -np.inf
    for _ in range(_STEPS):
        chance, now = _chance(x, hit, weights, coef)
        score = ((hit - chance) * weights[:, None]).T @ x
        information = _information(x, chance, weights)
        try:
            step = np.linalg.solve(information, score.ravel()).reshape(k, p)
        except np.linalg.LinAlgError as singular:
            raise CannotEstimate(IMPUTATION_NOT_CONVERGED, variable=name) from singular
        if abs(now - value) <= _CONVERGED * (abs(now) + 0.1):
            return coef, information
        value = now
        for _ in range(30):
            if _chance(x, hit, weights, coef + step)[1] >= now - 1e-10 * abs(now):
                break
            step = 0.5 * step
        coef = coef + step
    raise CannotEstimate(IMPUTATION_NOT_CONVERGED, variable=name)


def _draw(x: Floats, y: Floats, seen: Bools, rng: np.random.Generator) -> tuple[Floats, Floats, float]:
    free = int(seen.sum()) - x.shape[1]
    if free <= 0:
        raise CannotEstimate(TOO_MANY_TERMS)
    normals: Floats = rng.standard_normal((x.shape[1],))
    return bayesian_draw(x[seen], y[seen], normals, float(rng.chisquare(free)))


def _chance(x: Floats, hit: Floats, weights: Floats, coef: Floats) -> tuple[Floats, float]:
    every = _softmax(x @ coef.T)
    seen = np.where(hit.any(axis=1), (hit * every[:, 1:]).sum(axis=1), every[:, 0])
    return every[:, 1:], float(weights @ np.log(np.maximum(seen, 1e-300)))


def _softmax(eta: Floats) -> Floats:
    whole = np.column_stack([np.zeros(len(eta)), eta])
    whole = np.exp(whole - whole.max(axis=1, keepdims=True))
    return np.asarray(whole / whole.sum(axis=1, keepdims=True))


def _information(x: Floats, chance: Floats, weights: Floats) -> Floats:
    k, p = chance.shape[1], x.shape[1]
    found = np.empty((k, p, k, p))
    for a in range(k):
        for b in range(a, k):
            w = weights * chance[:, a] * ((a == b) - chance[:, b])
            found[a, :, b, :] = found[b, :, a, :] = (x * w[:, None]).T @ x
    return found.reshape(k * p, k * p)
