# Recurrence, and death without it, in the Rotterdam data: a planned cumulative incidence by R.
# Rscript competing_analysis.R > competing_analysis.json
# Status: 1 recurrence; 2 death on the day of the last check for recurrence or at a check; a death after the last
# check is censored at that check.
suppressMessages({library(survival); library(cmprsk); library(jsonlite)})
d <- survival::rotterdam
late <- d$recur == 0 & d$death == 1 & d$rtime < d$dtime
d$time <- ifelse(d$recur == 1 | late, d$rtime, d$dtime)
d$status <- ifelse(d$recur == 1, 1, ifelse(d$death == 1 & !late, 2, 0))
days <- c(365, 730, 1096, 1461, 1826, 2557, 3652)
z <- qnorm(0.975)

arm <- function(d) {
  tp <- timepoints(cuminc(d$time, d$status), days)
  side <- function(cause) {
    p <- tp$est[paste("1", cause), ]; se <- sqrt(tp$var[paste("1", cause), ])
    half <- z * se / (p * log(p))
    list(observed = sum(d$status == cause), incidence = unname(p), low = unname(p^exp(-half)), high = unname(p^exp(half)))
  }
  list(n = nrow(d), at_risk = sapply(days, function(t) sum(d$time >= t)), event = side(1), competing = side(2))
}
cox <- function(d, cause, formula) {
  m <- summary(coxph(formula, data = transform(d, own = as.numeric(status == cause)), ties = "efron"))$coefficients
  ci <- exp(m["hormon", "coef"] + c(-1, 1) * z * m["hormon", "se(coef)"])
  c(exp(m["hormon", "coef"]), ci, m["hormon", "se(coef)"], m["hormon", "Pr(>|z|)"])
}
fine_gray <- function(d, cause, columns) {
  m <- crr(d$time, d$status, as.matrix(d[columns]), failcode = cause)
  se <- sqrt(m$var[1, 1]); b <- m$coef[[1]]
  c(exp(b), exp(b + c(-1, 1) * z * se), se, 2 * pnorm(-abs(b / se)))
}
planned <- function(d, covariates = c(), strata = NULL) {
  terms <- c("hormon", covariates, if (!is.null(strata)) paste0("strata(", strata, ")"))
  formula <- reformulate(terms, response = "Surv(time, own)")
  tests <- if (is.null(strata)) cuminc(d$time, d$status, d$hormon)$Tests
           else cuminc(d$time, d$status, d$hormon, strata = d[[strata]])$Tests
  both <- function(give) list(event = give(1), competing = give(2))
  list(covariates = I(as.character(covariates)), strata = I(as.character(strata)), gray = both(function(k) unname(tests[k, c("stat", "df", "pv")])),
       cause_specific = both(function(k) cox(d, k, formula)),
       fine_gray = both(function(k) fine_gray(d, k, c("hormon", covariates))))
}
positive <- d[d$nodes > 0, ]
out <- list(
  meta = list(R = R.version.string, survival = as.character(packageVersion("survival")),
    cmprsk = as.character(packageVersion("cmprsk")), script = "competing_analysis.R",
    calls = list(curves = "cuminc(time, status), timepoints(); limits p^exp(-+z se/(p log p))",
      gray = "cuminc(time, status, hormon, strata=)$Tests",
      cause_specific = "coxph(Surv(time, status == k) ~ hormon + covariates + strata(), ties = 'efron')",
      fine_gray = "crr(time, status, cbind(hormon, covariates), failcode = k)")),
  days = days,
  arms = list(exposed = arm(positive[positive$hormon == 1, ]), comparator = arm(positive[positive$hormon == 0, ])),
  plans = list(crude = planned(positive), adjusted = planned(positive, c("age", "nodes")),
    stratified = planned(positive, c(), "size"), all = planned(d)),
  everybody = list(event = sum(d$status == 1), competing = sum(d$status == 2))
)
cat(toJSON(out, digits = 13, auto_unbox = TRUE), "\n")
