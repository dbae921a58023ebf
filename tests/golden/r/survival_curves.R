# Kaplan-Meier curves, quantiles, restricted means and log-rank tests by R.
# Rscript survival_curves.R FRAMES > survival_curves.json  (FRAMES: see survival_frames.py)
suppressMessages({library(survival); library(jsonlite); library(mvtnorm)})
folder <- commandArgs(trailingOnly = TRUE)[1]
frame <- function(name) read.csv(file.path(folder, paste0(name, ".csv")))

curve <- function(name, level = NULL, conf_type = "log-log", conf_level = 0.95, conf_lower = "usual", entry = FALSE,
                  weights = NULL, cluster = NULL, robust = NULL, stype = 1, ctype = 1,
                  time = "time", reverse = FALSE) {
  d <- frame(name)
  if (!is.null(level)) d <- d[as.character(d$group) == level, ]
  d$t <- d[[time]]
  d$e <- if (reverse) 1 - d$event else d$event
  d$w <- if (is.null(weights)) 1 else d[[weights]]
  d$cl <- if (is.null(cluster)) seq_len(nrow(d)) else d[[cluster]]
  formula <- if (entry) Surv(entry, t, e) ~ 1 else Surv(t, e) ~ 1
  args <- list(formula, data = d, conf.type = conf_type, conf.int = conf_level, conf.lower = conf_lower, stype = stype, ctype = ctype)
  if (!is.null(weights)) args$weights <- d$w
  if (!is.null(cluster) || isTRUE(robust)) args$cluster <- d$cl
  if (!is.null(robust)) args$robust <- robust
  fit <- do.call(survfit, args)
  last <- max(fit$time)
  at <- if (length(fit$time) <= 25) fit$time else
    unique(c(fit$time[1] / 2, fit$time[round(seq(1, length(fit$time), length.out = 17))], last * 1.1))
  s <- summary(fit, times = at, extend = TRUE)
  probs <- c(0.05, 0.1, 0.25, 1/3, 0.5, 0.6, 0.75, 0.9)
  q <- quantile(fit, probs)
  if (!is.list(q)) q <- list(quantile = q, lower = rep(NA, length(q)), upper = rep(NA, length(q)))
  out <- list(frame = name, level = level, conf_type = conf_type, conf_level = conf_level, conf_lower = conf_lower, entry = entry,
    weights = weights, cluster = cluster, robust = robust, stype = stype, ctype = ctype, column = time,
    reverse = reverse, n = fit$n, times = s$time, surv = s$surv, std_err = s$std.err, lower = s$lower,
    upper = s$upper, cumhaz = s$cumhaz, std_chaz = s$std.chaz, n_risk = s$n.risk, n_event = s$n.event,
    n_censor = s$n.censor, probs = probs, quantile = unname(q$quantile), q_lower = unname(q$lower),
    q_upper = unname(q$upper))
  if (stype == 1) {
    # Not the very last time, where the curve may be 0.
    taus <- c(max(last * 0.4, (fit$time[1] + last) / 2), last * 0.95)
    out$taus <- taus
    out$rmean <- sapply(taus, function(u) unname(summary(fit, rmean = u)$table["rmean"]))
    if (is.null(weights) && is.null(cluster) && is.null(robust))
      out$se_rmean <- sapply(taus, function(u) unname(summary(fit, rmean = u)$table["se(rmean)"]))
    else if (!entry) {
      res <- residuals(fit, times = taus, type = "rmst", collapse = FALSE)
      by_cluster <- rowsum(as.matrix(res) * d$w, d$cl)
      out$se_rmean <- unname(sqrt(colSums(by_cluster^2)))
    }
  }
  out
}

curves <- list()
types <- c("log", "log-log", "plain", "logit", "arcsin")
for (ct in types) {
  curves <- c(curves, list(
    curve("lung", "1", ct), curve("lung", "2", ct), curve("lung", NULL, ct, weights = "weights"),
    curve("lung", NULL, ct, entry = TRUE), curve("lung", NULL, ct, cluster = "inst"),
    curve("ties", NULL, ct), curve("ties", "a", ct), curve("ties", NULL, ct, weights = "weights"),
    curve("aml", "1", ct, 0.9), curve("heart", "1", ct, entry = TRUE),
    curve("gap", NULL, ct, entry = TRUE), curve("ovarian", "1", ct, 0.99), curve("colon", "Obs", ct),
    curve("pbc", "1", ct, weights = "weights"), curve("veteran", "adeno", ct)))
}
curves <- c(curves, list(
  curve("lung", NULL, "none"), curve("lung", NULL, "log", 0.8), curve("lung", "1", time = "years"),
  curve("lung", NULL, weights = "whole"), curve("lung", NULL, weights = "whole", robust = TRUE),
  curve("lung", NULL, weights = "weights", robust = FALSE), curve("lung", NULL, robust = TRUE),
  curve("lung", NULL, weights = "weights", cluster = "inst", entry = TRUE),
  curve("lung", "2", weights = "weights", entry = TRUE),
  curve("lung", "2", reverse = TRUE), curve("colon", "Lev", reverse = TRUE), curve("veteran", reverse = TRUE),
  curve("ties", NULL, weights = "weights", cluster = "cluster"), curve("ties", NULL, cluster = "cluster", entry = TRUE),
  curve("ties", NULL, "plain", weights = "weights", cluster = "cluster", entry = TRUE),
  curve("ties", "b", entry = TRUE), curve("gap", NULL, "plain", entry = TRUE, robust = TRUE),
  curve("channing", "1", entry = TRUE), curve("channing", "2", entry = TRUE),
  curve("channing", "1", "log", entry = TRUE, robust = TRUE), curve("channing", "2", "plain", entry = TRUE, robust = TRUE),
  curve("heart", NULL, entry = TRUE, cluster = "cluster"), curve("heart", NULL, "log", entry = TRUE),
  curve("heart", NULL, "log", entry = TRUE, cluster = "cluster"),
  curve("kidney", NULL, cluster = "cluster"), curve("kidney", "1", "logit", cluster = "cluster"),
  curve("mgus2", "F"), curve("mgus2", "M", weights = "weights"), curve("bmt", "1"), curve("bmt", "2", "log"),
  curve("bmt", "3", "plain"), curve("tongue", "1"), curve("tongue", "2"), curve("larynx", "1"), curve("larynx", "4"),
  curve("gbsg", "0"), curve("gbsg", "1"), curve("cgd", NULL, entry = TRUE, cluster = "cluster")))
for (ct in types) for (cl in c("peto", "modified")) curves <- c(curves, list(curve("lung", "1", ct, conf_lower = cl),
  curve("ties", NULL, ct, conf_lower = cl), curve("heart", NULL, ct, entry = TRUE, conf_lower = cl)))
curves <- c(curves, list(curve("zero"), curve("zero", "1", "log"), curve("zero", robust = TRUE)))
for (st in 1:2) for (ct in 1:2) {
  curves <- c(curves, list(curve("lung", "1", stype = st, ctype = ct), curve("ties", NULL, stype = st, ctype = ct),
    curve("ties", NULL, "log", entry = TRUE, stype = st, ctype = ct)))
  if (!(st == 1 && ct == 2))  # R 3.5-3 takes the error of S for that of log S there
    curves <- c(curves, list(curve("ties", NULL, weights = "weights", stype = st, ctype = ct),
      curve("lung", NULL, "plain", weights = "weights", cluster = "inst", stype = st, ctype = ct)))
}

# --- log-rank ----------------------------------------------------------------------------------------
with_gamma <- function(d, rho, gamma) {
  # survdiff has no gamma: the same sums written out, event time by event time, within strata.
  g <- sort(unique(d$g)); k <- length(g); o <- e <- numeric(k); v <- matrix(0, k, k)
  for (s in unique(d$s)) {
    x <- d[d$s == s, ]; before <- 1
    for (t in sort(unique(x$t[x$e == 1]))) {
      at <- x$a < t & x$t >= t; n <- sum(at); dd <- sum(at & x$t == t & x$e == 1)
      nj <- sapply(g, function(h) sum(at & x$g == h)); dj <- sapply(g, function(h) sum(at & x$g == h & x$t == t & x$e == 1))
      w <- before^rho * (1 - before)^gamma
      o <- o + w * dj; e <- e + w * dd * nj / n
      if (n > 1) v <- v + w^2 * dd * (n - dd) / (n - 1) * (diag(nj / n) - outer(nj / n, nj / n))
      before <- before * (1 - dd / n)
    }
  }
  x2 <- drop(t((o - e)[-1]) %*% solve(v[-1, -1]) %*% (o - e)[-1])
  score <- seq_len(k) - 1
  z <- sum(score * (o - e)) / sqrt(drop(t(score) %*% v %*% score))
  list(observed = o, expected = e, variance = v, chisq = x2, df = k - 1,
       p = pchisq(x2, k - 1, lower.tail = FALSE), trend_z = z)
}
test <- function(name, rho = 0, gamma = 0, strata = NULL, entry = FALSE, group = "group") {
  d <- frame(name); d$g <- d[[group]]; d$t <- d$time; d$e <- d$event
  d$s <- if (is.null(strata)) 1 else d[[strata]]
  d$a <- if (entry) d$entry else -1
  mine <- with_gamma(d, rho, gamma)
  r <- mine
  if (gamma == 0 && !entry) {
    f <- if (is.null(strata)) survdiff(Surv(t, e) ~ g, d, rho = rho) else survdiff(Surv(t, e) ~ g + strata(s), d, rho = rho)
    obs <- if (is.matrix(f$obs)) rowSums(f$obs) else f$obs
    exp <- if (is.matrix(f$exp)) rowSums(f$exp) else f$exp
    r <- list(observed = unname(obs), expected = unname(exp), variance = unname(f$var), chisq = f$chisq,
              df = length(obs) - 1, p = f$pvalue, trend_z = mine$trend_z)
    stopifnot(abs(f$chisq / mine$chisq - 1) < 1e-9)
  } else if (entry && rho == 0 && gamma == 0) {
    # Without ties in the way the log-rank test is the score test of a Cox model: a check of the sums above.
    # (With ties the hypergeometric variance is smaller; only the score, observed - expected, is the same.)
    cox <- coxph(Surv(a, t, e) ~ factor(g) + strata(s), d, ties = "breslow", iter.max = 0)
    u <- colSums(as.matrix(residuals(cox, "score")))
    stopifnot(max(abs(u - (mine$observed - mine$expected)[-1])) < 1e-8)
  }
  c(list(frame = name, rho = rho, gamma = gamma, strata = strata, entry = entry, group = group), r)
}
tests <- list()
for (rho in c(0, 1, 0.5)) for (set in list(list("lung"), list("lung", "ecog"), list("veteran"), list("veteran", "stratum"),
    list("colon"), list("colon", "stratum"), list("ties"), list("ties", "stratum"), list("aml"), list("gbsg", "stratum"),
    list("tongue"), list("larynx"), list("bmt"), list("kidney"), list("mgus2", "decade"), list("pbc", "stratum"), list("zero")))
  tests <- c(tests, list(test(set[[1]], rho, 0, if (length(set) > 1) set[[2]])))
tests <- c(tests, list(test("ties", 0, 0, "stratum", group = "three"), test("ties", 1, 0, group = "three")))
for (w in list(c(0, 1), c(1, 1), c(0.5, 0.5), c(0, 2)))
  tests <- c(tests, list(test("lung", w[1], w[2]), test("colon", w[1], w[2], "stratum"), test("veteran", w[1], w[2])))
tests <- c(tests, list(test("lung", entry = TRUE), test("lung", strata = "ecog", entry = TRUE), test("heart", entry = TRUE),
  test("channing", entry = TRUE), test("channing", 1, 0, entry = TRUE), test("ties", entry = TRUE), test("lung", 0, 1, entry = TRUE)))

# --- MaxCombo ----------------------------------------------------------------------------------------
combo <- function(name, strata = NULL, level = NULL, group = "group") {
  d <- frame(name); d$g <- d[[group]]
  if (!is.null(level)) d <- d[d$g %in% level, ]
  d$t <- d$time; d$e <- d$event; d$a <- -1; d$s <- if (is.null(strata)) 1 else d[[strata]]
  four <- list(c(0, 0), c(1, 0), c(0, 1), c(1, 1))
  r <- lapply(four, function(w) with_gamma(d, w[1], w[2]))
  # The weight of a pair is the product of the weights: rho and gamma of half the sum.
  cov <- outer(1:4, 1:4, Vectorize(function(i, j) {
    m <- (four[[i]] + four[[j]]) / 2; with_gamma(d, m[1], m[2])$variance[2, 2] }))
  z <- sapply(r, function(x) (x$observed - x$expected)[2]) / sqrt(diag(cov))
  cor <- cov / sqrt(outer(diag(cov), diag(cov)))
  # Three of the four are enough for the law (their weights add up to that of the first), but the largest
  # of four is asked: the box of all four, by the slow and exact-enough algorithm.
  set.seed(1)
  box <- function(lo, up) as.numeric(1 - pmvnorm(lower = lo, upper = up, corr = cor,
    algorithm = GenzBretz(maxpts = 2e7, abseps = 1e-7)))
  m <- max(abs(z))
  list(frame = name, strata = strata, level = level, group = group, z = z, correlation = cor, statistic = m,
       p = box(rep(-m, 4), rep(m, 4)), p_greater = box(rep(-Inf, 4), rep(max(z), 4)),
       p_less = box(rep(-Inf, 4), rep(max(-z), 4)))
}
combos <- list(combo("lung"), combo("lung", "ecog"), combo("aml"), combo("gbsg"), combo("ovarian"),
               combo("veteran", group = "trt"), combo("colon", level = c("Obs", "Lev+5FU")), combo("tongue"), combo("ties"))

cat(toJSON(list(meta = list(R = R.version.string, survival = as.character(packageVersion("survival")),
  mvtnorm = as.character(packageVersion("mvtnorm")), script = "survival_curves.R",
  calls = list(curves = "survfit(Surv([entry,] time, event) ~ 1, weights=, cluster=, robust=, conf.type=, conf.int=, stype=, ctype=); summary(times=, extend=TRUE), quantile(), summary(rmean=), residuals(type='rmst')",
    tests = "survdiff(Surv(time, event) ~ group + strata(), rho=); gamma and entry: the sums written out",
    combos = "pmvnorm(corr=, GenzBretz(2e7, 1e-7))")),
  curves = curves, tests = tests, combos = combos), auto_unbox = TRUE, digits = I(13), na = "null", null = "null"))
