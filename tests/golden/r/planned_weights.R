# Entropy balancing and matched pairs as a protocol plans them, on tests/studies/small.py dataset(300, seed=7) written
# as CSV: Rscript planned_weights.R small.csv > planned_weights.json
library(survival); library(jsonlite)
d <- read.csv(commandArgs(TRUE)[1])
d$frail <- as.numeric(d$frailty == "frail")
out <- list()
say <- function(fit, used) {
  s <- summary(fit)$coefficients
  list(coef = unname(coef(fit)), se = unname(s[, "robust se"]), n = nrow(used), events = sum(used$event))
}
# Pairs within 0.2 sd of the logit of the score, largest first, no replacement; the pairs are the clusters (Austin &
# Small 2014). By hand: the caliper of MatchIt 4.5.1 does not bind below 1 (docs/reference/statistics/causal.md).
score <- glm(stent ~ age + weight_kg + frail, binomial, d, control = list(epsilon = 1e-14))
logit <- predict(score)
d$w <- 0; d$pair <- NA
free <- which(d$stent == 0)
treated <- which(d$stent == 1)
for (i in treated[order(-logit[treated])]) {
  gap <- abs(logit[free] - logit[i])
  if (length(free) > 0 && min(gap) <= 0.2 * sd(logit)) {
    j <- free[which.min(gap)]
    d$w[c(i, j)] <- 1; d$pair[c(i, j)] <- i
    free <- setdiff(free, j)
  }
}
used <- d[d$w > 0, ]
out$matched <- say(coxph(Surv(time_days, event) ~ stent, used, weights = w, cluster = pair), used)
out$matched$matched <- c(sum(used$stent == 1), sum(used$stent == 0))
# Entropy balancing (Hainmueller 2012): the dual log-sum-exp, by BFGS and then Newton.
x <- scale(as.matrix(d[, c("age", "weight_kg", "frail")]))
goal <- colMeans(x[d$stent == 1, ]); g <- sweep(x[d$stent == 0, ], 2, goal)
b <- optim(rep(0, 3), function(b) log(sum(exp(g %*% b))), method = "BFGS", control = list(reltol = 1e-15))$par
for (i in 1:20) {
  p <- as.vector(exp(g %*% b)); p <- p / sum(p); centre <- colSums(g * p)
  b <- b - solve(t(g) %*% (g * p) - centre %o% centre, centre)
}
p <- as.vector(exp(g %*% b)); p <- p / sum(p)
d$w <- 1; d$w[d$stent == 0] <- p * sum(d$stent == 0)
out$entropy <- say(coxph(Surv(time_days, event) ~ stent, d, weights = w, robust = TRUE), d)
out$entropy$ess <- sum(d$w[d$stent == 0])^2 / sum(d$w[d$stent == 0]^2)
out$meta <- list(R = R.version.string, script = "tests/golden/r/planned_weights.R",
                 packages = as.character(packageVersion("survival")))
cat(toJSON(out, auto_unbox = TRUE, digits = 14))
