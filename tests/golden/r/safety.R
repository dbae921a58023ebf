# Makes safety.json: what R gives for the methods of studies.statistics.safety. Run: Rscript safety.R > safety.json
suppressMessages({library(survival); library(sandwich); library(epitools); library(jsonlite)})
out <- list()
add <- function(id, call, values, data = NULL, package = "stats")
  out[[id]] <<- list(call = call, package = package, version = as.character(packageVersion(package)),
                     data = data, values = values)

## rates --------------------------------------------------------------------------------------------
add("rate_exact", "poisson.test(15, 1200)", {
  p <- poisson.test(15, 1200); list(rate = unname(p$estimate), lower = p$conf.int[1], upper = p$conf.int[2])})
grid <- expand.grid(x = c(0, 1, 2, 5, 37, 240), T = c(12.5, 850), level = c(.8, .95, .99))
add("rate_grid", "poisson.test(x, T, conf.level = level)", {
  r <- t(mapply(function(x, T, l) poisson.test(x, T, conf.level = l)$conf.int, grid$x, grid$T, grid$level))
  list(lower = r[, 1], upper = r[, 2])}, as.list(grid))
one <- subset(grid, x >= 0 & T == 850 & level > .9)
add("rate_upper_one_sided", "poisson.test(x, T, alternative = 'less', conf.level = level)$conf.int[2]",
    list(upper = mapply(function(x, T, l) poisson.test(x, T, alternative = "less", conf.level = l)$conf.int[2],
                        one$x, one$T, one$level)), as.list(one))
add("event_rate_robust", "glm(recur ~ 1 + offset(log(futime)), poisson, bladder1 by id); vcovHC(HC0)", {
  b <- aggregate(cbind(event = as.numeric(status == 1)) ~ id, bladder1, sum)
  b$time <- aggregate(stop ~ id, bladder1, max)$stop; b <- b[b$time > 0, ]
  f <- glm(event ~ 1 + offset(log(time)), poisson, b); s <- sqrt(vcovHC(f, type = "HC0")[1, 1])
  dat <- list(events = b$event, time = b$time)
  list(data = dat, rate = unname(exp(coef(f))), lower = unname(exp(coef(f) - qnorm(.975) * s)),
       upper = unname(exp(coef(f) + qnorm(.975) * s)))}, package = "sandwich")
pairs <- data.frame(x1 = c(9, 0, 14, 0), t1 = c(120, 80, 300.5, 10), x0 = c(3, 4, 14, 0), t0 = c(150, 95, 280, 20))
add("rate_difference_mover", "poisson.test limits combined (Zou & Donner 2008)", {
  r <- apply(pairs, 1, function(v) { a <- poisson.test(v[1], v[2])$conf.int; b <- poisson.test(v[3], v[4])$conf.int
    p1 <- v[1] / v[2]; p0 <- v[3] / v[4]; d <- p1 - p0
    c(d, d - sqrt((p1 - a[1])^2 + (b[2] - p0)^2), d + sqrt((a[2] - p1)^2 + (p0 - b[1])^2)) })
  list(value = r[1, ], lower = r[2, ], upper = r[3, ])}, as.list(pairs))
prop <- data.frame(x1 = c(9, 0, 56, 5), n1 = c(30, 12, 70, 5), x0 = c(3, 4, 48, 2), n0 = c(28, 15, 80, 6))
add("newcombe", "prop.test(correct = FALSE) limits combined (Newcombe 1998, method 10)", {
  r <- suppressWarnings(apply(prop, 1, function(v) { a <- prop.test(v[1], v[2], correct = FALSE)$conf.int
    b <- prop.test(v[3], v[4], correct = FALSE)$conf.int
    p1 <- v[1] / v[2]; p0 <- v[3] / v[4]; d <- p1 - p0
    c(d, d - sqrt((p1 - a[1])^2 + (b[2] - p0)^2), d + sqrt((a[2] - p1)^2 + (p0 - b[1])^2)) }))
  list(value = r[1, ], lower = r[2, ], upper = r[3, ])}, as.list(prop))
add("clopper_pearson", "binom.test(x, n)$conf.int",
    { r <- mapply(function(x, n) binom.test(x, n)$conf.int, prop$x1, prop$n1); list(lower = r[1, ], upper = r[2, ])},
    list(x = prop$x1, n = prop$n1))

## time to onset -------------------------------------------------------------------------------------
wb <- function(d, call) {
  f <- survreg(Surv(d) ~ 1, dist = "weibull"); ls <- log(f$scale); se <- sqrt(diag(vcov(f)))
  list(shape = 1 / f$scale, shape_lower = exp(-ls - qnorm(.975) * se[2]), shape_upper = exp(-ls + qnorm(.975) * se[2]),
       scale = unname(exp(coef(f))), se_log_scale = unname(se[1]), se_log_shape = unname(se[2]), loglik = f$loglik[1])}
add("weibull_veteran", "survreg(Surv(time[status==1]) ~ 1, dist='weibull')", wb(veteran$time[veteran$status == 1]),
    list(days = veteran$time[veteran$status == 1]), "survival")
add("weibull_lung", "survreg(Surv(time[status==2]) ~ 1, dist='weibull')", wb(lung$time[lung$status == 2]),
    list(days = lung$time[lung$status == 2]), "survival")
tt <- veteran$time[veteran$status == 1]; keep <- tt <= 200; tt <- tt[keep]; tr <- pmax(tt, 150 + (seq_along(tt) %% 7) * 40)
ll <- function(p) -sum(dweibull(tt, exp(p[2]), exp(p[1]), log = TRUE) - pweibull(tr, exp(p[2]), exp(p[1]), log.p = TRUE))
o <- nlm(ll, c(log(100), 0), gradtol = 1e-10, steptol = 1e-12); o <- nlm(ll, o$estimate, gradtol = 1e-10, steptol = 1e-12)
V <- solve(optimHess(o$estimate, ll, control = list(ndeps = c(1e-4, 1e-4))))
add("weibull_truncated", "nlm of -sum(dweibull(log) - pweibull(truncation, log.p))",
    list(shape = exp(o$estimate[2]), scale = exp(o$estimate[1]), se_log_scale = sqrt(V[1, 1]),
         se_log_shape = sqrt(V[2, 2]), loglik = -o$minimum), list(days = tt, truncation = tr))
add("quantiles", "quantile(x, type = 7); order statistics at qbinom(c(.025,.975), n, p) (+1 above)", {
  x <- sort(lung$time); n <- length(x); p <- c(.25, .5, .75)
  list(value = unname(quantile(x, p)), lower = x[qbinom(.025, n, p)], upper = x[qbinom(.975, n, p) + 1])},
  list(values = lung$time))

## funnel ---------------------------------------------------------------------------------------------
ex <- c(.4, 1.7, 3, 8.25, 40)
add("funnel", "qpois/ppois interpolated (Spiegelhalter 2005)", {
  one <- function(p) { r <- qpois(p, ex); a <- (ppois(r, ex) - p) / (ppois(r, ex) - ppois(r - 1, ex)); pmax(0, r - a) }
  list(p025 = one(.025), p975 = one(.975), p001 = one(.001), p999 = one(.999))}, list(expected = ex))

## disproportionality ---------------------------------------------------------------------------------
cells <- data.frame(a = c(25, 3, 81, 7), b = c(475, 40, 3000, 7000), c = c(400, 12, 650, 30), d = c(96000, 9000, 71000, 26000))
prr <- apply(cells, 1, function(v) { m <- matrix(v[c(4, 2, 3, 1)], 2)
  r <- suppressWarnings(riskratio.wald(m)$measure[2, ]); q <- suppressWarnings(oddsratio.wald(m)$measure[2, ])
  k <- suppressWarnings(chisq.test(m, correct = TRUE)); k0 <- suppressWarnings(chisq.test(m, correct = FALSE))
  c(r, q, k$statistic, k$p.value, k0$statistic)})
add("disproportionality", "riskratio.wald, oddsratio.wald, chisq.test(correct = TRUE / FALSE)",
    list(prr = prr[1, ], prr_lower = prr[2, ], prr_upper = prr[3, ], ror = prr[4, ], ror_lower = prr[5, ],
         ror_upper = prr[6, ], chisq_yates = prr[7, ], p_yates = prr[8, ], chisq = prr[9, ]), as.list(cells), "epitools")
O <- c(0, 1, 4, 17, 120); E <- c(2.2, .3, 1.9, 20.4, 60)
add("ic_gamma", "log2(qgamma(c(.025,.975), O + .5, E + .5))",
    list(ic = log2((O + .5) / (E + .5)), lower = log2(qgamma(.025, O + .5, E + .5)), upper = log2(qgamma(.975, O + .5, E + .5))),
    list(observed = O, expected = E))
tab <- occupationalStatus; N <- as.vector(tab); EE <- as.vector(outer(rowSums(tab), colSums(tab)) / sum(tab))
nb <- function(p) { a <- exp(p[c(1, 3)]); b <- exp(p[c(2, 4)]); w <- plogis(p[5])
  -sum(log(w * dnbinom(N, a[1], b[1] / (b[1] + EE)) + (1 - w) * dnbinom(N, a[2], b[2] / (b[2] + EE)))) }
fits <- lapply(list(c(.2, .1, 2, 4, 1/3), c(2, .5, 3, 3, .1), c(.5, .3, 12, 12, .8)), function(s) {
  f <- optim(c(log(s[1:4]), qlogis(s[5])), nb, control = list(maxit = 5000))
  for (k in 1:6) f <- nlm(nb, if (is.null(f$par)) f$estimate else f$par, gradtol = 1e-11, steptol = 1e-13, iterlim = 2000); f })
f <- fits[[which.min(sapply(fits, `[[`, "minimum"))]]
th <- c(exp(f$estimate[1:4]), plogis(f$estimate[5])); if (th[1] / th[2] > th[3] / th[4]) th <- c(th[3:4], th[1:2], 1 - th[5])
w1 <- th[5] * dnbinom(N, th[1], th[2] / (th[2] + EE)); w2 <- (1 - th[5]) * dnbinom(N, th[3], th[4] / (th[4] + EE)); Q <- w1 / (w1 + w2)
cdf <- function(x, i) Q[i] * pgamma(x, th[1] + N[i], th[2] + EE[i]) + (1 - Q[i]) * pgamma(x, th[3] + N[i], th[4] + EE[i])
qq <- function(p) sapply(seq_along(N), function(i) uniroot(function(x) cdf(x, i) - p, c(1e-12, 1e3), tol = 1e-14)$root)
add("gamma_poisson", "nlm of the mixture of dnbinom; uniroot of the mixture of pgamma", list(theta = th, loglik = -f$minimum,
    ebgm = exp(Q * (digamma(th[1] + N) - log(th[2] + EE)) + (1 - Q) * (digamma(th[3] + N) - log(th[4] + EE))),
    eb05 = qq(.05), eb95 = qq(.95)), list(observed = N, expected = EE))

## self-controlled case series: brute force, one row a day ---------------------------------------------
series <- function(seed, m, two_events) {
  set.seed(seed); start <- sample(1:60, m, TRUE); end <- start + sample(150:364, m, TRUE)
  exposure <- ifelse(runif(m) < .8, pmin(end, start + sample(-10:200, m, TRUE)), NA)
  second <- ifelse(!is.na(exposure) & runif(m) < .4, exposure + sample(10:90, m, TRUE), NA)
  rows <- do.call(rbind, lapply(seq_len(m), function(i) {
    day <- start[i]:end[i]; level <- rep(0L, length(day))
    for (e in na.omit(c(exposure[i], second[i]))) level[day >= e - 14 & day < e] <- 3L
    for (e in na.omit(c(exposure[i], second[i]))) {
      level[day >= e & day <= e + 13] <- 1L; level[day >= e + 14 & day <= e + 41] <- 2L }
    age <- findInterval(day, c(120, 200, 280))
    lam <- exp(c(0, 1.2, .5, -.3)[level + 1] + c(0, .3, -.2, .4)[age + 1])
    n <- if (two_events) 1 + (i %% 3 == 0) else 1
    y <- tabulate(sample(length(day), n, prob = lam), length(day))
    data.frame(case = i, day, level, age, y) }))
  list(rows = rows, start = start, end = end, exposure = exposure, second = second) }
report <- function(s) { d <- s$rows; d$x1 <- d$level == 1; d$x2 <- d$level == 2; d$pre <- d$level == 3
  a <- aggregate(cbind(y, n = 1) ~ case + level + age, d, sum)
  f <- glm(y ~ I(level == 1) + I(level == 2) + I(level == 3) + factor(age) + factor(case) + offset(log(n)), poisson, a,
           control = glm.control(epsilon = 1e-14, maxit = 100))
  k <- 2:7; ev <- d[d$y > 0, ]
  list(coef = unname(coef(f)[k]), se = unname(sqrt(diag(vcov(f)))[k]),
       events = c(sum(d$y[d$x1]), sum(d$y[d$x2]), sum(d$y[d$pre])), days = c(sum(d$x1), sum(d$x2), sum(d$pre)), fit = f, d = d, a = a) }
shape <- function(s) { ev <- s$rows[s$rows$y > 0, ]; list(start = s$start, end = s$end, exposure = s$exposure, second = s$second,
    event_case = rep(ev$case - 1, ev$y), event_day = rep(ev$day, ev$y)) }
s1 <- series(11, 140, FALSE); r1 <- report(s1)
cl <- clogit(y ~ x1 + x2 + pre + factor(age) + strata(case), r1$d)
rb <- coxph(Surv(rep(1, nrow(d)), y) ~ x1 + x2 + pre + factor(age) + strata(case) + cluster(case), d <- r1$d, ties = "breslow")
pr <- suppressMessages(confint(r1$fit, parm = 2:4))
add("sccs_one_event", "glm(y ~ window + age + factor(case) + offset(log(days)), poisson); clogit on one row a day", list(
  coef = r1$coef, se = r1$se, clogit_coef = unname(coef(cl)), clogit_se = unname(sqrt(diag(vcov(cl)))), loglik = cl$loglik[2],
  robust_se = unname(sqrt(diag(vcov(rb)))), events = r1$events, days = r1$days), shape(s1), "survival")
s2 <- series(12, 90, TRUE); r2 <- report(s2)
add("sccs_repeated_events", "glm(y ~ window + age + factor(case) + offset(log(days)), poisson)", list(
  coef = r2$coef, se = r2$se, events = r2$events, days = r2$days), shape(s2))
gp <- function(fixed) { a <- r1$a; a$o <- log(a$n) + fixed * (a$level == 1)
  -deviance(glm(y ~ I(level == 2) + I(level == 3) + factor(age) + factor(case) + offset(o), poisson, a,
                control = glm.control(epsilon = 1e-14, maxit = 200))) / 2 }
top <- gp(r1$coef[1]); cut <- top - qnorm(.975)^2 / 2
add("sccs_profile", "glm with an offset for the first window; uniroot of its deviance", list(
  lower = exp(uniroot(function(b) gp(b) - cut, c(r1$coef[1] - 3, r1$coef[1]), tol = 1e-12)$root),
  upper = exp(uniroot(function(b) gp(b) - cut, c(r1$coef[1], r1$coef[1] + 3), tol = 1e-12)$root)), shape(s1))
none <- s1; drop <- unique(none$rows$case[none$rows$level == 1 & none$rows$y > 0])
none$rows$y[none$rows$case %in% drop] <- 0
for (i in drop) { j <- which(none$rows$case == i & none$rows$level == 0)[20]; none$rows$y[j] <- 1 }
a0 <- aggregate(cbind(y, n = 1) ~ case + level + age, none$rows, sum)
g0 <- function(fixed) { a <- a0; a$o <- log(a$n) + fixed * (a$level == 1)
  -deviance(glm(y ~ I(level == 2) + I(level == 3) + factor(age) + factor(case) + offset(o), poisson, a,
                control = glm.control(epsilon = 1e-14, maxit = 200))) / 2 }
top0 <- -deviance(glm(y ~ I(level == 2) + I(level == 3) + factor(age) + factor(case) + offset(log(n)), poisson,
  a0[a0$level != 1, ], control = glm.control(epsilon = 1e-14, maxit = 200))) / 2
add("sccs_upper_bound", "the same with no event in the first window; one-sided 95 %: z^2/2 below the limit",
    list(upper = exp(uniroot(function(b) g0(b) - (top0 - qnorm(.95)^2 / 2), c(-4, 3), tol = 1e-12)$root)), shape(none))

## published or computed with a package that is not in Debian --------------------------------------------
published <- function(id, call, values) out[[id]] <<- list(call = call, package = "Sequential", version = "4.5.1", data = NULL, values = values)
published("maxsprt_poisson_cv", "CV.Poisson(SampleSize, D, M, alpha)", list(
  limit = c(1, 10, 10, 30, 10, 3), first_look = c(0, 0, 1, 0, 0, 1), minimum_events = c(1, 1, 4, 1, 3, 1),
  alpha = c(.05, .05, .05, .01, .05, .05),
  cv = c(2.85393714905, 3.46795158033, 2.79933333397, 5.50256252289, 3.06424796686, 2.317139)))
published("maxsprt_poisson_performance", "Performance.Poisson(SampleSize, D, M, cv, RR)", list(
  limit = c(10, 20, 20), first_look = c(0, 1, 0), minimum_events = c(1, 4, 4), cv = c(3.467952, 3, 3), relative_risk = c(2, 1.5, 1.5),
  power = c(.685063295649, .533966538743, .537881214122), time = c(4.13098576505, 8.7672313483, 8.53993763429),
  length = c(5.97935376599, 14.0020774026, 13.8358477408)))
published("maxsprt_group_performance", "Performance.Poisson(10, cv = 2.02, GroupSizes = rep(2, 5), RR = 2)", list(
  power = .815545204004, time = 5.22243755141, length = 6.10368185822))
published("maxsprt_binomial_cv", "CV.Binomial(N, alpha, M, z)", list(limit = c(50, 40, 60), alpha = c(.05, .05, .01),
  minimum_cases = c(1, 3, 1), matching_ratio = c(1, 2, 3), alpha_reached = c(.0388046005316, .0401767631215, .00996479113968)))
published("maxsprt_binomial_performance", "Performance.Binomial(N = 50, M = 1, cv = 3, z = 1, RR = 2)", list(
  power = .650269816526, time = 22.5004339889, length = 32.1178622554))
cat(toJSON(list(meta = list(R = R.version.string, date = "2026-11-22"), results = out), digits = NA, auto_unbox = TRUE, na = "null", null = "null"))
