# Each subject left out in turn, by refitting in R, on tests/studies/small.py dataset(60, seed=11) as CSV:
# Rscript few_subjects.R small60.csv > few_subjects.json
library(survival); library(jsonlite)
d <- read.csv(commandArgs(TRUE)[1])
weigh <- function(d, kind) {
  e <- fitted(glm(stent ~ age + weight_kg, binomial, d, control = list(epsilon = 1e-14, maxit = 100)))
  z <- d$stent
  switch(kind, overlap = ifelse(z == 1, 1 - e, e), att = ifelse(z == 1, 1, e / (1 - e)),
         ate = ifelse(z == 1, mean(z) / e, (1 - mean(z)) / (1 - e)))
}
fit <- function(d, kind) { d$w <- weigh(d, kind); coxph(Surv(time_days, event) ~ stent, d, weights = w, robust = TRUE,
                                                        control = coxph.control(eps = 1e-12)) }
jackknife <- function(f) {
  n <- nrow(d); values <- sapply(seq_len(n), function(i) f(d[-i, ]))
  sqrt((n - 1) / n * sum((values - mean(values))^2))
}
out <- list()
for (kind in c("overlap", "ate", "att")) {
  m <- fit(d, kind); b <- unname(coef(m)); se <- jackknife(function(d) unname(coef(fit(d, kind))))
  reach <- qt(0.975, nrow(d) - 1) * se
  out[[kind]] <- list(coef = b, robust = sqrt(m$var[1, 1]), jackknife = se, limits = exp(c(b - reach, b + reach)),
                      p = 2 * pt(-abs(b / se), nrow(d) - 1))
}
area <- function(d) { s <- summary(survfit(Surv(time_days, event) ~ 1, d), rmean = 300)$table; unname(s[["rmean"]]) }
# Each arm by itself; of the difference, Welch's degrees of freedom.
arm <- function(d) {
  k <- nrow(d); left <- sapply(seq_len(k), function(i) area(d[-i, ]))
  list(mean = area(d), v = (k - 1) / k * sum((left - mean(left))^2), k = k)
}
one <- arm(d[d$stent == 1, ]); zero <- arm(d[d$stent == 0, ])
welch <- function(a, b) (a + b)^2 / (a^2 / (one$k - 1) + b^2 / (zero$k - 1))
gap <- one$mean - zero$mean; reach <- qt(0.975, welch(one$v, zero$v)) * sqrt(one$v + zero$v)
va <- one$v / one$mean^2; vb <- zero$v / zero$mean^2; wide <- qt(0.975, welch(va, vb)) * sqrt(va + vb)
out$rmst <- list(difference = gap, jackknife = sqrt(one$v + zero$v), limits = gap + c(-reach, reach), exposed = one$mean,
                 exposed_se = sqrt(one$v), ratio = exp(log(one$mean / zero$mean) + c(0, -wide, wide)))
out$meta <- list(R = R.version.string, script = "tests/golden/r/few_subjects.R", packages = as.character(packageVersion("survival")))
cat(toJSON(out, auto_unbox = TRUE, digits = 14))
