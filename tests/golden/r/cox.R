# Makes cox_efron.json and cox_breslow.json: Cox models of R's survival, with everything that can be asked of them.
#   Rscript cox.R FOLDER
# The frames below are made again in cox_frames.py from the data sets of Python wheels.
suppressMessages({library(survival); library(jsonlite)})
frames <- list()
l <- na.omit(lung[, c("time", "status", "age", "sex", "ph.ecog", "inst")])
frames$lung <- with(l, data.frame(time, event = status - 1, age, sex, ecog = ph.ecog, inst,
  w2 = 1 + age %% 3, w = 0.5 + (age %% 7) / 5, off = age / 50, start = (age * 7) %% 5,
  years = age + time / 365.25, birth = age, month = ceiling(time / 60), big = 3 * time / 10))
v <- veteran
frames$veteran <- with(v, data.frame(time, event = status, trt, karno, small = 1 * (celltype == "smallcell"),
  adeno = 1 * (celltype == "adeno"), large = 1 * (celltype == "large"), cell = as.integer(celltype), prior,
  month = ceiling(time / 30), w = 0.25 + (age %% 5), age))
co <- colon[!is.na(colon$nodes) & !is.na(colon$differ), ]
frames$colon <- with(co, data.frame(time, event = status, lev = 1 * (rx == "Lev"), fu = 1 * (rx == "Lev+5FU"), sex, age,
  nodes, differ, extent, etype, id))
frames$colondeath <- frames$colon[frames$colon$etype == 2, ]
p <- pbc[!is.na(pbc$trt), ]
frames$pbc <- with(p, data.frame(time, event = 1 * (status == 2), trt, age, female = 1 * (sex == "f"), edema, logbili = log(bili),
  albumin, stage = ifelse(is.na(stage), 0, stage), w2 = 1 + id %% 4))
frames$kidney <- with(kidney, data.frame(time, event = status, age, sex, gn = 1 * (disease == "GN"), an = 1 * (disease == "AN"), id))
frames$bladder <- with(bladder, data.frame(time = stop, event, rx, number, size, enum, id, rx1 = rx * (enum == 1), rx2 = rx * (enum == 2),
  rx3 = rx * (enum == 3), rx4 = rx * (enum == 4)))
frames$bladder2 <- with(bladder2, data.frame(start, time = stop, event, rx, number, size, enum, id, gap = stop - start))
frames$heart <- with(heart, data.frame(start, time = stop, event, age, year, surgery, transplant = as.integer(transplant) - 1, id,
  w = 0.5 + id %% 4))
frames$cgd <- with(cgd, data.frame(start = tstart, time = tstop, event = status, treat = as.integer(treat) - 1, age, steroids,
  hosp = as.integer(hos.cat), id, enum))
fl <- flchain[!is.na(flchain$creatinine) & seq_len(nrow(flchain)) %% 4 == 0, ]
frames$flchain <- with(fl, data.frame(time = futime, event = death, age, male = 1 * (sex == "M"), kappa, lambda, group = flc.grp, creatinine,
  w = 0.1 + (sample.yr %% 4)))
r <- rotterdam[seq_len(nrow(rotterdam)) %% 2 == 1, ]
frames$rotterdam <- with(r, data.frame(time = rtime, event = recur, hormon, age, meno, grade, nodes, lognodes = log(1 + nodes),
  mid = 1 * (size == "20-50"), wide = 1 * (size == ">50"), chemo, year, w = 0.3 + (pgr %% 9) / 3))
m <- mgus2[!is.na(mgus2$hgb) & !is.na(mgus2$mspike), ]
frames$mgus2 <- with(m, data.frame(time = futime, event = death, age, male = 1 * (sex == "M"), hgb, mspike, dxyr,
  entry = age * 12, exit = age * 12 + futime))
frames$ovarian <- with(ovarian, data.frame(time = futime, event = fustat, age, rx, resid = resid.ds, ecog = ecog.ps))
m <- myeloid
frames$myeloid <- with(m, data.frame(time = futime, event = death, b = 1 * (trt == "B"), male = 1 * (sex == "m"), id))
rt <- retinopathy
frames$retinopathy <- with(rt, data.frame(time = futime, event = status, trt, adult = 1 * (type == "adult"), age, risk, id, eye = as.integer(eye)))
# Small tables made up for edge cases: ties of events and censoring, the last one dies, strata without events.
frames$edge <- data.frame(time = c(1, 1, 2, 2, 2, 3, 4, 4, 5, 6, 6, 6), event = c(1, 0, 1, 1, 0, 0, 1, 1, 1, 0, 1, 1),
  x = c(0.5, -1, 2, 0, 1, 0.3, -0.7, 1.5, 0.1, 0.9, -0.2, 0.4), z = c(1, 0, 0, 1, 1, 0, 1, 0, 0, 1, 0, 1),
  s = c(1, 1, 1, 1, 2, 2, 2, 2, 2, 3, 2, 1), w = c(1, 2.5, 0.3, 1, 4, 0.7, 2, 1, 1, 3, 0.5, 1),
  start = c(0, 0, 1, 0, 1, 2, 2, 0, 4, 5, 3, 5), id = c(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12))

models <- list()
add <- function(id, frame, time, event, x, terms = NULL, start = NULL, weights = NULL, strata = NULL, cluster = NULL,
                offset = NULL, ties = "efron", robust = NULL, init = NULL) {
  models[[length(models) + 1]] <<- list(id = id, frame = frame, time = time, event = event, x = x,
    terms = if (is.null(terms)) as.list(x) else terms, entry = start, weights = weights, strata = strata, cluster = cluster,
    offset = offset, ties = ties, robust = robust, init = init)
}
for (ties in c("efron", "breslow")) {
  n <- function(id) paste(id, ties, sep = "_")
  add(n("lung"), "lung", "time", "event", c("age", "sex", "ecog"), ties = ties)
  add(n("lung_month"), "lung", "month", "event", c("age", "sex", "ecog"), ties = ties)
  add(n("lung_strata"), "lung", "time", "event", c("age", "ecog"), strata = "sex", ties = ties)
  add(n("lung_inst_strata"), "lung", "time", "event", c("age", "sex", "ecog"), strata = "inst", ties = ties)
  add(n("lung_whole_weights"), "lung", "time", "event", c("age", "sex", "ecog"), weights = "w2", ties = ties)
  add(n("lung_weights"), "lung", "month", "event", c("age", "sex", "ecog"), weights = "w", ties = ties)
  add(n("lung_weights_cluster"), "lung", "time", "event", c("age", "sex", "ecog"), weights = "w", cluster = "inst", ties = ties)
  add(n("lung_weights_strata"), "lung", "month", "event", c("age", "ecog"), weights = "w", strata = "sex", ties = ties)
  add(n("lung_offset"), "lung", "time", "event", c("sex", "ecog"), offset = "off", ties = ties)
  add(n("lung_entry"), "lung", "time", "event", c("age", "sex", "ecog"), start = "start", ties = ties)
  add(n("lung_age_scale"), "lung", "years", "event", c("sex", "ecog"), start = "birth", ties = ties)
  add(n("veteran"), "veteran", "time", "event", c("trt", "karno", "small", "adeno", "large"),
      terms = list("trt", "karno", c("small", "adeno", "large")), ties = ties)
  add(n("veteran_month"), "veteran", "month", "event", c("trt", "karno", "small", "adeno", "large"),
      terms = list("trt", "karno", c("small", "adeno", "large")), ties = ties)
  add(n("veteran_strata"), "veteran", "month", "event", c("trt", "karno", "prior"), strata = "cell", ties = ties)
  add(n("veteran_weights"), "veteran", "month", "event", c("trt", "karno", "small", "adeno", "large"),
      terms = list("trt", "karno", c("small", "adeno", "large")), weights = "w", ties = ties)
  add(n("colon_death"), "colondeath", "time", "event", c("lev", "fu", "sex", "age", "nodes"),
      terms = list(c("lev", "fu"), "sex", "age", "nodes"), strata = "extent", ties = ties)
  add(n("colon_wlw"), "colon", "time", "event", c("lev", "fu", "nodes"), terms = list(c("lev", "fu"), "nodes"), strata = "etype",
      cluster = "id", ties = ties)
  add(n("pbc"), "pbc", "time", "event", c("age", "female", "edema", "logbili", "albumin"), ties = ties)
  add(n("pbc_weights_strata"), "pbc", "time", "event", c("age", "edema", "logbili", "albumin"), weights = "w2", strata = "stage", ties = ties)
  add(n("kidney"), "kidney", "time", "event", c("age", "sex", "gn", "an"), terms = list("age", "sex", c("gn", "an")), cluster = "id", ties = ties)
  add(n("bladder_wlw"), "bladder", "time", "event", c("rx", "number", "size"), strata = "enum", cluster = "id", ties = ties)
  add(n("bladder_wlw_by_event"), "bladder", "time", "event", c("rx1", "rx2", "rx3", "rx4", "number", "size"), strata = "enum", cluster = "id", ties = ties)
  add(n("bladder2_ag"), "bladder2", "time", "event", c("rx", "number", "size"), start = "start", cluster = "id", ties = ties)
  add(n("bladder2_pwp"), "bladder2", "time", "event", c("rx", "number", "size"), start = "start", strata = "enum", cluster = "id", ties = ties)
  add(n("bladder2_pwp_gap"), "bladder2", "gap", "event", c("rx", "number", "size"), strata = "enum", cluster = "id", ties = ties)
  add(n("heart"), "heart", "time", "event", c("age", "year", "surgery", "transplant"), start = "start", ties = ties)
  add(n("heart_strata"), "heart", "time", "event", c("age", "year", "transplant"), start = "start", strata = "surgery", ties = ties)
  add(n("heart_weights"), "heart", "time", "event", c("age", "year", "surgery", "transplant"), start = "start", weights = "w", cluster = "id", ties = ties)
  add(n("cgd_ag"), "cgd", "time", "event", c("treat", "age", "steroids"), start = "start", cluster = "id", ties = ties)
  add(n("cgd_strata"), "cgd", "time", "event", c("treat", "age"), start = "start", strata = "hosp", cluster = "id", ties = ties)
  add(n("flchain"), "flchain", "time", "event", c("age", "male", "kappa", "lambda", "creatinine"), ties = ties)
  add(n("flchain_strata"), "flchain", "time", "event", c("age", "male", "creatinine"), strata = "group", weights = "w", ties = ties)
  add(n("rotterdam"), "rotterdam", "time", "event", c("hormon", "age", "meno", "grade", "lognodes", "mid", "wide", "chemo"),
      terms = list("hormon", "age", "meno", "grade", "lognodes", c("mid", "wide"), "chemo"), ties = ties)
  add(n("rotterdam_weights"), "rotterdam", "time", "event", c("hormon"), weights = "w", ties = ties)
  add(n("mgus2"), "mgus2", "time", "event", c("age", "male", "hgb", "mspike"), ties = ties)
  add(n("mgus2_age_scale"), "mgus2", "exit", "event", c("male", "hgb", "mspike"), start = "entry", ties = ties)
  add(n("ovarian"), "ovarian", "time", "event", c("age", "rx"), ties = ties)
  add(n("myeloid"), "myeloid", "time", "event", c("b"), strata = "male", ties = ties)
  add(n("retinopathy"), "retinopathy", "time", "event", c("trt", "adult", "risk"), cluster = "id", ties = ties)
  add(n("edge"), "edge", "time", "event", c("x", "z"), ties = ties)
  add(n("edge_weights"), "edge", "time", "event", c("x", "z"), weights = "w", ties = ties)
  add(n("edge_strata"), "edge", "time", "event", c("x"), strata = "s", ties = ties)
  add(n("edge_entry"), "edge", "time", "event", c("x", "z"), start = "start", ties = ties)
  add(n("edge_entry_weights"), "edge", "time", "event", c("x", "z"), start = "start", weights = "w", cluster = "id", ties = ties)
  add(n("edge_single"), "edge", "time", "event", c("x"), robust = TRUE, ties = ties)
}
add("lung_init", "lung", "time", "event", c("age", "sex", "ecog"), init = c(0.01, -0.3, 0.2))
add("lung_not_robust", "lung", "time", "event", c("age", "sex", "ecog"), weights = "w", robust = FALSE)
add("lung_robust", "lung", "time", "event", c("age", "sex", "ecog"), robust = TRUE)
add("lung_tenths", "lung", "big", "event", c("age", "sex", "ecog"))

call_of <- function(m) {
  rhs <- sapply(m$terms, function(t) if (length(t) == 1) t else paste0("cbind(", paste(t, collapse = ", "), ")"))
  if (!is.null(m$strata)) rhs <- c(rhs, paste0("strata(", m$strata, ")"))
  if (!is.null(m$offset)) rhs <- c(rhs, paste0("offset(", m$offset, ")"))
  lhs <- if (is.null(m$entry)) sprintf("Surv(%s, %s)", m$time, m$event) else sprintf("Surv(%s, %s, %s)", m$entry, m$time, m$event)
  more <- sprintf("ties = '%s'", m$ties)
  for (what in c("weights", "cluster")) if (!is.null(m[[what]])) more <- c(more, paste(what, m[[what]], sep = " = "))
  if (!is.null(m$robust)) more <- c(more, paste("robust =", m$robust))
  if (!is.null(m$init)) more <- c(more, paste0("init = c(", paste(m$init, collapse = ", "), ")"))
  sprintf("coxph(%s ~ %s, d, %s)", lhs, paste(rhs, collapse = " + "), paste(more, collapse = ", "))
}
mat <- function(x, rows) unname(as.matrix(x)[rows, , drop = FALSE])
num <- function(x) unname(as.numeric(x))
values <- function(m) {
  call <- call_of(m)
  assign("d", frames[[m$frame]], envir = globalenv())
  d <- frames[[m$frame]]
  fit <- eval(parse(text = call))
  n <- fit$n
  at <- unique(c(1, 2, 3, round(n / 2), n))
  out <- list(coef = num(fit$coefficients), var = unname(fit$var), naive = if (is.null(fit$naive.var)) unname(fit$var) else unname(fit$naive.var),
    loglik = fit$loglik, score = num(fit$score), robust_score = num(fit$rscore), wald = num(fit$wald.test), iter = fit$iter, n = n,
    events = fit$nevent, concordance = num(fit$concordance[c("concordance", "std", "concordant", "discordant", "tied.x", "tied.y", "tied.xy")]),
    p = unname(summary(fit)$coefficients[, ncol(summary(fit)$coefficients)]), limits = unname(exp(confint(fit))), rows = at)
  resid <- list()
  for (type in c("martingale", "deviance", "score", "dfbeta", "dfbetas")) {
    r <- residuals(fit, type)
    resid[[type]] <- list(rows = mat(r, at), sums = num(colSums(as.matrix(r)^2)))
  }
  resid$dfbeta_unweighted <- list(rows = mat(residuals(fit, "dfbeta", weighted = FALSE), at))
  resid$score_weighted <- list(rows = mat(residuals(fit, "score", weighted = TRUE), at))
  for (type in c("schoenfeld", "scaledsch")) {
    r <- as.matrix(residuals(fit, type))
    resid[[type]] <- list(rows = mat(r, unique(c(1, 2, nrow(r)))), sums = num(colSums(r^2)), time = num(as.numeric(rownames(r)[unique(c(1, 2, nrow(r)))])))
  }
  if (!is.null(m$cluster)) for (type in c("martingale", "deviance", "dfbeta", "score")) {
    r <- as.matrix(residuals(fit, type, collapse = d[[m$cluster]]))
    resid[[paste0(type, "_collapsed")]] <- list(rows = mat(r, 1:3), sums = num(colSums(r^2)))
  }
  out$residuals <- resid
  out$zph <- list()
  for (transform in c("km", "rank", "identity", "log")) {
    z <- tryCatch(cox.zph(fit, transform), error = function(e) NULL)
    if (is.null(z)) next
    rows <- unique(c(1, 2, 3, length(z$time)))
    out$zph[[transform]] <- list(table = unname(z$table), x = num(z$x[rows]), time = num(z$time[rows]), y = mat(z$y, rows),
      var = unname(z$var))
  }
  if (m$id %in% c("lung_efron", "veteran_efron", "lung_strata_efron", "rotterdam_efron")) for (transform in c("km", "log")) {
    # The curve and band that plot.cox.zph draws.
    z <- cox.zph(fit, transform)
    grid <- seq(min(z$x), max(z$x), length = 40)
    basis <- splines::ns(c(grid, z$x), df = 4, intercept = TRUE)
    curve <- lapply(seq_len(ncol(z$y)), function(i) { q <- qr(basis[-(1:40), ]); bk <- backsolve(q$qr[1:4, 1:4], diag(4))
      list(x = grid, estimate = num(basis[1:40, ] %*% qr.coef(q, z$y[, i])),
        half = num(2 * sqrt(z$var[i, i] * ((basis[1:40, ] %*% bk %*% t(bk)) * basis[1:40, ]) %*% rep(1, 4)))) })
    out$smooth[[transform]] <- curve
  }
  if (max(sapply(m$terms, length)) > 1) out$zph$columns <- list(table = unname(cox.zph(fit, terms = FALSE)$table))
  dt <- sort(unique(d[[m$time]][d[[m$event]] == 1]))
  times <- unname(c(dt[1] / 2, quantile(dt, c(0.1, 0.5, 0.9), type = 1), max(dt), max(dt) + 1))
  pick <- unique(c(1, round(n / 2), n))
  out$times <- times
  out$pick <- pick
  out$survfit <- list()
  for (kind in list(c("log", 2), c("log-log", 2), c("plain", 2), c("logit", 2), c("arcsin", 2), c("log", 1))) {
    curves <- lapply(pick, function(i) summary(survfit(fit, newdata = d[i, ], conf.type = kind[1], ctype = as.numeric(kind[2])), times, extend = TRUE))
    one <- list(surv = lapply(curves, function(x) num(x$surv)), cumhaz = lapply(curves, function(x) num(x$cumhaz)),
      se = lapply(curves, function(x) num(x$std.err)), lower = lapply(curves, function(x) num(x$lower)), upper = lapply(curves, function(x) num(x$upper)))
    if (kind[1] != "log") one <- one[c("lower", "upper")]
    out$survfit[[paste(kind, collapse = "_")]] <- one
  }
  out$kp <- lapply(pick, function(i) num(summary(survfit(fit, newdata = d[i, ], stype = 1), times, extend = TRUE)$surv))
  out$basehaz <- tail(basehaz(fit, centered = FALSE), 1)$hazard
  out$predict <- list()
  for (type in c("lp", "risk", "expected", "survival")) {
    got <- predict(fit, type = type, se.fit = TRUE)
    out$predict[[type]] <- list(fit = num(got$fit[at]), se = num(got$se.fit[at]))
  }
  for (reference in c("sample", "zero")) {
    got <- predict(fit, type = "lp", se.fit = TRUE, reference = reference)
    out$predict[[paste0("lp_", reference)]] <- list(fit = num(got$fit[at]), se = num(got$se.fit[at]))
  }
  list(id = m$id, spec = m, call = call, package = "survival", version = as.character(packageVersion("survival")), values = out)
}
results <- lapply(models, function(m) { message(m$id); values(m) })
for (ties in c("efron", "breslow")) {
  chosen <- Filter(function(one) one$spec$ties == ties, results)
  write(toJSON(list(R = R.version.string, results = chosen), digits = I(12), auto_unbox = TRUE, null = "null", na = "null"),
    file.path(commandArgs(TRUE)[1], sprintf("cox_%s.json", ties)))
}
