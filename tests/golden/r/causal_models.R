# glm, sandwich, survey, geepack, survival and Matching on survival::rotterdam, survival::lung, MatchIt::lalonde.
# Rscript causal_models.R > causal_models.json
suppressMessages({library(survival); library(sandwich); library(survey); library(geepack); library(MatchIt)
  library(Matching); library(jsonlite)})
data("lalonde", package = "MatchIt")
rot <- survival::rotterdam
rot$size1 <- as.integer(rot$size == "20-50"); rot$size2 <- as.integer(rot$size == ">50")
rot$late <- rot$rtime < rot$dtime & rot$recur == 0 & rot$death == 1
rot$rfstime <- ifelse(rot$recur == 1 | rot$late, rot$rtime, rot$dtime)
rot$rfs <- pmax(rot$recur, rot$death)
lung <- survival::lung
lung <- lung[complete.cases(lung[, c("age", "sex", "ph.ecog", "ph.karno", "wt.loss", "inst")]), ]
lung$dead <- lung$status - 1; lung$w <- 0.5 + (seq_len(nrow(lung)) %% 7) / 4
out <- list()
add <- function(id, call, package, values) out[[id]] <<- list(r_call = call, package = package,
  version = as.character(packageVersion(package)), values = values)
covs <- function(fit, cl) list(coef = unname(coef(fit)), model = unname(sqrt(diag(vcov(fit)))),
  HC0 = unname(sqrt(diag(vcovHC(fit, "HC0")))), HC1 = unname(sqrt(diag(vcovHC(fit, "HC1")))),
  HC2 = unname(sqrt(diag(vcovHC(fit, "HC2")))), HC3 = unname(sqrt(diag(vcovHC(fit, "HC3")))),
  CL_HC0 = unname(sqrt(diag(vcovCL(fit, cl, type = "HC0")))), CL_HC1 = unname(sqrt(diag(vcovCL(fit, cl, type = "HC1")))),
  CL_HC0_noadj = unname(sqrt(diag(vcovCL(fit, cl, type = "HC0", cadjust = FALSE)))))
g <- glm(hormon ~ age + meno + grade + nodes + pgr + er + chemo, binomial, rot)
add("glm_rotterdam", "glm(hormon~age+meno+grade+nodes+pgr+er+chemo, binomial); vcovHC; vcovCL(~year)", "sandwich",
    c(covs(g, rot$year), deviance = deviance(g), null_deviance = g$null.deviance, loglik = as.numeric(logLik(g)),
      p = list(unname(summary(g)$coefficients[, 4])), confint = list(unname(confint.default(g)))))
g <- suppressWarnings(glm(dead ~ age + sex + ph.ecog + wt.loss, binomial, lung, weights = w))
add("glm_lung_weighted", "glm(dead~age+sex+ph.ecog+wt.loss, binomial, weights=w)", "sandwich",
    c(covs(g, lung$inst), deviance = deviance(g), null_deviance = g$null.deviance))
g <- glm(dead ~ age + sex + offset(log(time) / 3), binomial, lung)
add("glm_lung_offset", "glm(dead~age+sex+offset(log(time)/3), binomial)", "sandwich",
    c(covs(g, lung$inst), deviance = deviance(g), null_deviance = g$null.deviance))
g <- glm(dead ~ 0 + age + sex, binomial, lung)
add("glm_lung_no_intercept", "glm(dead~0+age+sex, binomial)", "sandwich",
    c(covs(g, lung$inst), deviance = deviance(g), null_deviance = g$null.deviance))
l <- lm(re78 ~ treat + age + educ + re74 + married, lalonde)
s <- summary(l)
add("lm_lalonde", "lm(re78~treat+age+educ+re74+married); vcovCL(~educ)", "sandwich",
    c(covs(l, lalonde$educ), sigma = s$sigma, r_squared = s$r.squared, p = list(unname(s$coefficients[, 4])),
      confint = list(unname(confint(l)))))
l <- lm(wt.loss ~ age + sex + ph.karno, lung, weights = w)
s <- summary(l)
add("lm_lung_weighted", "lm(wt.loss~age+sex+ph.karno, weights=w); vcovCL(~inst)", "sandwich",
    c(covs(l, lung$inst), sigma = s$sigma, r_squared = s$r.squared, p = list(unname(s$coefficients[, 4])),
      confint = list(unname(confint(l)))))
d <- svydesign(ids = ~1, weights = ~w, data = lung); dc <- svydesign(ids = ~inst, weights = ~w, data = lung)
for (one in list(list("svyglm_lung", d), list("svyglm_lung_cluster", dc))) {
  f <- svyglm(dead ~ age + sex, one[[2]], family = quasibinomial()); h <- svyglm(wt.loss ~ age + sex, one[[2]])
  add(one[[1]], "svyglm(dead~age+sex, quasibinomial); svyglm(wt.loss~age+sex)", "survey",
      list(coef = unname(coef(f)), se = unname(SE(f)), linear_coef = unname(coef(h)), linear_se = unname(SE(h))))
}
o <- lung[order(lung$inst), ]
f <- suppressWarnings(geeglm(dead ~ age + sex, binomial, o, weights = w, id = inst, corstr = "independence"))
h <- geeglm(wt.loss ~ age + sex, data = o, weights = w, id = inst, corstr = "independence")
add("geeglm_lung", "geeglm(dead~age+sex, binomial, weights=w, id=inst); geeglm(wt.loss~age+sex)", "geepack",
    list(coef = unname(coef(f)), se = unname(summary(f)$coefficients[, 2]), p = unname(summary(f)$coefficients[, 4]),
         linear_coef = unname(coef(h)), linear_se = unname(summary(h)$coefficients[, 2])))
# Propensity weights of all estimands: Cox with robust errors, weighted Kaplan-Meier, weighted mean of survival at 5 y.
g <- glm(hormon ~ age + meno + size1 + size2 + grade + nodes + pgr + er + chemo, binomial, rot)
e <- fitted(g); a <- rot$hormon; p <- mean(a)
ws <- list(ATE = ifelse(a == 1, 1 / e, 1 / (1 - e)), ATT = ifelse(a == 1, 1, e / (1 - e)),
           ATC = ifelse(a == 1, (1 - e) / e, 1), ATO = ifelse(a == 1, 1 - e, e),
           ATM = pmin(e, 1 - e) / ifelse(a == 1, e, 1 - e),
           ATE_stabilised = ifelse(a == 1, p / e, (1 - p) / (1 - e)))
wvar <- function(x, w) { w <- w / sum(w); sum(w * (x - sum(w * x))^2) / (1 - sum(w^2)) }
ks <- function(x, w) { u <- sort(unique(x)); f <- function(k) sapply(u, function(v) sum(w[a == k & x <= v]) / sum(w[a == k]))
  max(abs(f(1) - f(0))) }
for (n in names(ws)) {
  w <- ws[[n]]
  add(paste0("weights_", n), "coxph(Surv(rfstime,rfs)~hormon, weights=w, robust=TRUE); survfit(weights=w); geeglm(rfs~hormon)", "survival", {
    c1 <- coxph(Surv(rfstime, rfs) ~ hormon, rot, weights = w, robust = TRUE)
    c2 <- coxph(Surv(rfstime, rfs) ~ hormon, rot, weights = w, robust = TRUE, ties = "breslow")
    k <- summary(survfit(Surv(rfstime, rfs) ~ hormon, rot, weights = w, conf.type = "log-log", robust = TRUE), times = c(365, 1826.25, 3652.5))
    m <- geeglm(rfs ~ hormon, data = rot, weights = w, id = seq_along(w), corstr = "independence")
    x <- rot$nodes; m1 <- weighted.mean(x[a == 1], w[a == 1]); m0 <- weighted.mean(x[a == 0], w[a == 0])
    list(sum = sum(w), max = max(w), ess = c(sum(w[a == 1])^2 / sum(w[a == 1]^2), sum(w[a == 0])^2 / sum(w[a == 0]^2)),
         coef = unname(coef(c1)), se = sqrt(c1$var[1, 1]), breslow_coef = unname(coef(c2)), breslow_se = sqrt(c2$var[1, 1]),
         surv = k$surv, std_err = k$std.err, lower = k$lower, upper = k$upper, mean_difference = unname(coef(m)[2]),
         mean_se = summary(m)$coefficients[2, 2],
         nodes = list(smd_weighted = (m1 - m0) / sqrt((wvar(x[a == 1], w[a == 1]) + wvar(x[a == 0], w[a == 0])) / 2),
                   smd_treated = (m1 - m0) / sd(x[a == 1]), smd_comparator = (m1 - m0) / sd(x[a == 0]), smd_all = (m1 - m0) / sd(x),
                   smd_pooled = (m1 - m0) / sqrt((var(x[a == 1]) + var(x[a == 0])) / 2),
                   variance_ratio = wvar(x[a == 1], w[a == 1]) / wvar(x[a == 0], w[a == 0]), ks = ks(x, w)))
  })
}
q <- function(x, p) unname(quantile(x, p))
add("trimming", "quantile(e, type 7); Crump alpha 0.1; Stuermer 5 %; common support", "survival", list(
  crump = c(sum(a == 1 & (e < .1 | e > .9)), sum(a == 0 & (e < .1 | e > .9))),
  percentile = c(q(e[a == 1], .05), q(e[a == 0], .95)),
  support = c(max(min(e[a == 1]), min(e[a == 0])), min(max(e[a == 1]), max(e[a == 0]))),
  truncated_sum = sum(pmin(pmax(ws$ATE, q(ws$ATE, .01)), q(ws$ATE, .99)))))
nrd <- function(x) density(x)$bw
add("overlap", "sum(pmin(kde1, kde0)) by exact Gaussian kernels, bw.nrd0", "survival", {
  k <- function(x, at) { b <- bw.nrd0(x); sapply(at, function(v) mean(dnorm(v, x, b))) }
  at <- seq(-0.1, 1.1, length.out = 6001); list(overlap = sum(pmin(k(e[a == 1], at), k(e[a == 0], at))) * (at[2] - at[1]))
})
# Stacked estimating equations by numeric derivatives of the weighted mean difference: an independent way to the same error.
stack <- function(kind) {
  X <- model.matrix(g); y <- rot$rfs
  est <- function(b, w0 = rep(1, nrow(X))) { ee <- plogis(drop(X %*% b)); w <- w0 * switch(kind, ATE = ifelse(a == 1, 1 / ee, 1 / (1 - ee)),
    ATT = ifelse(a == 1, 1, ee / (1 - ee)), ATO = ifelse(a == 1, 1 - ee, ee)); c(sum(w * a * y) / sum(w * a), sum(w * (1 - a) * y) / sum(w * (1 - a))) }
  b <- coef(g); h <- 1e-6 * pmax(1, abs(b)); D <- sapply(seq_along(b), function(j) { u <- l <- b; u[j] <- u[j] + h[j]; l[j] <- l[j] - h[j]; (est(u) - est(l)) / (2 * h[j]) })
  ee <- fitted(g); w <- ws[[kind]]; m <- est(b)
  I <- cbind(w * a * (y - m[1]) / sum(w * a), w * (1 - a) * (y - m[2]) / sum(w * (1 - a))) + (X * (a - ee)) %*% solve(t(X) %*% (X * ee * (1 - ee))) %*% t(D)
  list(difference = m[1] - m[2], se = sqrt(sum((I[, 1] - I[, 2])^2)), se_means = sqrt(colSums(I^2)))
}
for (n in c("ATE", "ATT", "ATO")) add(paste0("stacked_", n), "numeric derivatives of the weighted means, base R", "survival", stack(n))
# AIPW, arm by arm linear outcome models, and its ATT; base R.
X <- model.matrix(g)[, -1]; y <- rot$rfs
m1 <- predict(lm(y ~ ., data.frame(y = y, X), subset = a == 1), data.frame(X)); m0 <- predict(lm(y ~ ., data.frame(y = y, X), subset = a == 0), data.frame(X))
phi <- m1 - m0 + a * (y - m1) / e - (1 - a) * (y - m0) / (1 - e)
att <- (a * (y - m0) - (1 - a) * e / (1 - e) * (y - m0)); t1 <- sum(att) / sum(a)
add("aipw_rotterdam", "mean(m1-m0+a(y-m1)/e-(1-a)(y-m0)/(1-e)), lm by arm", "survival", list(ate = mean(phi), se = sd(phi) / sqrt(length(phi)),
  att = t1, att_se = sd(att - a * t1) / mean(a) / sqrt(length(y))))
b1 <- glm(y ~ ., binomial, data.frame(y = y, a = a, X)); n1 <- data.frame(a = 1, X); n0 <- data.frame(a = 0, X)
p1 <- predict(b1, n1, type = "response"); p0 <- predict(b1, n0, type = "response")
Z1 <- cbind(1, 1, X); Z0 <- cbind(1, 0, X); gr <- colMeans(Z1 * p1 * (1 - p1)) - colMeans(Z0 * p0 * (1 - p0))
IF <- ((p1 - p0) - mean(p1 - p0)) / length(y) + estfun(b1) %*% vcov(b1) %*% gr
add("gcomp_logistic_rotterdam", "glm(rfs~hormon+x, binomial), predictions averaged; influence with estfun", "sandwich",
    list(one = mean(p1), zero = mean(p0), difference = mean(p1 - p0), se = sqrt(sum(IF^2)), att = mean((p1 - p0)[a == 1])))
# Entropy balancing by optim on the dual, moments 1 and 2; base R.
dual <- function(G, goal) { o <- optim(rep(0, ncol(G)), function(b) log(sum(exp(drop(sweep(G, 2, goal) %*% b)))), function(b) { w <- exp(drop(sweep(G, 2, goal) %*% b)); colSums(w * sweep(G, 2, goal)) / sum(w) },
  method = "BFGS", control = list(maxit = 5000, reltol = 1e-15)); w <- exp(drop(sweep(G, 2, goal) %*% o$par)); w / sum(w) }
L <- scale(with(lalonde, cbind(age, educ, race == "black", race == "hispan", married, nodegree, re74, re75))); t <- lalonde$treat
L2 <- cbind(L, scale(L[, c(1, 2, 7, 8)]^2))
for (one in list(list("1", L), list("2", L2))) {
  w <- dual(one[[2]][t == 0, ], colMeans(one[[2]][t == 1, ]))
  add(paste0("ebal_lalonde_moments_", one[[1]]), "optim(BFGS) on log-sum-exp dual", "MatchIt",
      list(att = mean(lalonde$re78[t == 1]) - sum(w * lalonde$re78[t == 0]), ess = 1 / sum(w^2)))
}
w1 <- dual(L[t == 1, ], colMeans(L)); w0 <- dual(L[t == 0, ], colMeans(L))
add("ebal_lalonde_ate", "optim(BFGS) on log-sum-exp dual, both arms to all", "MatchIt",
    list(ate = sum(w1 * lalonde$re78[t == 1]) - sum(w0 * lalonde$re78[t == 0]), ess = c(1 / sum(w1^2), 1 / sum(w0^2))))
# Abadie-Imbens: a continuous score without ties.
set.seed(3); n <- 400; x <- rnorm(n); tr <- rbinom(n, 1, plogis(x - .5)); yy <- round(x + tr + rnorm(n), 6); x <- round(x, 8)
for (M in c(1, 3)) for (J in c(1, 2)) {
  r <- Match(yy, tr, x, M = M, estimand = "ATT", Var.calc = J, version = "standard", BiasAdjust = FALSE, ties = TRUE, distance.tolerance = 1e-14)
  c0 <- Match(yy, tr, x, M = M, estimand = "ATC", Var.calc = J, BiasAdjust = FALSE, distance.tolerance = 1e-14)
  add(sprintf("abadie_imbens_%d_%d", M, J), sprintf("Match(y, tr, x, M=%d, Var.calc=%d, distance.tolerance=1e-14)", M, J), "Matching",
      list(att = as.numeric(r$est), se = r$se, atc = as.numeric(c0$est), atc_se = c0$se))
}
out$abadie_imbens_data <- list(y = yy, treated = tr, x = x)
m <- matchit(treat ~ age + educ + race + married + nodegree + re74 + re75, lalonde, link = "linear.logit")
md <- match.data(m)
f <- lm(re78 ~ treat, md, weights = weights)
add("matched_cluster", "lm(re78~treat, match.data, weights); vcovCL(~subclass)", "sandwich",
    list(att = unname(coef(f)[2]), se = sqrt(vcovCL(f, ~subclass)[2, 2])))
out$meta <- list(R = R.version.string, script = "tests/golden/r/causal_models.R",
                 packages = sapply(c("survival", "sandwich", "survey", "geepack", "MatchIt", "Matching"), function(p) as.character(packageVersion(p))))
cat(toJSON(out, digits = 14, auto_unbox = TRUE, na = "null"))
