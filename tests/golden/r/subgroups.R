# Makes subgroups.json: Rscript subgroups.R > subgroups.json
suppressMessages({library(survival); library(jsonlite); library(MatchIt)})
num <- function(x) unname(as.numeric(x))
out <- list()
effects <- function(fit, treat, levels, df = Inf) {
  b <- coef(fit); V <- vcov(fit); n <- names(b)
  est <- se <- numeric(0)
  for (l in levels) {
    v <- rep(0, length(b)); v[n == treat] <- 1
    v[n == paste0(treat, ":g", l)] <- 1
    est <- c(est, sum(v * b)); se <- c(se, sqrt(c(v %*% V %*% v)))
  }
  list(estimate = est, se = se)
}
veteran$g <- veteran$celltype; veteran$t <- veteran$trt - 1
full <- coxph(Surv(time, status) ~ t * g + karno, veteran); red <- coxph(Surv(time, status) ~ t + g + karno, veteran)
k <- grep("t:g", names(coef(full))); w <- c(coef(full)[k] %*% solve(vcov(full)[k, k]) %*% coef(full)[k])
out$veteran_celltype <- c(effects(full, "t", levels(veteran$g)), list(call = "coxph(Surv(time, status) ~ trt * celltype + karno, veteran)",
  levels = levels(veteran$g), lr = num(2 * (logLik(full) - logLik(red))), wald = w, p = num(pchisq(2 * (logLik(full) - logLik(red)), 3, lower.tail = FALSE))))
lung2 <- lung[!is.na(lung$ph.ecog) & lung$ph.ecog < 3, ]; lung2$g <- factor(lung2$ph.ecog); lung2$t <- lung2$sex - 1
full <- coxph(Surv(time, status) ~ t * g, lung2); red <- coxph(Surv(time, status) ~ t + g, lung2)
k <- grep("t:g", names(coef(full))); w <- c(coef(full)[k] %*% solve(vcov(full)[k, k]) %*% coef(full)[k])
out$lung_ecog <- c(effects(full, "t", levels(lung2$g)), list(call = "coxph(Surv(time, status) ~ sex * factor(ph.ecog), lung, ph.ecog < 3)",
  levels = levels(lung2$g), lr = num(2 * (logLik(full) - logLik(red))), wald = w, p = num(anova(red, full)[2, 4])))
data(lalonde); lalonde$g <- factor(lalonde$race); lalonde$t <- lalonde$treat; lalonde$y <- as.numeric(lalonde$re78 > 5000)
full <- glm(y ~ t * g + age + educ, binomial, lalonde, control = list(epsilon = 1e-14)); red <- glm(y ~ t + g + age + educ, binomial, lalonde, control = list(epsilon = 1e-14))
k <- grep("t:g", names(coef(full))); w <- c(coef(full)[k] %*% solve(vcov(full)[k, k]) %*% coef(full)[k])
out$lalonde_logistic <- c(effects(full, "t", levels(lalonde$g)), list(call = "glm(re78 > 5000 ~ treat * race + age + educ, binomial, lalonde)",
  levels = levels(lalonde$g), lr = red$deviance - full$deviance, wald = w, p = pchisq(red$deviance - full$deviance, 2, lower.tail = FALSE)))
full <- lm(re78 ~ t * g + age + educ, lalonde); red <- lm(re78 ~ t + g + age + educ, lalonde); a <- anova(red, full)
out$lalonde_linear <- c(effects(full, "t", levels(lalonde$g)), list(call = "lm(re78 ~ treat * race + age + educ, lalonde)",
  levels = levels(lalonde$g), f = a$F[2], df = full$df.residual, p = a[["Pr(>F)"]][2]))
inst <- lung[!is.na(lung$inst) & lung$inst %in% c(1, 3, 12, 13, 22), ]
out$lung_sites <- list(call = "coxph(Surv(time, status) ~ sex + age, lung without one of inst 1, 3, 12, 13, 22)",
  sites = c(1, 3, 12, 13, 22), estimate = sapply(c(1, 3, 12, 13, 22), function(i) num(coef(coxph(Surv(time, status) ~ sex + age, inst[inst$inst != i, ]))[1])),
  se = sapply(c(1, 3, 12, 13, 22), function(i) sqrt(vcov(coxph(Surv(time, status) ~ sex + age, inst[inst$inst != i, ]))[1, 1])))
strat <- lung[!is.na(lung$ph.karno), ]; strat$t <- strat$sex - 1; strat$k <- as.integer(strat$ph.karno >= 90)
full <- coxph(Surv(time, status) ~ I(t * (1 - k)) + I(t * k) + age + strata(k), strat); red <- coxph(Surv(time, status) ~ t + age + strata(k), strat)
out$lung_stratified <- list(call = "coxph(Surv(time, status) ~ I(t * (1 - k)) + I(t * k) + age + strata(k), lung), t = sex - 1, k = ph.karno >= 90",
  levels = c("0", "1"), estimate = unname(coef(full)[1:2]), se = sqrt(diag(vcov(full)))[1:2], lr = num(2 * (logLik(full) - logLik(red))))
p <- c(0.01, 0.04, 0.03, 0.005, 0.8, 0.04)
out$adjust <- list(p = p, holm = p.adjust(p, "holm"), hochberg = p.adjust(p, "hochberg"))
out$meta <- list(R = R.version.string, survival = as.character(packageVersion("survival")), script = "subgroups.R")
cat(toJSON(out, digits = 14, pretty = 1))
