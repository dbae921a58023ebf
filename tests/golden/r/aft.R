# Makes aft.json: parametric survival models of R's survreg, and distributions by direct maximisation of
# R's own density and distribution functions.
#   Rscript aft.R aft.json
suppressMessages({library(survival); library(jsonlite)})
l <- na.omit(lung[, c("time", "status", "age", "sex", "ph.ecog", "inst")])
lung_ <- with(l, data.frame(time, event = status - 1, age, sex, ecog = ph.ecog, inst, w = 0.5 + (age %% 7) / 5))
veteran_ <- with(veteran, data.frame(time, event = status, trt, karno, small = 1 * (celltype == "smallcell"),
  adeno = 1 * (celltype == "adeno"), large = 1 * (celltype == "large"), w = 0.25 + (age %% 5), age))
p <- pbc[!is.na(pbc$trt), ]
pbc_ <- with(p, data.frame(time, event = 1 * (status == 2), trt, age, edema, logbili = log(bili), albumin))
ovarian_ <- with(ovarian, data.frame(time = futime, event = fustat, age, rx))
r <- rotterdam[seq_len(nrow(rotterdam)) %% 2 == 1, ]
rotterdam_ <- with(r, data.frame(time = rtime, event = recur, hormon, age, lognodes = log(1 + nodes)))
frames <- list(lung = lung_, veteran = veteran_, pbc = pbc_, ovarian = ovarian_, rotterdam = rotterdam_)
specs <- list(list("lung", c("age", "sex", "ecog")), list("veteran", c("trt", "karno", "small", "adeno", "large")),
  list("pbc", c("age", "edema", "logbili", "albumin")), list("ovarian", c("age", "rx")), list("rotterdam", c("hormon", "age", "lognodes")),
  list("lung", character(0)), list("lung", c("age", "sex", "ecog"), w = "w"), list("lung", c("age", "sex", "ecog"), cl = "inst"),
  list("veteran", c("trt", "karno"), w = "w"))
num <- function(x) unname(as.numeric(x))
out <- list()
for (s in specs) for (dist in c("weibull", "exponential", "lognormal", "loglogistic")) {
  d <- frames[[s[[1]]]]
  rhs <- if (length(s[[2]])) paste(s[[2]], collapse = " + ") else "1"
  more <- c(if (!is.null(s$w)) paste("weights =", s$w), if (!is.null(s$cl)) paste("cluster =", s$cl))
  call <- sprintf("survreg(%s)", paste(c(sprintf("Surv(time, event) ~ %s, d, dist = '%s'", rhs, dist), more), collapse = ", "))
  fit <- eval(parse(text = call))
  rows <- c(1, nrow(d))
  q <- lapply(c(0.1, 0.5, 0.9), function(p) { u <- predict(fit, d[rows, ], type = "uquantile", p = p, se.fit = TRUE)
    list(p = p, value = num(exp(u$fit)), se = num(u$se.fit)) })
  out[[length(out) + 1]] <- list(id = paste(c(s[[1]], length(s[[2]]), dist, s$w, s$cl), collapse = "_"), frame = s[[1]], x = as.list(s[[2]]),
    distribution = dist, weights = s$w, cluster = s$cl, call = call, package = "survival", version = as.character(packageVersion("survival")),
    values = list(coef = num(fit$coefficients[seq_len(length(s[[2]]) + 1)]), scale = fit$scale, var = unname(fit$var),
      loglik = fit$loglik[2], loglik0 = fit$loglik[1], quantiles = q))
}
# Distributions: minus log-likelihood with R's d/p functions; optim, then a second derivative by Richardson (here: nlm twice).
surv_ll <- function(theta, d, logf, logs) { v <- ifelse(d$event == 1, logf(d$time, theta), logs(d$time, theta)); -sum(v) }
gg <- list(
  gamma = list(start = function(d) c(0, -log(mean(d$time))),
    logf = function(t, th) dgamma(t, exp(th[1]), exp(th[2]), log = TRUE), logs = function(t, th) pgamma(t, exp(th[1]), exp(th[2]), lower.tail = FALSE, log.p = TRUE)),
  gompertz = list(start = function(d) c(0.0001, log(sum(d$event) / sum(d$time))),
    logf = function(t, th) th[2] + th[1] * t - exp(th[2]) * expm1(th[1] * t) / th[1], logs = function(t, th) -exp(th[2]) * expm1(th[1] * t) / th[1]),
  gengamma = list(start = function(d) c(log(mean(d$time)), 0, 0.5),
    logf = function(t, th) { s <- exp(th[2]); Q <- th[3]; w <- (log(t) - th[1]) / s; k <- 1 / Q^2
      log(abs(Q)) + k * log(k) - log(s) - log(t) - lgamma(k) + k * (Q * w - exp(Q * w)) },
    logs = function(t, th) { s <- exp(th[2]); Q <- th[3]; w <- (log(t) - th[1]) / s; k <- 1 / Q^2
      pgamma(k * exp(Q * w), k, lower.tail = Q < 0, log.p = TRUE) }))
uni <- list()
for (name in c("lung", "veteran", "pbc", "rotterdam")) for (dist in names(gg)) {
  d <- frames[[name]]
  if (dist == "gompertz") d$time <- d$time / 365.25
  g <- gg[[dist]]
  f <- function(th) surv_ll(th, d, g$logf, g$logs)
  best <- optim(if (dist == "gompertz") c(0.01, log(sum(d$event) / sum(d$time))) else g$start(d), f, control = list(maxit = 20000, reltol = 1e-15))
  for (i in 1:6) best <- optim(best$par, f, control = list(maxit = 20000, reltol = 1e-16))
  grad <- function(th) sapply(seq_along(th), function(j) { h <- 1e-4 * max(1, abs(th[j])); e <- replace(0 * th, j, h); (f(th - 2 * e) - 8 * f(th - e) + 8 * f(th + e) - f(th + 2 * e)) / (12 * h) })
  hess <- function(th) { H <- sapply(seq_along(th), function(j) { h <- 1e-3 * max(1, abs(th[j])); e <- replace(0 * th, j, h); (grad(th - 2 * e) - 8 * grad(th - e) + 8 * grad(th + e) - grad(th + 2 * e)) / (12 * h) }); (H + t(H)) / 2 }
  th <- best$par
  for (i in 1:5) th <- th - solve(hess(th), grad(th))
  uni[[length(uni) + 1]] <- list(id = paste(name, dist, sep = "_"), frame = name, years = dist == "gompertz", distribution = dist,
    call = "maximum of sum(event log f + (1 - event) log S) with R's dgamma/pgamma, or the written density", package = "stats", version = R.version.string,
    values = list(theta = th, se = sqrt(diag(solve(hess(th)))), loglik = -f(th), times = num(quantile(d$time, c(0.2, 0.8))),
      surv = num(exp(g$logs(quantile(d$time, c(0.2, 0.8)), th)))))
}
write(toJSON(list(R = R.version.string, results = out, distributions = uni), digits = I(12), auto_unbox = TRUE, null = "null", na = "null"), commandArgs(TRUE)[1])
