# Pseudo-values, recurrent events and landmarks by R.
# Rscript survival_events.R FRAMES > survival_events.json  (FRAMES: see survival_frames.py)
suppressMessages({library(survival); library(cmprsk); library(geepack); library(jsonlite)})
folder <- commandArgs(trailingOnly = TRUE)[1]
frame <- function(name) read.csv(file.path(folder, paste0(name, ".csv")))

# --- pseudo-values: by leaving each subject out, and by survival::pseudo --------------------------------
surv_at <- function(t, e, at) summary(survfit(Surv(t, e) ~ 1), times = at, extend = TRUE)$surv
area_at <- function(t, e, tau) {
  f <- survfit(Surv(t, e) ~ 1); x <- c(0, f$time[f$time < tau], tau); sum(diff(x) * c(1, f$surv[f$time < tau])) }
cif_at <- function(t, s, cause, at) {
  f <- survfit(Surv(t, factor(s, 0:2)) ~ 1); summary(f, times = at, extend = TRUE)$pstate[, cause + 1] }
leave <- function(n, whole, without) { all <- whole(seq_len(n)); t(sapply(seq_len(n), function(i) n * all - (n - 1) * without(i))) }
shape <- function(m, at) if (nrow(m) == 1 && length(at) == 1) t(m) else m
pseudo_case <- function(name, what, at, cause = 1) {
  d <- frame(name); n <- nrow(d)
  if (what == "incidence") { d$s <- factor(d$status, 0:2); d$row <- seq_len(n) }
  d <<- d  # pseudo() looks for the data of the call at the top
  value <- function(keep) switch(what, survival = surv_at(d$time[keep], d$event[keep], at),
    rmst = sapply(at, function(u) area_at(d$time[keep], d$event[keep], u)), incidence = cif_at(d$time[keep], d$status[keep], cause, at))
  pv <- shape(leave(n, value, function(i) value(-i)), at)
  ij <- switch(what, survival = pseudo(survfit(Surv(time, event) ~ 1, d), times = at, type = "survival"),
    rmst = pseudo(survfit(Surv(time, event) ~ 1, d), times = at, type = "rmst"),
    incidence = { p <- pseudo(survfit(Surv(time, s) ~ 1, d, id = row), times = at, type = "pstate")
      if (length(dim(p)) == 3) p[, , cause + 1] else p[, cause + 1] })
  first <- c(1:8, (n - 3):n)
  list(frame = name, what = what, cause = cause, at = I(at), rows = first, jackknife = pv[first, , drop = FALSE],
       infinitesimal = unname(as.matrix(ij)[first, , drop = FALSE]), total = colSums(pv), square = colSums(pv^2), all = pv)
}
regress <- function(p, covariates, link) {
  d <- frame(p$frame); n <- nrow(d); m <- length(p$at); y <- p$all
  long <- data.frame(id = rep(seq_len(n), m), time = factor(rep(seq_len(m), each = n)), y = as.vector(y))
  for (v in covariates) long[[v]] <- rep(as.numeric(d[[v]]), m)
  long <- long[order(long$id, long$time), ]
  f <- as.formula(paste("y ~", if (m > 1) "time - 1 +" else "", paste(covariates, collapse = "+")))
  # geese's own start needs values inside the range of the link, which pseudo-values are not.
  mu <- pmin(pmax(colMeans(y), 0.01), if (link %in% c("logit", "cloglog")) 0.99 else Inf)
  b0 <- switch(link, identity = mu, log = log(mu), logit = qlogis(mu), cloglog = log(-log(1 - mu)))
  g <- geese(f, b = c(b0, rep(0, length(covariates))), id = id, data = long, mean.link = link, corstr = "independence", scale.fix = TRUE,
             control = geese.control(epsilon = 1e-13, maxit = 200), family = "gaussian")
  list(covariates = I(covariates), link = link, coef = unname(g$beta), se = unname(sqrt(diag(g$vbeta))))
}
pseudos <- list()
for (one in list(list("lung", "survival", c(180, 365)), list("lung", "rmst", c(365, 500)), list("lung", "rmst", 500),
    list("ties", "survival", c(2, 5, 8)), list("ties", "rmst", c(5, 9)), list("ovarian", "survival", c(400, 600)), list("aml", "rmst", 40),
    list("bmt", "incidence", c(100, 365)), list("bmt", "incidence", c(100, 365, 700), 2), list("ties", "incidence", c(2, 5, 8)),
    list("bmt", "survival", c(100, 365)), list("bmt", "rmst", 365), list("veteran", "survival", 100))) {
  p <- pseudo_case(one[[1]], one[[2]], one[[3]], if (length(one) > 3) one[[4]] else 1)
  cov <- switch(one[[1]], lung = c("group", "age"), ties = "cluster", ovarian = c("group", "age"), aml = "group", bmt = c("z1", "z8"), veteran = c("trt", "karno"))
  links <- switch(one[[2]], rmst = c("identity", "log"), survival = c("identity", "logit"), incidence = c("identity", "cloglog"))
  if (one[[1]] %in% c("ties", "ovarian")) links <- "identity"
  p$fits <- lapply(links, function(l) regress(p, cov, l)); p$all <- NULL
  pseudos <- c(pseudos, list(p))
}

# --- recurrent events ----------------------------------------------------------------------------------
mcf <- function(name, level = NULL, weights = FALSE) {
  d <- frame(name); if (!is.null(level)) d <- d[as.character(d$group) == level, ]
  d$w <- if (weights) 0.5 + (d$cluster %% 4) / 3 else 1
  fit <- survfit(Surv(entry, time, event) ~ 1, d, id = cluster, cluster = cluster, weights = w, robust = TRUE)
  at <- unique(fit$time[round(seq(1, length(fit$time), length.out = 12))])
  s <- summary(fit, times = at)
  list(frame = name, level = level, weights = weights, times = s$time, mcf = s$cumhaz, std_err = s$std.chaz, n_risk = s$n.risk)
}
mcfs <- list(mcf("bladder2", "1"), mcf("bladder2", "2"), mcf("bladder2"), mcf("cgd", "placebo"), mcf("cgd", "rIFN-g"), mcf("cgd"),
             mcf("bladder2", "1", TRUE), mcf("cgd", NULL, TRUE))

cox <- function(name, covariates, model, max_events = NULL, ties = "efron") {
  d <- frame(name); d$x <- 1
  if (model == "wlw") {
    # cgd: to the k-th infection or the end of follow-up, for all k
    if (name == "cgd") d <- do.call(rbind, lapply(split(d, d$cluster), function(r) { r <- r[order(r$time), ]; end <- max(r$time)
      ev <- r$time[r$event == 1]; out <- r[rep(1, max_events), ]; out$enum <- seq_len(max_events); out$entry <- 0
      out$time <- ifelse(seq_len(max_events) <= length(ev), ev[seq_len(max_events)], end); out$event <- as.integer(seq_len(max_events) <= length(ev)); out }))
    f <- "Surv(time, event) ~"
  } else if (model == "pwp-gap") { d$gap <- d$time - d$entry; f <- "Surv(gap, event) ~" } else f <- "Surv(entry, time, event) ~"
  if (!is.null(max_events) && model != "wlw") d <- d[d$enum <= max_events, ]
  s <- if (model == "andersen-gill") "" else "+ strata(enum)"
  fit <- coxph(as.formula(paste(f, paste(covariates, collapse = "+"), s)), d, cluster = cluster, ties = ties)
  sm <- summary(fit)
  list(frame = name, covariates = I(covariates), model = model, max_events = max_events, ties = ties, coef = unname(coef(fit)),
       se = unname(sqrt(diag(fit$var))), naive_se = unname(sqrt(diag(fit$naive.var))), loglik = fit$loglik[2], n = fit$n, nevent = fit$nevent,
       robust_score = unname(sm$robscore["test"]))
}
b <- c("group", "number", "size")
g <- c("age", "steroids")
coxes <- list()
for (ties in c("efron", "breslow")) coxes <- c(coxes, list(cox("bladder2", b, "andersen-gill", ties = ties), cox("bladder2", b, "pwp-total", ties = ties),
  cox("bladder2", b, "pwp-gap", ties = ties), cox("bladder2", b, "pwp-total", 3, ties), cox("bladder", b, "wlw", ties = ties),
  cox("cgd", g, "andersen-gill", ties = ties), cox("cgd", g, "pwp-total", 3, ties), cox("cgd", g, "pwp-gap", 3, ties), cox("cgd", g, "wlw", 3, ties)))

# --- landmarks -----------------------------------------------------------------------------------------
land <- function(at) {
  d <- frame("pbcseq"); one <- d[!duplicated(d$id), ]
  kept <- one[one$futime > at, ]
  last <- sapply(kept$id, function(i) { r <- d[d$id == i & d$day <= at, ]; r$bili[which.max(r$day)] })
  fit <- coxph(Surv(futime - at, status == 2) ~ log(last) + age, kept)
  list(landmark = at, n = nrow(kept), died = sum(one$futime <= at & one$status == 2), transplanted = sum(one$futime <= at & one$status == 1),
       censored = sum(one$futime <= at & one$status == 0), sum_bili = sum(last), coef = unname(coef(fit)), se = unname(sqrt(diag(fit$var))))
}
landmarks <- list(land(365), land(730), land(1500))
horizon <- local({ d <- frame("pbc"); k <- d[d$time > 365, ]; e <- ifelse(k$time > 1825, 0, k$event); t <- pmin(k$time, 1825) - 365
  f <- coxph(Surv(t, e) ~ group + age, k); list(n = nrow(k), coef = unname(coef(f)), se = unname(sqrt(diag(f$var)))) })

cat(toJSON(list(meta = list(R = R.version.string, survival = as.character(packageVersion("survival")), geepack = as.character(packageVersion("geepack")),
  script = "survival_events.R", calls = list(pseudos = "survfit without each subject; pseudo(fit, times, type); geese(mean.link=, corstr='independence')",
  mcfs = "survfit(Surv(entry, time, event) ~ 1, id=, cluster=, weights=, robust=TRUE)$cumhaz", coxes = "coxph(... + strata(enum), cluster=, ties=)",
  landmarks = "coxph(Surv(futime - at, status == 2) ~ log(bili known) + age, futime > at)")),
  pseudos = pseudos, mcfs = mcfs, coxes = coxes, landmarks = landmarks, horizon = horizon), auto_unbox = TRUE, digits = I(13), na = "null", null = "null"))
