# MatchIt 4.5.1 on MatchIt::lalonde and survival::rotterdam; Rscript causal_matching.R > causal_matching.json
library(MatchIt); library(survival); library(jsonlite)
data(lalonde)
r <- survival::rotterdam
rot <- data.frame(treat = r$hormon, age = r$age, meno = r$meno, grade = r$grade, nodes = r$nodes, pgr = r$pgr,
                  er = r$er, chemo = r$chemo, y = r$dtime)
fl <- treat ~ age + educ + race + married + nodegree + re74 + re75
fr <- treat ~ age + meno + grade + nodes + pgr + er + chemo
rows <- function(names, data) match(names, rownames(data))
out <- list()
table_of <- function(m, y, pairs = TRUE) {
  w <- m$weights; t <- m$treat
  s <- suppressWarnings(summary(m, un = TRUE))
  v <- list(n_treated = sum(w > 0 & t == 1), n_comparator = sum(w > 0 & t == 0),
            att = weighted.mean(y[t == 1], w[t == 1]) - weighted.mean(y[t == 0], w[t == 0]),
            ess_comparator = sum(w[t == 0])^2 / sum(w[t == 0]^2), weight_sum_squares = sum(w^2),
            weight_checksum = sum(w * seq_along(w)),
            terms = rownames(s$sum.matched), matched = unname(s$sum.matched[, 1:6]), all = unname(s$sum.all[, 1:6]))
  if (!is.null(s$sum.across)) { v$terms <- rownames(s$sum.across); v$matched <- unname(s$sum.across[, 1:6]) }
  v
}
add <- function(id, call, m, y) {
  v <- table_of(m, y)
  out[[id]] <<- list(r_call = call, package = "MatchIt", version = as.character(packageVersion("MatchIt")), values = v)
}
run <- function(id, data, formula, ...) {
  call <- sub("^list", "matchit", paste(deparse(substitute(list(formula, ...))), collapse = " "))
  set.seed(1)
  d <- if (data == "lalonde") lalonde else rot
  m <- suppressWarnings(matchit(formula, data = d, ...))
  add(id, call, m, if (data == "lalonde") d$re78 else d$y)
}
for (data in c("lalonde", "rotterdam")) {
  f <- if (data == "lalonde") fl else fr
  p <- function(x) paste0(data, "_", x)
  run(p("nn"), data, f, method = "nearest")
  run(p("nn_smallest"), data, f, method = "nearest", m.order = "smallest")
  run(p("nn_data"), data, f, method = "nearest", m.order = "data")
  run(p("nn_2"), data, f, method = "nearest", ratio = 2)
  run(p("nn_replace"), data, f, method = "nearest", replace = TRUE)
  run(p("nn_caliper"), data, f, method = "nearest", caliper = 0.2)
  run(p("nn_caliper_logit"), data, f, method = "nearest", caliper = 0.2, link = "linear.logit")
  run(p("nn_caliper_logit_fixed"), data, f, method = "nearest", caliper = 1.5, link = "linear.logit", std.caliper = FALSE)
  run(p("nn_logit_replace"), data, f, method = "nearest", link = "linear.logit", replace = TRUE)
  run(p("nn_logit_2"), data, f, method = "nearest", link = "linear.logit", ratio = 2)
  run(p("nn_exact"), data, f, method = "nearest", exact = if (data == "lalonde") ~married else ~meno)
  run(p("nn_atc"), data, f, method = "nearest", estimand = "ATC", replace = TRUE)
  run(p("mahalanobis"), data, if (data == "lalonde") treat ~ age + educ + married + nodegree + re74 + re75 else fr,
      method = "nearest", distance = "mahalanobis")
  run(p("mahalanobis_2"), data, if (data == "lalonde") treat ~ age + educ + married + nodegree + re74 + re75 else fr,
      method = "nearest", distance = "mahalanobis", ratio = 2)
  run(p("mahalanobis_replace"), data, if (data == "lalonde") treat ~ age + educ + married + nodegree + re74 + re75 else fr,
      method = "nearest", distance = "mahalanobis", replace = TRUE)
  run(p("subclass"), data, f, method = "subclass")
  run(p("subclass_10"), data, f, method = "subclass", subclass = 10)
  run(p("subclass_ate"), data, f, method = "subclass", subclass = 5, estimand = "ATE")
  run(p("subclass_atc"), data, f, method = "subclass", subclass = 5, estimand = "ATC")
  run(p("subclass_quantiles"), data, f, method = "subclass", subclass = c(.25, .5, .9))
  run(p("subclass_min"), data, f, method = "subclass", subclass = 8, min.n = 4)
  run(p("subclass_drop"), data, f, method = "subclass", subclass = 20, min.n = 0)
}
run("lalonde_cem", "lalonde", treat ~ race + married + nodegree + educ, method = "cem")
run("lalonde_cem_age", "lalonde", treat ~ age + race + married + re74, method = "cem")
run("lalonde_cem_ate", "lalonde", treat ~ age + married + nodegree, method = "cem", estimand = "ATE")
run("lalonde_cem_atc", "lalonde", treat ~ age + married + nodegree, method = "cem", estimand = "ATC")
run("lalonde_cem_fd", "lalonde", treat ~ age + educ, method = "cem", cutpoints = "fd")
run("lalonde_cem_scott", "lalonde", treat ~ age + educ, method = "cem", cutpoints = "scott")
run("lalonde_cem_q4", "lalonde", treat ~ age + educ, method = "cem", cutpoints = "q4")
run("lalonde_cem_cuts", "lalonde", treat ~ age + educ + race, method = "cem", cutpoints = list(age = c(20, 30, 40), educ = 4))
run("lalonde_cem_exact", "lalonde", treat ~ educ + race, method = "cem", cutpoints = list(educ = 0))
run("rotterdam_cem", "rotterdam", treat ~ age + meno + grade + nodes, method = "cem")
out$meta <- list(R = R.version.string, MatchIt = as.character(packageVersion("MatchIt")),
                 survival = as.character(packageVersion("survival")), script = "tests/golden/r/causal_matching.R")
cat(toJSON(out, digits = 12, auto_unbox = TRUE, na = "null", pretty = FALSE))
