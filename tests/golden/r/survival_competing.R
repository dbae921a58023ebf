# Competing events by R: incidence curves, Gray's test, Fine-Gray models.
# Rscript survival_competing.R FRAMES > survival_competing.json  (FRAMES: see survival_frames.py)
suppressMessages({library(survival); library(cmprsk); library(jsonlite)})
folder <- commandArgs(trailingOnly = TRUE)[1]
frame <- function(name) read.csv(file.path(folder, paste0(name, ".csv")))

incidence <- function(name, level = NULL, conf_type = "log", conf_level = 0.95, entry = FALSE, weights = NULL,
                      cluster = NULL) {
  d <- frame(name)
  if (!is.null(level)) d <- d[as.character(d$group) == level, ]
  d$s <- factor(d$status); d$row <- seq_len(nrow(d))
  d$w <- if (is.null(weights)) 1 else d[[weights]]
  args <- list(if (entry) Surv(entry, time, s) ~ 1 else Surv(time, s) ~ 1, data = d, conf.type = conf_type,
               conf.int = conf_level)
  args$id <- d$row
  if (!is.null(weights)) args$weights <- d$w
  fit <- do.call(survfit, args)
  at <- if (length(fit$time) <= 25) fit$time else unique(round(fit$time[round(seq(1, length(fit$time), length.out = 15))]))
  at <- at[at >= min(fit$time)]
  s <- summary(fit, times = at)
  out <- list(frame = name, level = level, conf_type = conf_type, conf_level = conf_level, entry = entry,
    weights = weights, cluster = cluster, times = s$time, cif = s$pstate[, -1], std_err = s$std.err[, -1],
    lower = s$lower[, -1], upper = s$upper[, -1], surv = s$pstate[, 1], surv_std_err = s$std.err[, 1],
    n_risk = s$n.risk[, 1])
  if (!is.null(cluster)) {
    # survfit 3.5-3 does not sum within clusters here; its residuals do, added up by hand.
    res <- residuals(fit, times = at, type = "pstate", collapse = FALSE) * d$w
    by_state <- sapply(1:dim(res)[3], function(k) sqrt(colSums(rowsum(res[, , k], d[[cluster]])^2)))
    out$surv_std_err <- unname(by_state[, 1]); out$std_err <- unname(by_state[, -1]); out$lower <- out$upper <- NULL
  }
  if (!entry && is.null(weights) && is.null(cluster)) {
    ci <- cuminc(d$time, d$status)
    tp <- timepoints(ci, at)
    out$aalen_est <- t(tp$est); out$aalen_se <- sqrt(t(tp$var))
  }
  out
}
curves <- list()
for (ct in c("log", "log-log", "plain", "logit"))  # survfit fails on "arcsin" here
  curves <- c(curves, list(incidence("mgus2", "F", ct), incidence("bmt", "1", ct), incidence("ties", NULL, ct),
    incidence("pbc", NULL, ct, 0.9, weights = "weights")))
curves <- c(curves, list(incidence("mgus2", "M"), incidence("mgus2"), incidence("mgus2", weights = "weights"),
  incidence("mgus2", entry = TRUE), incidence("mgus2", "F", entry = TRUE, weights = "weights"),
  incidence("mgus2", "F", "plain", entry = TRUE), incidence("bmt", "2"), incidence("bmt", "3"), incidence("bmt"),
  incidence("ties", "a"), incidence("ties", "b", "plain"), incidence("ties", weights = "weights"),
  incidence("ties", entry = TRUE), incidence("ties", entry = TRUE, weights = "weights"),
  incidence("ties", cluster = "cluster"), incidence("ties", weights = "weights", cluster = "cluster"),
  incidence("mgus2", cluster = "decade"), incidence("pbc"), incidence("pbc", "1"), incidence("pbc", "2", "log-log"), incidence("zero"), incidence("zero", "1", "plain")))

gray <- function(name, group = "group", strata = NULL, rho = 0) {
  d <- frame(name)
  ci <- if (is.null(strata)) cuminc(d$time, d$status, d[[group]], rho = rho) else
    cuminc(d$time, d$status, d[[group]], d[[strata]], rho = rho)
  list(frame = name, group = group, strata = strata, rho = rho, causes = as.integer(rownames(ci$Tests)),
       chisq = unname(ci$Tests[, "stat"]), p = unname(ci$Tests[, "pv"]), df = unname(ci$Tests[, "df"]))
}
grays <- list()
for (rho in c(0, 1, 0.5, -1)) grays <- c(grays, list(gray("mgus2", rho = rho), gray("mgus2", strata = "decade", rho = rho),
  gray("bmt", rho = rho), gray("bmt", strata = "stratum", rho = rho), gray("ties", rho = rho),
  gray("ties", "three", rho = rho), gray("ties", strata = "stratum", rho = rho), gray("pbc", rho = rho),
  gray("pbc", "stratum", rho = rho), gray("pbc", strata = "stratum", rho = rho), gray("zero", rho = rho)))

model <- function(name, covariates, cause = 1, cengroup = NULL, at) {
  d <- frame(name)
  x <- as.matrix(d[, covariates, drop = FALSE])
  args <- list(d$time, d$status, x, failcode = cause, gtol = 1e-14, maxiter = 40)
  if (!is.null(cengroup)) args$cengroup <- d[[cengroup]]
  fit <- do.call(crr, args)
  loose <- do.call(crr, replace(args, c("gtol", "maxiter"), list(1e-6, 10)))
  p <- predict(fit, rbind(unname(colMeans(x)), unname(x[3, ])))
  place <- findInterval(at, p[, 1])
  out <- list(frame = name, covariates = I(covariates), cause = cause, cengroup = cengroup, coef = unname(fit$coef),
    coef_default_gtol = unname(loose$coef), se = unname(sqrt(diag(fit$var))), var = fit$var,
    loglik = fit$loglik, loglik_null = fit$loglik.null, x = rbind(unname(colMeans(x)), unname(x[3, ])), at = at,
    cif = unname(rbind(0, p[, -1, drop = FALSE])[place + 1, , drop = FALSE]), naive_se = unname(sqrt(diag(fit$invinf))))
  if (is.null(cengroup)) {
    d$fg_status <- factor(d$status)
    d$id_ <- seq_len(nrow(d))
    fg <- finegray(Surv(time, fg_status) ~ ., data = d, etype = as.character(cause), id = id_)
    f <- as.formula(paste("Surv(fgstart, fgstop, fgstatus) ~", paste(covariates, collapse = "+")))
    for (ties in c("efron", "breslow")) {
      cox <- coxph(f, weights = fgwt, data = fg, ties = ties, cluster = id_, eps = 1e-13, iter.max = 50)
      rows <- coxph(f, weights = fgwt, data = fg, ties = ties, eps = 1e-13, iter.max = 50)
      out[[paste0("fg_", ties)]] <- list(row_se = unname(sqrt(diag(rows$var))), coef = unname(coef(cox)), se = unname(sqrt(diag(cox$var))),
        naive_se = unname(sqrt(diag(cox$naive.var))), loglik = cox$loglik[2], rows = nrow(fg), weight_sum = sum(fg$fgwt),
        summed = sum(fg$fgwt * (fg$fgstop - fg$fgstart)))
    }
  }
  out
}
models <- list(model("mgus2", c("age", "male"), at = c(12, 60, 120, 240)), model("mgus2", c("age", "male"), 2, at = c(12, 60, 120, 240)),
  model("mgus2", c("age", "male", "hgb"), at = c(60, 120)), model("mgus2", "male", cengroup = "male", at = c(60, 120)),
  model("mgus2", c("age", "male"), cengroup = "male", at = c(60, 120)), model("mgus2", c("age", "male"), cengroup = "decade", at = c(60, 120)),
  model("bmt", c("z1", "z3", "z8"), at = c(100, 365, 700)), model("bmt", c("z1", "z8"), 2, at = c(100, 365, 700)),
  model("bmt", c("z1", "z8"), 1, "stratum", at = c(100, 365)), model("pbc", c("age", "logbili", "edema"), 2, at = c(500, 2000)),
  model("pbc", c("age", "logbili"), 1, at = c(500, 2000)), model("ties", "cluster", at = c(2, 5)), model("ties", "cluster", 2, at = c(2, 5)), model("zero", "x", at = c(0, 2, 6)), model("zero", "x", 2, at = c(0, 2, 6)))

# (start, stop] and strata in finegray: delayed entry changes the weights.
late <- function(name, covariates, cause, strata = NULL) {
  d <- frame(name); d$fg_status <- factor(d$status); d$id_ <- seq_len(nrow(d))
  if (!is.null(strata)) d$st <- d[[strata]]
  f <- if (is.null(strata)) Surv(entry, time, fg_status) ~ . else Surv(time, fg_status) ~ . + strata(st)
  fg <- finegray(f, data = d, etype = as.character(cause), id = id_)
  m <- as.formula(paste("Surv(fgstart, fgstop, fgstatus) ~", paste(covariates, collapse = "+")))
  cox <- coxph(m, weights = fgwt, data = fg, cluster = id_, eps = 1e-13, iter.max = 50)
  list(frame = name, covariates = I(covariates), cause = cause, strata = strata, coef = unname(coef(cox)),
       se = unname(sqrt(diag(cox$var))), loglik = cox$loglik[2], rows = nrow(fg), weight_sum = sum(fg$fgwt))
}
lates <- list(late("mgus2", c("age", "male"), 1), late("mgus2", c("age", "male"), 2), late("ties", "cluster", 1),
              late("mgus2", c("age"), 1, "male"), late("bmt", c("z1", "z8"), 1, "stratum"))

cat(toJSON(list(meta = list(R = R.version.string, survival = as.character(packageVersion("survival")),
  cmprsk = as.character(packageVersion("cmprsk")), script = "survival_competing.R",
  calls = list(curves = "survfit(Surv([entry,] time, factor(status)) ~ 1, id=, weights=, cluster=, conf.type=, conf.int=); cuminc(time, status), timepoints()",
    grays = "cuminc(time, status, group, strata, rho=)$Tests",
    models = "crr(time, status, x, failcode=, cengroup=, gtol=1e-14), predict.crr; finegray(etype=, id=), coxph(weights=fgwt, cluster=id, ties=)")),
  curves = curves, grays = grays, models = models, lates = lates), auto_unbox = TRUE, digits = I(13), na = "null", null = "null"))
