# Makes degenerate.json: what R gives at the edges (an arm with events only, empty rows, strata of one subject).
#   Rscript degenerate.R degenerate.json
suppressMessages({library(survey); library(sandwich); library(metafor); library(jsonlite)})
out <- list()
add <- function(id, call, package, values) out[[id]] <<- list(r_call = call, package = package,
  version = as.character(packageVersion(package)), values = values)

# 24 subjects, two arms: nothing but events in arm 0, every third without one in arm 1; weights 1/2 ... 2.
a <- rep(0:1, each = 12); w <- 0.5 + (0:23 %% 4) / 2; age <- 40 + (0:23 * 7) %% 31
y <- ifelse(a == 0, 1, as.integer(0:23 %% 3 > 0))
for (flip in c(FALSE, TRUE)) {
  arm <- if (flip) 1 - a else a
  f <- suppressWarnings(glm(y ~ arm, poisson, weights = w))
  add(paste0("poisson_certain_arm_", if (flip) 1 else 0), "glm(y ~ arm, poisson, weights = w); sqrt(diag(vcovHC(type = 'HC0')))",
      "sandwich", list(coef = unname(coef(f)), se = unname(sqrt(diag(vcovHC(f, "HC0"))))))
}
f <- suppressWarnings(glm(rep(1, 24) ~ age, poisson))
add("poisson_everybody", "glm(rep(1, 24) ~ age, poisson); sqrt(diag(vcovHC(type = 'HC0')))", "sandwich",
    list(coef = unname(coef(f)), se = unname(sqrt(diag(vcovHC(f, "HC0"))))))

# An arm without events: design-based means and their difference.
for (which in c("none", "all")) {
  d <- data.frame(y = if (which == "all") y else 1 - y, a, w)
  s <- svydesign(~1, weights = ~w, data = d); m <- svyby(~y, ~a, s, svymean); g <- svyglm(y ~ a, s)
  add(paste0("svymean_", which), "svyby(~y, ~a, svydesign(~1, weights = ~w), svymean); svyglm(y ~ a)", "survey",
      list(mean = m$y, se = m$se, difference = unname(coef(g)[2]), difference_se = unname(SE(g)[2])))
}

for (one in list(list("empty_row", rbind(c(3, 2, 1), c(0, 0, 0), c(2, 0, 5))), list("empty_column", cbind(c(3, 2, 1), c(0, 0, 0), c(2, 0, 5))),
                 list("one_row_left", rbind(c(3, 2, 1), c(0, 0, 0))), list("one_column_left", cbind(c(3, 4), c(0, 0))),
                 list("one_row_of_2x2", rbind(c(3, 2), c(0, 0))), list("two_by_two_left", rbind(c(7, 2), c(1, 6), c(0, 0)))))
  add(paste0("fisher_", one[[1]]), "fisher.test(table)$p.value", "stats", list(table = one[[2]], p = fisher.test(one[[2]])$p.value))

# Strata of one subject: mantelhaen.test refuses them, rma.mh passes over them.
t3 <- list(c(3, 2, 1, 4), c(1, 0, 0, 0), c(2, 3, 4, 1), c(5, 1, 3, 6), c(0, 0, 0, 1))
m <- do.call(rbind, t3)
message <- tryCatch(mantelhaen.test(array(t(m[, c(1, 3, 2, 4)]), c(2, 2, 5)))$p.value, error = conditionMessage)
add("mantelhaen_refuses", "mantelhaen.test(strata of one subject)", "stats", list(message = message))
for (measure in c("RR", "RD", "OR")) {
  r <- suppressWarnings(rma.mh(ai = m[, 1], bi = m[, 2], ci = m[, 3], di = m[, 4], measure = measure, drop00 = FALSE))
  v <- list(tables = m, estimate = as.numeric(coef(r)), se = r$se)
  if (measure == "OR") v <- c(v, breslow_day = r$BD, tarone = r$TA, df = r$k.pos - 1)
  add(paste0("strata_of_one_", measure), sprintf("rma.mh(..., measure = '%s', drop00 = FALSE)", measure), "metafor", v)
}
writeLines(toJSON(list(meta = list(R = R.version.string, made_by = "degenerate.R"), results = out), digits = NA, auto_unbox = TRUE, pretty = TRUE),
           commandArgs(TRUE)[1])
