# Makes economics.json: what R gives for the methods of studies.statistics.economics.
# Run: Rscript economics.R > economics.json
suppressMessages({library(survival); library(sandwich); library(boot); library(MatchIt); library(jsonlite)})
out <- list()
add <- function(id, call, values, data = NULL, package = "stats")
  out[[id]] <<- list(call = call, package = package, version = as.character(packageVersion(package)), data = data, values = values)

## means ------------------------------------------------------------------------------------------------
cost <- pbc$bili[1:60] * 1000; group <- ifelse(is.na(pbc$sex[1:60]), "f", as.character(pbc$sex[1:60]))
group <- rep(c("A", "B", "B"), length.out = 60)
add("mean_t", "t.test(cost)", { t <- t.test(cost); list(value = unname(t$estimate), se = t$stderr, lower = t$conf.int[1], upper = t$conf.int[2])}, list(cost = cost))
add("welch", "t.test(cost[B], cost[A])", { t <- t.test(cost[group == "B"], cost[group == "A"])
  list(value = unname(t$estimate[1] - t$estimate[2]), se = t$stderr, lower = t$conf.int[1], upper = t$conf.int[2], p = t$p.value)},
  list(cost = cost, group = group))
set.seed(5); b <- boot(cost, function(x, i) mean(x[i]), R = 999)
bca <- function(l) boot.ci(b, conf = l, type = "bca", L = cost - mean(cost))$bca[4:5]
perc <- boot.ci(b, conf = .95, type = "perc")$percent[4:5]
add("bca", "boot.ci(boot(cost, mean, R = 999), type = 'bca', L = cost - mean(cost)), type = 'perc'",
    list(bca95 = bca(.95), bca90 = bca(.90), percentile = perc), list(cost = cost, replicates = b$t[, 1]), "boot")
two <- function(d, w) { A <- d$group == "A"; sum(w[!A] * d$cost[!A]) / sum(w[!A]) - sum(w[A] * d$cost[A]) / sum(w[A]) }
d2 <- data.frame(cost, group); set.seed(6); b2 <- boot(d2, two, R = 999, stype = "w", strata = factor(group))
L2 <- empinf(b2, type = "inf", stype = "w")
add("bca_difference", "boot.ci(boot(stratified difference of means), type = 'bca', L = empinf(type = 'inf'))",
    list(bca = boot.ci(b2, type = "bca", L = L2)$bca[4:5], value = b2$t0), list(cost = cost, group = group, replicates = b2$t[, 1]), "boot")

## regressions ------------------------------------------------------------------------------------------
data(lalonde, package = "MatchIt"); l <- lalonde; pos <- l[l$re78 > 0, ]
ctl <- glm.control(epsilon = 1e-14, maxit = 100)
g <- glm(re78 ~ treat + age + educ + married, Gamma("log"), pos, control = ctl); sg <- summary(g)
add("gamma", "glm(re78 ~ treat + age + educ + married, Gamma('log'), lalonde, re78 > 0)", list(
  coef = unname(coef(g)), se = unname(sg$coefficients[, 2]), p = unname(sg$coefficients[, 4]), dispersion = sg$dispersion,
  deviance = deviance(g), df = g$df.residual, hc0 = unname(sqrt(diag(vcovHC(g, type = "HC0"))))), package = "stats")
g2 <- glm(bili ~ log(albumin) + age + edema, Gamma("log"), pbc, control = ctl); s2 <- summary(g2)
add("gamma_pbc", "glm(bili ~ log(albumin) + age + edema, Gamma('log'), pbc)", list(coef = unname(coef(g2)),
  se = unname(s2$coefficients[, 2]), p = unname(s2$coefficients[, 4]), dispersion = s2$dispersion, deviance = deviance(g2)))
b1 <- glm(I(re78 > 0) ~ treat + age + educ + married, binomial, l, control = ctl)
add("logistic", "glm(re78 > 0 ~ treat + age + educ + married, binomial)", list(coef = unname(coef(b1)),
  se = unname(summary(b1)$coefficients[, 2]), p = unname(summary(b1)$coefficients[, 4]), deviance = deviance(b1),
  hc0 = unname(sqrt(diag(vcovHC(b1, type = "HC0"))))))
marginal <- function(fits, data, V) {
  mu <- function(theta, a) { d <- data; d$treat <- a; m <- 1; k <- 0
    for (f in fits) { X <- model.matrix(delete.response(terms(f)), d); q <- ncol(X)
      m <- m * f$family$linkinv(drop(X %*% theta[k + 1:q])); k <- k + q }
    mean(m) }
  th <- unlist(lapply(fits, coef))
  grad <- function(h) sapply(seq_along(th), function(j) { e <- replace(0 * th, j, 1e-5 * max(abs(th[j]), 1e-2))
    (8 * (h(th + e) - h(th - e)) - (h(th + 2 * e) - h(th - 2 * e))) / (12 * sum(e)) })
  one <- function(h) c(h(th), sqrt(drop(grad(h) %*% V %*% grad(h))))
  list(exposed = one(function(t) mu(t, 1)), comparator = one(function(t) mu(t, 0)),
       difference = one(function(t) mu(t, 1) - mu(t, 0)), log_ratio = one(function(t) log(mu(t, 1) / mu(t, 0)))) }
block <- function(a, b) rbind(cbind(a, matrix(0, nrow(a), ncol(b))), cbind(matrix(0, nrow(b), ncol(a)), b))
add("gamma_marginal", "recycled predictions of the gamma model, delta method", marginal(list(g), pos, vcov(g)))
add("two_part", "recycled predictions of logistic x gamma, delta method", marginal(list(b1, g), l, block(vcov(b1), vcov(g))))
add("two_part_robust", "the same with vcovHC(type = 'HC0')",
    marginal(list(b1, g), l, block(vcovHC(b1, type = "HC0"), vcovHC(g, type = "HC0"))))

## censored costs: a second programme, with survfit for the censoring curve -----------------------------------
censored <- function(time, event, M, L) {
  n <- length(time); Tst <- pmin(time, L); done <- (event == 1 & time <= L) | time >= L
  # A death comes before a loss on the same day: move deaths (and the end) a little earlier.
  lost <- as.numeric(event == 0 & time < L); shifted <- time - 1e-7 * (event == 1)
  K <- survfit(Surv(shifted, lost) ~ 1, timefix = FALSE); left <- function(t) summary(K, times = pmax(t - 1e-7 - 1e-9, 0), extend = TRUE)$surv
  o <- order(Tst); k <- numeric(n); k[o] <- left(Tst[o])
  w <- ifelse(done, 1 / k, 0); mu <- sum(w * M) / n
  u <- sort(unique(time[lost == 1])); v <- 0
  G <- function(y, s) { i <- Tst > s; if (sum(w[i]) == 0) 0 else sum((w * y)[i]) / sum(w[i]) }
  for (s in u) v <- v + sum(lost == 1 & time == s) / left(s)^2 * (G(M^2, s) - G(M, s)^2)
  c(mu, sqrt((sum(w * (M - mu)^2) / n + v / n) / n), max(w)) }
p <- pbc[!is.na(pbc$time), ]; ev <- as.numeric(p$status == 2)
M <- p$bili * pmin(p$time, 3000) + 500
add("bang_tsiatis_pbc", "direct: weights by survfit(Surv(time, lost)), variance of Bang & Tsiatis (2000)", {
  r <- censored(p$time, ev, M, 3000); list(mean = r[1], se = r[2], weight = r[3])}, list(horizon = 3000), "survival")
v <- colon[colon$etype == 2 & colon$rx == "Lev", ]; tv <- ceiling(v$time / 90); Mv <- v$nodes; Mv[is.na(Mv)] <- 3; Mv <- Mv * pmin(tv, 24)
add("bang_tsiatis_tied", "the same on colon (arm Lev) in quarters: many ties between death and loss", {
  r <- censored(tv, v$status, Mv, 24); list(mean = r[1], se = r[2], weight = r[3])},
  list(time = tv, event = v$status, cost = Mv, horizon = 24), "survival")
edges <- c(0, 500, 1000, 2000, 3000)
inside <- sapply(1:4, function(k) p$bili * pmax(0, pmin(p$time, edges[k + 1]) - edges[k]) + (k == 1) * 500)
add("bang_tsiatis_partitioned", "sum over intervals of the direct estimate", {
  r <- sapply(1:4, function(k) censored(p$time, ev, inside[, k], edges[k + 1])[1]); list(mean = sum(r), parts = r)}, list(edges = edges), "survival")
S <- survfit(Surv(p$time, ev) ~ 1)
add("lin", "sum(summary(survfit)$surv at the edges * mean(cost of those observed past the edge))", {
  s <- c(1, summary(S, times = edges[2:4])$surv); m <- sapply(1:4, function(k) mean(inside[if (k == 1) TRUE else p$time > edges[k], k]))
  list(mean = sum(s * m), survival = s, parts = m)}, list(edges = edges), "survival")

## parametric curves up to a horizon ------------------------------------------------------------------------
area <- function(d) { f <- survreg(Surv(time, status) ~ 1, lung, dist = d); th <- c(coef(f), log(f$scale))
  if (d == "exponential") th <- coef(f)
  S <- function(t, th) 1 - psurvreg(t, th[1], if (d == "exponential") 1 else exp(th[2]), if (d == "exponential") "weibull" else d)
  A <- function(th) integrate(S, 0, 1000, th = th, rel.tol = 1e-12, subdivisions = 2000)$value
  gr <- sapply(seq_along(th), function(j) { e <- replace(0 * th, j, 1e-4); (8 * (A(th + e) - A(th - e)) - A(th + 2 * e) + A(th - 2 * e)) / 12e-4 })
  c(A(th), sqrt(drop(gr %*% vcov(f) %*% gr)), f$loglik[1], -2 * f$loglik[1] + 2 * length(th), -2 * f$loglik[1] + log(nrow(lung)) * length(th)) }
ds <- c("exponential", "weibull", "lognormal", "loglogistic")
r <- sapply(ds, area)
add("mean_to_1000_days", "survreg(Surv(time, status) ~ 1, lung); integrate(S, 0, 1000); delta method", list(
  distribution = ds, mean = unname(r[1, ]), se = unname(r[2, ]), loglik = unname(r[3, ]), aic = unname(r[4, ]), bic = unname(r[5, ])), package = "survival")
cat(toJSON(list(meta = list(R = R.version.string, date = "2026-11-22"), results = out), digits = NA, auto_unbox = TRUE, na = "null"))
