# Makes counts.json: proportions, rates, tables, strata, log-link regressions and interim looks.
#   Rscript counts.R counts.json
# Arguments stand beside the values, so that the tests need no data but the frames of counts_frames.py.
suppressMessages({library(epitools); library(survival); library(metafor); library(sandwich); library(MASS)
  library(rpact); library(jsonlite); library(coin)})
out <- list()
n <- function(x) unname(as.numeric(x))
limit <- function(x) lapply(n(x), function(v) if (is.finite(v)) v else NULL)  # an open side is null
add <- function(id, call, args, values, package = "stats")
  out[[id]] <<- list(r_call = call, package = package, version = as.character(packageVersion(package)), arguments = args, values = values)
test <- function(h) list(p = n(h$p.value), estimate = limit(h$estimate)[[1]], lower = limit(h$conf.int)[[1]], upper = limit(h$conf.int)[[2]])

## one proportion
for (case in list(c(45, 50, .8), c(0, 10, .1), c(10, 10, .9), c(1, 30, .5), c(7, 60, .05), c(682, 925, .75), c(3, 12, .25), c(5, 10, .5),
                  c(57, 60, .85), c(2, 250, .02), c(18, 100000, .0001), c(29, 30, .8)))
  for (alt in c("two.sided", "greater", "less")) for (level in c(.95, .9)) {
    id <- sprintf("binom_%g_%g_%s_%g", case[1], case[2], alt, level)
    add(id, sprintf("binom.test(%g, %g, %g, '%s', conf.level = %g)", case[1], case[2], case[3], alt, level),
        list(events = case[1], n = case[2], p0 = case[3], alternative = alt, conf_level = level),
        test(binom.test(case[1], case[2], case[3], alt, conf.level = level)))
  }
for (case in list(c(45, 50), c(1, 10), c(0, 20), c(30, 30), c(13, 60))) for (level in c(.95, .99)) {
  w <- binom.wilson(case[1], case[2], level); a <- binom.approx(case[1], case[2], level)
  add(sprintf("wilson_%g_%g_%g", case[1], case[2], level), sprintf("binom.wilson(%g, %g, %g)", case[1], case[2], level),
      list(events = case[1], n = case[2], conf_level = level), list(lower = w$lower, upper = w$upper), "epitools")
  if (case[1] > 0 && case[1] < case[2])
    add(sprintf("wald_%g_%g_%g", case[1], case[2], level), sprintf("binom.approx(%g, %g, %g)", case[1], case[2], level),
        list(events = case[1], n = case[2], conf_level = level), list(lower = max(0, a$lower), upper = min(1, a$upper)), "epitools")
}
for (case in list(c(45, 50), c(1, 10), c(13, 60), c(59, 60))) {
  h <- suppressWarnings(prop.test(case[1], case[2], p = if (case[1] / case[2] > .5) .3 else .7))
  add(sprintf("wilsoncc_%g_%g", case[1], case[2]), "prop.test(x, n, p = a value far away)", list(events = case[1], n = case[2]),
      list(lower = n(h$conf.int)[1], upper = n(h$conf.int)[2]))
  x <- case[1]; m <- case[2]
  add(sprintf("jeffreys_%g_%g", x, m), "qbeta(c(.025, .975), x + .5, n - x + .5)", list(events = x, n = m),
      list(lower = qbeta(.025, x + .5, m - x + .5), upper = qbeta(.975, x + .5, m - x + .5)))
  mid <- function(p) pbinom(x - 1, m, p) + dbinom(x, m, p) / 2
  add(sprintf("midp_%g_%g", x, m), "uniroot of pbinom(x - 1) + dbinom(x)/2 - tail, tol = 1e-14", list(events = x, n = m),
      list(lower = uniroot(function(p) 1 - mid(p) - .025, c(0, 1), tol = 1e-14)$root, upper = uniroot(function(p) mid(p) - .025, c(0, 1), tol = 1e-14)$root))
}
## a single arm against a criterion: exact power, and Kaplan-Meier at a time
for (case in list(c(60, .8, .9, .05), c(60, .8, .9, .025), c(100, .85, .95, .025), c(30, .7, .9, .05), c(200, .9, .95, .025))) {
  size <- case[1]; crit <- which(pbinom(0:size - 1, size, case[2], lower.tail = FALSE) <= case[4])[1] - 1
  add(sprintf("criterion_power_%g_%g_%g_%g", size, case[2], case[3], case[4]), "sum(dbinom(critical:n, n, p1))",
      list(n = size, criterion = case[2], p1 = case[3], alpha = case[4]),
      list(critical = crit, power = sum(dbinom(crit:size, size, case[3])), size = sum(dbinom(crit:size, size, case[2]))))
}
power_of <- function(size, p0, p1, alpha) {crit <- qbinom(1 - alpha, size, p0) + 1; pbinom(crit - 1, size, p1, lower.tail = FALSE)}
for (case in list(c(.8, .9, .025, .8), c(.85, .95, .05, .9), c(.7, .8, .025, .8), c(.9, .95, .05, .8))) {
  powers <- power_of(1:3000, case[1], case[2], case[3]); short <- which(powers < case[4])
  add(sprintf("criterion_n_%g_%g_%g_%g", case[1], case[2], case[3], case[4]), "pbinom(qbinom(1 - alpha, n, p0), n, p1, lower.tail = FALSE), n = 1:3000",
      list(criterion = case[1], p1 = case[2], alpha = case[3], power = case[4]), list(first_n = which(powers >= case[4])[1], n = max(short) + 1))
}
for (level in c(.95, .975)) {
  s <- summary(survfit(Surv(time, status == 2) ~ 1, lung, conf.type = "log-log", conf.int = 2 * level - 1), times = 180)
  add(sprintf("km_criterion_lung_180_%g", level), sprintf("summary(survfit(Surv(time, status) ~ 1, lung, conf.type = 'log-log', conf.int = %g), times = 180)", 2 * level - 1),
      list(time = 180, survival = s$surv, se = s$std.err, alpha = 1 - level), list(lower = s$lower, upper = s$upper), "survival")
}

## rates
for (case in list(c(15, 1200, .02), c(0, 100, .01), c(3, 10, 1), c(112, 107.0116359, 1), c(1, 5000, .001), c(40, 2.5, 10), c(7, 7, 1)))
  for (alt in c("two.sided", "greater", "less"))
    add(sprintf("poisson_%g_%s", case[1], alt), sprintf("poisson.test(%g, %g, %g, '%s')", case[1], case[2], case[3], alt),
        list(events = case[1], person_time = case[2], rate0 = case[3], alternative = alt), test(poisson.test(case[1], case[2], case[3], alt)))
for (x in c(1, 4, 15, 112)) {
  p <- pois.exact(x, 1200, .9)
  add(sprintf("pois_exact_%g", x), sprintf("pois.exact(%g, 1200, .9)", x), list(events = x, person_time = 1200, conf_level = .9), list(lower = p$lower, upper = p$upper), "epitools")
  b <- pois.byar(x, 1200, .9)
  add(sprintf("pois_half_%g", x), sprintf("pois.byar(%g, 1200, .9)", x), list(events = x, person_time = 1200, conf_level = .9), list(lower = b$lower, upper = b$upper), "epitools")
  mid <- function(m) ppois(x - 1, m) + dpois(x, m) / 2
  add(sprintf("pois_midp_%g", x), "uniroot of ppois(x - 1) + dpois(x)/2 - .025, tol = 1e-13", list(events = x, person_time = 1),
      list(lower = uniroot(function(m) 1 - mid(m) - .025, c(1e-9, x + 1), tol = 1e-13)$root, upper = uniroot(function(m) mid(m) - .025, c(x, 5 * x + 20), tol = 1e-13)$root))
  z <- qnorm(.975)
  add(sprintf("pois_byar_%g", x), "x (1 - 1/(9x) - z/(3 sqrt(x)))^3 and its upper twin at x + 1 (Rothman & Boice)", list(events = x, person_time = 1),
      list(lower = x * (1 - 1 / (9 * x) - z / 3 / sqrt(x))^3, upper = (x + 1) * (1 - 1 / (9 * (x + 1)) + z / 3 / sqrt(x + 1))^3))
}
for (case in list(c(15, 25, 1200, 1000), c(0, 5, 100, 100), c(8, 0, 50, 80), c(41, 15, 28010, 19017), c(3, 11, 20.5, 33.25), c(200, 180, 1e5, 1.1e5)))
  for (alt in c("two.sided", "greater", "less"))
    add(sprintf("ratetest_%g_%g_%s", case[1], case[2], alt), sprintf("poisson.test(c(%g, %g), c(%g, %g), alternative = '%s')", case[1], case[2], case[3], case[4], alt),
        list(events = case[1:2], person_time = case[3:4], alternative = alt), test(poisson.test(case[1:2], case[3:4], alternative = alt)))
h <- poisson.test(c(15, 25), c(1200, 1000), r = .8); add("ratetest_null", "poisson.test(c(15, 25), c(1200, 1000), r = .8)",
  list(events = c(15, 25), person_time = c(1200, 1000), null = .8), test(h))
for (case in list(c(15, 25, 1200, 1000), c(41, 15, 28010, 19017), c(3, 11, 20.5, 33.25))) {
  m <- matrix(c(case[2], case[1], case[4], case[3]), 2); w <- rateratio.wald(m); mid <- rateratio.midp(m)
  add(sprintf("rateratio_wald_%g", case[1]), "rateratio.wald()", list(events = case[1:2], person_time = case[3:4]),
      list(estimate = w$measure[2, 1], lower = w$measure[2, 2], upper = w$measure[2, 3], p_score = w$p.value[2, "wald"]), "epitools")
  add(sprintf("rateratio_midp_%g", case[1]), "rateratio.midp()", list(events = case[1:2], person_time = case[3:4]),
      list(estimate = mid$measure[2, 1], lower = mid$measure[2, 2], upper = mid$measure[2, 3], p = mid$p.value[2, "midp.exact"]), "epitools")
  # the score limits of a difference, by maximising the Poisson likelihood numerically under each difference
  z <- function(d) {
    f <- function(r) case[1] * log(r + d) - case[3] * (r + d) + case[2] * log(r) - case[4] * r
    r <- optimize(f, c(max(1e-14, -d + 1e-14), 10 * sum(case[1:2]) / min(case[3:4])), maximum = TRUE, tol = 1e-14)$maximum
    g <- function(r) case[1] / (r + d) + case[2] / r - case[3] - case[4]
    r <- uniroot(g, c(r * (1 - 1e-4) + max(0, -d) * 1e-4, r * (1 + 1e-4)), extendInt = "downX", tol = 1e-17)$root
    (case[1] / case[3] - case[2] / case[4] - d) / sqrt((r + d) / case[3] + r / case[4])
  }
  seen <- case[1] / case[3] - case[2] / case[4]; far <- 8 * sqrt(sum(case[1:2] / case[3:4]^2))
  add(sprintf("ratediff_score_%g", case[1]), "uniroot of the score statistic, its rates by uniroot of the score equation", list(events = case[1:2], person_time = case[3:4]),
      list(estimate = seen, lower = uniroot(function(d) z(d) - qnorm(.975), c(seen - far, seen), tol = 1e-16)$root,
           upper = uniroot(function(d) z(d) + qnorm(.975), c(seen, seen + far), tol = 1e-16)$root, p = 2 * pnorm(-abs(z(1e-13)))))
}
lung2 <- lung; py <- pyears(Surv(time, status == 2) ~ sex, lung2, scale = 365.25)
add("pyears_lung", "pyears(Surv(time, status == 2) ~ sex, lung, scale = 365.25)", list(), list(pyears = n(py$pyears), event = n(py$event), n = n(py$n)), "survival")
hp <- pyears(Surv(start, stop, event) ~ surgery, heart, scale = 1)
add("pyears_heart", "pyears(Surv(start, stop, event) ~ surgery, heart, scale = 1)", list(), list(pyears = n(hp$pyears), event = n(hp$event)), "survival")
g <- anova(glm(c(3, 11, 8, 0) ~ factor(1:4) + offset(log(c(20.5, 33.25, 60, 12))), family = poisson), test = "Chisq")
add("rates_heterogeneity", "anova(glm(x ~ factor(1:4) + offset(log(t)), poisson), test = 'Chisq')", list(events = c(3, 11, 8, 0), person_time = c(20.5, 33.25, 60, 12)),
    list(chisq = g$Deviance[2], df = g$Df[2], p = g$`Pr(>Chi)`[2]))
dth <- c(45, 63, 178, 450, 12); pop <- c(2e4, 15000.5, 12000, 8000, 300); std <- c(.4, .3, .2, .08, .02)
a <- ageadjust.direct(dth, pop, stdpop = std, conf.level = .9)
add("direct", "ageadjust.direct(count, pop, stdpop = std, conf.level = .9)", list(events = dth, person_time = pop, standard = std, conf_level = .9),
    list(crude = a[["crude.rate"]], estimate = a[["adj.rate"]], lower = a[["lci"]], upper = a[["uci"]]), "epitools")
i <- ageadjust.indirect(dth, pop, stdcount = c(100, 200, 400, 900, 40), stdpop = c(5e4, 4e4, 3e4, 2e4, 900))
add("indirect", "ageadjust.indirect()", list(events = dth, person_time = pop, standard_rates = c(100, 200, 400, 900, 40) / c(5e4, 4e4, 3e4, 2e4, 900)),
    list(observed = i$sir[["observed"]], expected = i$sir[["exp"]], estimate = i$sir[["sir"]], lower = i$sir[["lci"]], upper = i$sir[["uci"]]), "epitools")

## two by two: events (a, c) of n (n1, n2)
tables <- list(c(12, 5, 50, 50), c(56, 48, 70, 80), c(9, 3, 10, 10), c(6, 2, 7, 7), c(5, 0, 56, 29), c(0, 5, 10, 10), c(10, 0, 10, 20), c(36, 16, 40, 80),
               c(15, 20, 1000, 1200), c(1, 9, 30, 31), c(33, 29, 34, 34), c(250, 190, 600, 611))
for (x in tables) {
  tab <- rbind(c(x[1], x[3] - x[1]), c(x[2], x[4] - x[2]))
  args <- list(events = x[1:2], n = x[3:4])
  name <- sprintf("%g_%g_%g_%g", x[1], x[2], x[3], x[4])
  for (alt in c("two.sided", "greater", "less"))
    add(paste0("fisher_", name, "_", alt), sprintf("fisher.test(rbind(c(%g, %g), c(%g, %g)), alternative = '%s')", tab[1, 1], tab[1, 2], tab[2, 1], tab[2, 2], alt),
        c(args, alternative = alt), test(fisher.test(tab, alternative = alt)))
  h <- fisher.test(tab, or = 2, conf.level = .9)
  add(paste0("fisher_", name, "_or2"), "fisher.test(tab, or = 2, conf.level = .9)", c(args, null = 2, conf_level = .9), test(h))
  p1 <- x[1] / x[3]; p2 <- x[2] / x[4]; N <- x[3] + x[4]; zc <- qnorm(.975)
  # score statistics with the null proportions found as the root of the score equation, not by a closed form
  per <- function(count, of) if (count == 0) 0 else count / of
  dz <- function(d) {
    lo <- max(0, -d); hi <- min(1, 1 - d)
    g <- function(p) per(x[1], p + d) - per(x[3] - x[1], 1 - p - d) + per(x[2], p) - per(x[4] - x[2], 1 - p)
    e <- (hi - lo) * 1e-14
    q <- if (g(lo + e) <= 0) lo else if (g(hi - e) >= 0) hi else uniroot(g, c(lo + e, hi - e), tol = 1e-16)$root
    (p1 - p2 - d) / sqrt(((q + d) * (1 - q - d) / x[3] + q * (1 - q) / x[4]) * N / (N - 1))
  }
  rz <- function(r) {
    hi <- min(1, 1 / r)
    g <- function(p) (x[1] + x[2]) / p - r * per(x[3] - x[1], 1 - r * p) - per(x[4] - x[2], 1 - p)
    e <- hi * 1e-14
    q <- if (g(hi - e) >= 0) hi else uniroot(g, c(e, hi - e), tol = 1e-16)$root
    (p1 - r * p2) / sqrt((r * q * (1 - r * q) / x[3] + r^2 * q * (1 - q) / x[4]) * N / (N - 1))
  }
  low <- if (p1 - p2 <= -1) -1 else uniroot(function(d) dz(d) - zc, c(-1 + 1e-9, min(p1 - p2, 1 - 1e-9)), tol = 1e-15)$root
  up <- if (p1 - p2 >= 1) 1 else uniroot(function(d) dz(d) + zc, c(max(p1 - p2, 1e-9 - 1), 1 - 1e-9), tol = 1e-15)$root
  add(paste0("mn_difference_", name), "uniroot of the Miettinen-Nurminen statistic, null proportions by uniroot of the score equation", args,
      list(estimate = p1 - p2, lower = low, upper = up, p = 2 * pnorm(-abs(dz(0)))))
  seen <- log(p1 / p2); k <- sqrt((N - 1) / N)
  for (kind in c("mn", "koopman")) {
    s <- if (kind == "mn") 1 else 1 / k
    low <- if (x[1] == 0) 0 else exp(uniroot(function(l) rz(exp(l)) * s - zc, c(if (is.finite(seen)) seen - 12 else -12, min(seen, 12)), tol = 1e-14)$root)
    up <- if (x[2] == 0) NULL else exp(uniroot(function(l) rz(exp(l)) * s + zc, c(max(seen, -12), if (is.finite(seen)) seen + 12 else 12), tol = 1e-14)$root)
    add(paste0(kind, "_ratio_", name), "uniroot of the score statistic, null proportions by uniroot of the score equation", args,
        list(lower = low, upper = up, p = 2 * pnorm(-abs(rz(1) * s))))
  }
  oz <- function(l) {
    p1of <- function(p) p * exp(l) / (1 - p + p * exp(l))
    q <- uniroot(function(p) x[3] * p1of(p) + x[4] * p - x[1] - x[2], c(0, 1), tol = 1e-16)$root; r <- p1of(q)
    x[3] * (p1 - r) * sqrt((1 / (x[3] * r * (1 - r)) + 1 / (x[4] * q * (1 - q))) * (N - 1) / N)
  }
  seen <- log(x[1] / (x[3] - x[1]) / (x[2] / (x[4] - x[2]))); edge <- min(max(seen, -12), 12)
  add(paste0("mn_odds_", name), "uniroot of the score statistic of an odds ratio, null proportions by uniroot of n1 p1 + n2 p2 = events", args,
      list(lower = if (seen == -Inf) 0 else exp(uniroot(function(l) oz(l) - zc, c(-20, edge + 1e-6), tol = 1e-14)$root),
           upper = if (seen == Inf) NULL else exp(uniroot(function(l) oz(l) + zc, c(edge - 1e-6, 20), tol = 1e-14)$root), p = 2 * pnorm(-abs(oz(0)))))
  if (all(tab > 0)) {
    w <- riskratio.wald(tab[2:1, 2:1]); o <- oddsratio.wald(tab[2:1, 2:1])
    add(paste0("rr_wald_", name), "riskratio.wald()", args, list(estimate = w$measure[2, 1], lower = w$measure[2, 2], upper = w$measure[2, 3]), "epitools")
    add(paste0("or_wald_", name), "oddsratio.wald()", args, list(estimate = o$measure[2, 1], lower = o$measure[2, 2], upper = o$measure[2, 3]), "epitools")
    m <- oddsratio.midp(tab[2:1, 2:1], interval = c(0, 1000))
    add(paste0("or_midp_", name), "oddsratio.midp()", args, list(estimate = m$measure[2, 1], lower = m$measure[2, 2], upper = m$measure[2, 3], p = m$p.value[2, "midp.exact"]), "epitools")
    r <- suppressWarnings(escalc("RD", ai = x[1], n1i = x[3], ci = x[2], n2i = x[4]))
    add(paste0("rd_wald_", name), "escalc('RD', ...)", args, list(estimate = n(r$yi), se = sqrt(n(r$vi))), "metafor")
  }
}
job <- rbind(c(1, 2, 1, 0), c(3, 3, 6, 1), c(10, 10, 14, 9)); sites <- rbind(c(5, 3, 8, 2, 7, 6, 1, 4), c(1, 4, 2, 3, 5, 2, 6, 1))
for (t in list(job, sites, rbind(c(3, 1, 2), c(0, 4, 5)), rbind(c(4, 0, 1), c(2, 6, 0), c(1, 1, 7)), rbind(c(0, 8), c(2, 5), c(9, 1))))
  add(paste0("fisher_rc_", paste(t[1, ], collapse = "_")), "fisher.test(table)", list(table = t), list(p = fisher.test(t)$p.value))
for (bc in list(c(15, 6), c(0, 6), c(86, 150), c(5, 5))) {
  h <- binom.test(bc[1], sum(bc)); pp <- n(h$conf.int)
  add(sprintf("mcnemar_%g_%g", bc[1], bc[2]), sprintf("binom.test(%g, %g), limits p/(1 - p)", bc[1], sum(bc)), list(only_first = bc[1], only_second = bc[2]),
      list(p = h$p.value, lower = pp[1] / (1 - pp[1]), upper = pp[2] / (1 - pp[2])))
}

## strata: strata come first here, R has them last
ucb <- aperm(unclass(UCBAdmissions), c(3, 2, 1))            # department, gender, admitted
rabbits <- array(c(0, 0, 6, 5, 3, 0, 3, 6, 6, 2, 0, 4, 5, 6, 1, 0, 2, 5, 0, 0), c(2, 2, 5))
es <- xtabs(cbind(ncases, ncontrols) ~ agegp + I(as.integer(alcgp) > 2), esoph)
es <- aperm(unclass(es), c(1, 2, 3))[, 2:1, ]
sets <- list(ucb = ucb, rabbits = aperm(rabbits, c(3, 1, 2)), esoph = es, thin = array(c(2, 1, 0, 3, 5, 4, 8, 1, 1, 2, 0, 0, 6, 3, 9, 4), c(4, 2, 2)))
for (name in names(sets)) {
  t <- unname(sets[[name]]); x <- aperm(t, c(2, 3, 1)); args <- list(tables = t)
  for (correct in c(TRUE, FALSE)) for (alt in c("two.sided", "greater", "less")) {
    h <- mantelhaen.test(x, correct = correct, alternative = alt)
    add(paste("cmh", name, correct, alt, sep = "_"), sprintf("mantelhaen.test(x, correct = %s, alternative = '%s')", correct, alt), c(args, correct = correct, alternative = alt),
        c(list(chisq = n(h$statistic)), test(h)))
  }
  for (alt in c("two.sided", "greater")) {
    h <- mantelhaen.test(x, exact = TRUE, alternative = alt)
    add(paste("cmh_exact", name, alt, sep = "_"), sprintf("mantelhaen.test(x, exact = TRUE, alternative = '%s')", alt), c(args, alternative = alt), test(h))
  }
  mh <- function(measure) suppressWarnings(rma.mh(measure = measure, ai = t[, 1, 1], bi = t[, 1, 2], ci = t[, 2, 1], di = t[, 2, 2], correct = FALSE, drop00 = FALSE, add = 0))
  o <- mh("OR")
  add(paste0("bd_", name), "rma.mh(measure = 'OR', correct = FALSE)", args,
      list(log_or = n(o$beta), se = o$se, bd = o$BD, tarone = o$TA, df = if (is.null(o$k.pos)) NA else o$k.pos - 1, bd_p = o$BDp, tarone_p = o$TAp), "metafor")
  r <- mh("RR"); add(paste0("rr_mh_", name), "rma.mh(measure = 'RR')", args, list(log_rr = n(r$beta), se = r$se, lower = exp(r$ci.lb), upper = exp(r$ci.ub), p = r$pval), "metafor")
  d <- mh("RD"); add(paste0("rd_mh_", name), "rma.mh(measure = 'RD')", args, list(estimate = n(d$beta), se = d$se, lower = d$ci.lb, upper = d$ci.ub, p = d$pval), "metafor")
}
js <- array(c(1, 2, 0, 0, 3, 3, 1, 2, 11, 17, 8, 4, 2, 3, 5, 2, 1, 0, 0, 0, 1, 3, 0, 1, 2, 5, 7, 9, 1, 1, 3, 6), c(4, 4, 2))
for (t in list(aperm(js, c(3, 1, 2)), aperm(js, c(3, 1, 2))[, 1:3, ])) {
  h <- mantelhaen.test(aperm(t, c(2, 3, 1)))
  add(paste0("cmh_general_", dim(t)[2]), "mantelhaen.test(4 x 4 x 2, as its manual's job satisfaction)", list(tables = t), list(chisq = n(h$statistic), df = n(h$parameter), p = h$p.value))
}

## log-link regressions
fit_of <- function(f, v = vcov(f)) list(coef = n(coef(f)), se = n(sqrt(diag(v))), loglik = n(logLik(f)), deviance = f$deviance)
l <- na.omit(lung[, c("time", "status", "age", "sex", "ph.ecog", "inst")]); l$y <- as.integer(l$time < 365 & l$status == 2); l$w <- .5 + l$age %% 7 / 5
f <- glm(y ~ age + sex + ph.ecog, poisson, l, control = list(epsilon = 1e-14))
add("mp_lung_HC0", "sandwich(glm(y ~ age + sex + ph.ecog, poisson))", list(covariance = "HC0"), fit_of(f, vcovHC(f, "HC0")), "sandwich")
add("mp_lung_HC1", "vcovHC(., 'HC1')", list(covariance = "HC1"), fit_of(f, vcovHC(f, "HC1")), "sandwich")
add("mp_lung_cluster", "vcovCL(., ~inst, type = 'HC0', cadjust = FALSE)", list(covariance = "HC0", cluster = TRUE), fit_of(f, vcovCL(f, ~inst, type = "HC0", cadjust = FALSE)), "sandwich")
add("mp_lung_cluster_adjusted", "vcovCL(., ~inst, type = 'HC0')", list(covariance = "HC0", cluster = TRUE, cadjust = TRUE), fit_of(f, vcovCL(f, ~inst, type = "HC0")), "sandwich")
add("mp_lung_cluster_HC1", "vcovCL(., ~inst, type = 'HC1')", list(covariance = "HC1", cluster = TRUE, cadjust = TRUE), fit_of(f, vcovCL(f, ~inst, type = "HC1")), "sandwich")
fw <- suppressWarnings(glm(y ~ age + sex + ph.ecog, poisson, l, weights = w, control = list(epsilon = 1e-14)))
add("mp_lung_weighted", "sandwich(glm(..., weights = w))", list(covariance = "HC0", weights = TRUE), fit_of(fw, sandwich(fw))[c("coef", "se", "deviance")], "sandwich")
add("poisson_lung_model", "glm(y ~ ., poisson)", list(covariance = "model"), fit_of(f))
fb <- glm(y ~ age + sex, binomial("log"), l, start = c(-1, 0, 0), control = list(epsilon = 1e-14, maxit = 200))
add("logbin_lung", "glm(y ~ age + sex, binomial('log'))", list(terms = c("age", "sex")), fit_of(fb))
q <- quine; q$sexM <- as.integer(q$Sex == "M"); q$slow <- as.integer(q$Lrn == "SL"); q$eth <- as.integer(q$Eth == "N")
nb <- glm.nb(Days ~ sexM + slow + eth, q, control = glm.control(epsilon = 1e-14, maxit = 200))
add("nb_quine", "glm.nb(Days ~ sexM + slow + eth, quine)", list(), c(fit_of(nb), theta = nb$theta, theta_se = nb$SE.theta), "MASS")
add("nb_quine_HC0", "sandwich(glm.nb(.))", list(), fit_of(nb, sandwich(nb)), "sandwich")
fp <- glm(Days ~ sexM + slow + eth, poisson, q, control = list(epsilon = 1e-14)); add("poisson_quine_HC0", "sandwich(glm(., poisson))", list(), fit_of(fp, sandwich(fp)), "sandwich")
b <- aggregate(event ~ id + rx + number + size, bladder2, sum); b$t <- aggregate(stop ~ id + rx + number + size, bladder2, max)$stop; b <- b[b$t > 0, ]
fo <- glm(event ~ rx + number + size + offset(log(t)), poisson, b, control = list(epsilon = 1e-14))
add("poisson_bladder", "glm(events ~ rx + number + size + offset(log(t)), poisson)", list(events = b$event, person_time = b$t, x = unname(as.matrix(b[, c("rx", "number", "size")]))), fit_of(fo))
no <- glm.nb(event ~ rx + number + size + offset(log(t)), b, control = glm.control(epsilon = 1e-14, maxit = 200))
add("nb_bladder", "glm.nb(events ~ rx + number + size + offset(log(t)))", list(), c(fit_of(no), theta = no$theta, theta_se = no$SE.theta), "MASS")

## margins: sizes by rpact, t by t.test
for (k in list(c(.1, .85, .85, .025, .2, 1), c(.1, .9, .85, .025, .1, 2), c(.15, .7, .75, .05, .2, .5), c(.05, .95, .95, .025, .1, 1))) {
  s <- getSampleSizeRates(groups = 2, thetaH0 = -k[1], pi1 = k[2], pi2 = k[3], alpha = k[4], beta = k[5], allocationRatioPlanned = k[6])
  add(sprintf("fm_%g_%g_%g", k[1], k[2], k[6]), "getSampleSizeRates(thetaH0 = -margin, normalApproximation = TRUE)", list(margin = k[1], p1 = k[2], p2 = k[3], alpha = k[4], power = 1 - k[5], allocation = k[6]),
      list(n1 = n(s$nFixed1)), "rpact")
}
for (k in list(c(.9, 1.3, .025, .2, 1), c(.7, 1, .025, .1, 1), c(.75, 1, .05, .2, 2), c(1, 1.25, .025, .2, 1))) {
  s <- getSampleSizeSurvival(thetaH0 = k[2], hazardRatio = k[1], alpha = k[3], beta = k[4], allocationRatioPlanned = k[5], lambda2 = .1, eventTime = 12, accrualTime = 12, followUpTime = 12)
  add(sprintf("schoenfeld_%g_%g", k[1], k[2]), "getSampleSizeSurvival()$eventsFixed", list(hazard_ratio = k[1], margin = k[2], alpha = k[3], power = 1 - k[4], allocation = k[5]), list(events = n(s$eventsFixed)), "rpact")
}
for (k in list(c(1, .2, 3, .025, .2), c(.5, 0, 1, .025, .1), c(2, 0, 2, .05, .2))) {
  s <- getSampleSizeMeans(thetaH0 = -k[1], alternative = k[2], stDev = k[3], alpha = k[4], beta = k[5])
  add(sprintf("means_%g_%g", k[1], k[2]), "getSampleSizeMeans(normalApproximation = FALSE)$nFixed1", list(margin = k[1], difference = k[2], sd = k[3], alpha = k[4], power = 1 - k[5]), list(n1 = n(s$nFixed1)), "rpact")
}
e <- sleep$extra; g1 <- e[1:10]; g2 <- e[11:20]
for (eq in c(TRUE, FALSE)) {
  h <- t.test(g2, g1, mu = -.5, alternative = "greater", var.equal = eq); ci <- t.test(g2, g1, var.equal = eq)$conf.int
  add(paste0("t_margin_", eq), sprintf("t.test(g2, g1, mu = -.5, alternative = 'greater', var.equal = %s)", eq), list(means = c(mean(g2), mean(g1)), sds = c(sd(g2), sd(g1)), n = c(10, 10), margin = .5, equal_variances = eq),
      list(t = n(h$statistic), p = h$p.value, lower = ci[1], upper = ci[2]))
}

## interim looks
designs <- list(of3 = list(c(.3, .7, 1), "asOF"), of5 = list(c(.2, .4, .6, .8, 1), "asOF"), p4 = list(c(.25, .5, .8, 1), "asP"), hsd = list(c(.25, .5, .8, 1), "asHSD", -4), hsd1 = list(c(.5, 1), "asHSD", 1),
                kd = list(c(.1, .55, 1), "asKD", 2), of2 = list(c(.5, 1), "asOF"), late = list(c(.7, .95, 1), "asP"))
for (name in names(designs)) for (alpha in c(.025, .05)) for (sided in 1:2) {
  k <- designs[[name]]
  a <- list(informationRates = k[[1]], typeOfDesign = k[[2]], alpha = alpha, sided = sided, beta = .2); if (length(k) > 2) a$gammaA <- k[[3]]
  d <- do.call(getDesignGroupSequential, a); ch <- getDesignCharacteristics(d)
  add(sprintf("gs_%s_%g_%d", name, alpha, sided), sprintf("getDesignGroupSequential(typeOfDesign = '%s', sided = %d)", k[[2]], sided),
      list(information = k[[1]], spending = k[[2]], gamma = if (length(k) > 2) k[[3]], alpha = alpha, sided = sided),
      list(critical = n(d$criticalValues), spent = n(d$alphaSpent), levels = n(d$stageLevels), inflation = ch$inflationFactor, asn = ch$averageSampleNumber1, rejection = n(ch$rejectionProbabilities)), "rpact")
}
for (k in list(list(c(.4, .7, 1), "asOF", "bsOF", .1, NA), list(c(.4, .7, 1), "asP", "bsHSD", .2, -2), list(c(.5, 1), "asOF", "bsP", .2, NA), list(c(.25, .5, .75, 1), "asOF", "bsKD", .1, 1.5))) {
  a <- list(informationRates = k[[1]], typeOfDesign = k[[2]], alpha = .025, beta = k[[4]], typeBetaSpending = k[[3]], bindingFutility = FALSE); if (!is.na(k[[5]])) a$gammaB <- k[[5]]
  d <- do.call(getDesignGroupSequential, a); ch <- getDesignCharacteristics(d)
  add(sprintf("futility_%s_%s", k[[2]], k[[3]]), "getDesignGroupSequential(typeBetaSpending = ., bindingFutility = FALSE)", list(information = k[[1]], spending = k[[2]], beta_spending = k[[3]], beta = k[[4]], beta_gamma = if (!is.na(k[[5]])) k[[5]]),
      list(critical = n(d$criticalValues), futility = n(d$futilityBounds), inflation = ch$inflationFactor, shift = ch$shift), "rpact")
}
for (k in list(list(c(.3, .7, 1), c(30, 40), c(.25, .45), c(1, 1.1)), list(c(.5, 1), c(50, 50), c(.1, .4), c(1.2, .9)), list(c(.25, .5, 1), c(25), c(1.3), c(1.3)))) {
  d <- getDesignGroupSequential(informationRates = k[[1]], typeOfDesign = "asOF", alpha = .025); stage <- length(k[[2]])
  r <- suppressWarnings(suppressMessages(getAnalysisResults(d, getDataset(n = k[[2]], means = k[[3]], stDevs = k[[4]]), normalApproximation = TRUE, stage = stage)))
  s <- r$.stageResults
  add(sprintf("final_%d_%g", stage, k[[2]][1]), "getAnalysisResults(getDesignGroupSequential(.), getDataset(n, means, stDevs), normalApproximation = TRUE)",
      list(rates = k[[1]], n = cumsum(k[[2]]), stage = stage, z = s$overallTestStatistics[stage], sd = s$overallStDevs[stage], means = s$overallMeans[1:stage], sds = s$overallStDevs[1:stage]),
      list(p = r$finalPValues[stage], estimate = r$medianUnbiasedEstimates[stage], lower = r$finalConfidenceIntervalLowerBounds[stage], upper = r$finalConfidenceIntervalUpperBounds[stage],
           repeated_lower = r$repeatedConfidenceIntervalLowerBounds[1:stage], repeated_upper = r$repeatedConfidenceIntervalUpperBounds[1:stage]), "rpact")
}
meta <- list(R = R.version.string, made_by = "counts.R")
writeLines(toJSON(list(meta = meta, results = out), digits = NA, auto_unbox = TRUE, null = "null", na = "null"), commandArgs(TRUE)[1])
