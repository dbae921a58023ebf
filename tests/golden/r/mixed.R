# Makes mixed.json: Rscript mixed.R > mixed.json
suppressMessages({library(nlme); library(lme4); library(lmerTest); library(pbkrtest); library(emmeans); library(jsonlite); library(numDeriv)})
num <- function(x) unname(as.numeric(x))
out <- list()
tight <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-11, maxfun = 1e5), calc.derivs = FALSE,
  check.nobs.vs.nRE = "ignore")
orth <- as.data.frame(nlme::Orthodont); orth$Subject <- factor(as.character(orth$Subject))
orth$girl <- as.numeric(orth$Sex == "Female")
gaps <- orth[seq_len(nrow(orth)) %% 7 != 3 & seq_len(nrow(orth)) %% 11 != 5, ]
sleep <- sleepstudy; sleepgaps <- sleep[seq_len(nrow(sleep)) %% 5 != 2 & seq_len(nrow(sleep)) %% 13 != 4, ]
body <- as.data.frame(nlme::BodyWeight); body$Rat <- factor(as.character(body$Rat)); body$Diet <- factor(as.character(body$Diet))
data(dietox, package = "geepack"); dietox <- dietox[!is.na(dietox$Weight), ]; dietox$e100 <- as.numeric(dietox$Evit == "Evit100")
sets <- list(orthodont = "orth", gaps = "gaps", sleep = "sleep", sleepgaps = "sleepgaps", body = "body", dietox = "dietox")
lmm <- list(
  orthodont_intercept = "lmer(distance ~ age * girl + (1 | Subject), orth, REML = %s, control = tight)",
  gaps_intercept = "lmer(distance ~ age * girl + (1 | Subject), gaps, REML = %s, control = tight)",
  gaps_slope = "lmer(distance ~ age * girl + (age | Subject), gaps, REML = %s, control = tight)",
  sleep_intercept = "lmer(Reaction ~ Days + (1 | Subject), sleep, REML = %s, control = tight)",
  sleep_slope = "lmer(Reaction ~ Days + (Days | Subject), sleep, REML = %s, control = tight)",
  sleepgaps_intercept = "lmer(Reaction ~ Days + (1 | Subject), sleepgaps, REML = %s, control = tight)",
  sleepgaps_slope = "lmer(Reaction ~ Days + (Days | Subject), sleepgaps, REML = %s, control = tight)",
  body_slope = "lmer(weight ~ Diet * Time + (Time | Rat), body, REML = %s, control = tight)",
  dietox_slope = "lmer(Weight ~ Time * e100 + (Time | Pig), dietox, REML = %s, control = tight)")
for (id in names(lmm)) for (est in c("TRUE", "FALSE")) {
  call <- sprintf(lmm[[id]], est)
  m <- suppressWarnings(eval(parse(text = call)))
  s <- coef(summary(m))
  p <- nrow(s); all <- diag(p)[-1, , drop = FALSE]
  f <- contestMD(m, all)
  one <- list(call = call, coef = num(s[, 1]), se = num(s[, 2]), df = num(s[, 3]), p = num(s[, 5]), loglik = num(logLik(m)),
    aic = AIC(m), G = num(VarCorr(m)[[1]]), sigma2 = sigma(m)^2, modes = num(t(as.matrix(ranef(m)[[1]]))),
    f = num(c(f[["F value"]], f[["NumDF"]], f[["DenDF"]], f[["Pr(>F)"]])))
  if (est == "TRUE") {
    k <- coef(summary(m, ddf = "Kenward-Roger"))
    fk <- contestMD(m, all, ddf = "Kenward-Roger")
    one$kr <- list(se = num(k[, 2]), df = num(k[, 3]), f = num(c(fk[["F value"]], fk[["NumDF"]], fk[["DenDF"]], fk[["Pr(>F)"]])))
  }
  out$lmm[[paste0(id, if (est == "TRUE") "_reml" else "_ml")]] <- one
}
ctl <- lmeControl(tolerance = 1e-12, msTol = 1e-12, maxIter = 500, msMaxIter = 500)
for (id in c("reml", "ml")) {
  m <- lme(distance ~ age * Sex, random = ~ age | Subject, orth, method = toupper(id), control = ctl)
  out$lme[[paste0("orthodont_slope_", id)]] <- list(call = "lme(distance ~ age * Sex, random = ~ age | Subject, Orthodont)",
    coef = num(fixef(m)), se = num(sqrt(diag(m$varFix)) * if (id == "ml") sqrt(m$dims$N / (m$dims$N - 4)) else 1), loglik = num(logLik(m)), aic = AIC(m))
}
# A general covariance of visits by gls, complete and with gaps.
glsc <- glsControl(tolerance = 1e-12, msTol = 1e-13, maxIter = 1000, msMaxIter = 1000, opt = "optim", returnObject = TRUE)
glsn <- glsControl(tolerance = 1e-12, msTol = 1e-13, maxIter = 1000, msMaxIter = 1000, returnObject = TRUE)
orth$visit <- match(orth$age, c(8, 10, 12, 14)); gaps$visit <- match(gaps$age, c(8, 10, 12, 14))
structures <- list(
  unstructured = "correlation = corSymm(form = ~ visit | Subject), weights = varIdent(form = ~ 1 | visit)",
  compound_symmetry = "correlation = corCompSymm(form = ~ visit | Subject)",
  heterogeneous_compound_symmetry = "correlation = corCompSymm(form = ~ visit | Subject), weights = varIdent(form = ~ 1 | visit)",
  ar1 = "correlation = corAR1(form = ~ visit | Subject)",
  heterogeneous_ar1 = "correlation = corAR1(form = ~ visit | Subject), weights = varIdent(form = ~ 1 | visit)",
  toeplitz = "correlation = corARMA(p = 3, form = ~ visit | Subject)",
  heterogeneous_toeplitz = "correlation = corARMA(p = 3, form = ~ visit | Subject), weights = varIdent(form = ~ 1 | visit)")
for (data in c("orth", "gaps")) for (s in names(structures)) for (est in c("REML", "ML")) {
  fits <- list()
  for (c in c("glsn", "glsc")) {
    call <- sprintf("gls(distance ~ factor(visit) * Sex, %s, method = '%s', %s, control = %s)", data, est, structures[[s]], c)
    m <- try(suppressWarnings(eval(parse(text = call))), silent = TRUE)
    if (!inherits(m, "try-error")) fits[[c]] <- list(call = call, m = m)
  }
  best <- fits[[which.max(sapply(fits, function(f) as.numeric(logLik(f$m))))]]
  m <- best$m
  out$gls[[paste(data, s, tolower(est), sep = "_")]] <- list(call = best$call, coef = num(coef(m)),
    se = num(sqrt(diag(m$varBeta))), loglik = num(logLik(m)), aic = AIC(m))
}
# Pigs weighed five times (some weights missing), three diets.
five <- dietox[dietox$Time <= 5 & seq_len(nrow(dietox)) %% 9 != 4, ]; five$Pig <- factor(five$Pig); five$visit <- five$Time; five$Evit <- factor(five$Evit)
for (s in setdiff(names(structures), c("toeplitz", "heterogeneous_toeplitz"))) {
  for (c in c("glsc", "glsn", "glsControl()")) {
    call <- sprintf("gls(Weight ~ factor(visit) * Evit + Start, five, %s, control = %s)", gsub("Subject", "Pig", structures[[s]]), c)
    m <- try(suppressWarnings(eval(parse(text = call))), silent = TRUE)
    if (!inherits(m, "try-error")) break
  }
  if (inherits(m, "try-error")) next
  out$pigs[[s]] <- list(call = call, coef = num(coef(m)), se = num(sqrt(diag(m$varBeta))), loglik = num(logLik(m)), aic = AIC(m))
}
# Satterthwaite and Kenward-Roger for an unstructured covariance with gaps, from dense matrices and numerical
# derivatives: the definitions themselves, in another language and without any of our formulas.
dense <- function(data, x, n.visits = 4) {
  data <- data[order(data$Subject, data$visit), ]
  X <- model.matrix(x, data); y <- data$distance; split.rows <- split(seq_len(nrow(data)), data$Subject)
  full <- function(th) { S <- matrix(0, n.visits, n.visits); S[upper.tri(S, TRUE)] <- th; S + t(S) - diag(diag(S)) }
  V <- function(th) { S <- full(th); W <- matrix(0, nrow(data), nrow(data)); for (r in split.rows) W[r, r] <- S[data$visit[r], data$visit[r]]; W }
  dev <- function(th) {
    S <- full(th); if (min(eigen(S, TRUE, TRUE)$values) <= 0) return(1e10)
    W <- V(th); R <- chol(W); A <- backsolve(R, X, transpose = TRUE); b <- backsolve(R, y, transpose = TRUE)
    q <- qr(A); e <- qr.resid(q, b)
    2 * sum(log(diag(R))) + 2 * sum(log(abs(diag(qr.R(q))))) + sum(e^2) + (nrow(X) - ncol(X)) * log(2 * pi)
  }
  C <- function(th) solve(t(X) %*% solve(V(th), X))
  list(dev = dev, C = C, X = X, y = y, V = V)
}
un <- function(data, x, lines) {
  d <- dense(data, x)
  m <- gls(x, data, correlation = corSymm(form = ~ visit | Subject), weights = varIdent(form = ~ 1 | visit), control = glsn)
  who <- names(which(table(data$Subject) == 4))[1]
  S <- getVarCov(m, individual = who); th <- S[upper.tri(S, TRUE)]
  for (i in 1:6) { g <- grad(d$dev, th); H <- hessian(d$dev, th, method.args = list(d = 2e-3, r = 4)); th <- th - solve(H, g) }
  A <- 2 * solve(hessian(d$dev, th, method.args = list(d = 2e-3, r = 4)))
  cov <- d$C(th); beta <- cov %*% t(d$X) %*% solve(d$V(th), d$y)
  df <- apply(lines, 1, function(l) { v <- c(l %*% cov %*% l); g <- grad(function(t) c(l %*% d$C(t) %*% l), th); 2 * v^2 / c(g %*% A %*% g) })
  list(estimate = num(lines %*% beta), se = num(sqrt(diag(lines %*% cov %*% t(lines)))), df = num(df), loglik = -d$dev(th) / 2, theta = num(th))
}
lines <- rbind(c(1, 0, 0, 0, 0, 0, 0, 0), c(0, 0, 0, 0, 1, 0, 0, 0), c(0, 0, 0, 0, 1, 0, 0, 1), c(1, 0, 0, 1, 1, 0, 0, 1), c(0, 0, 0, 0, 0, 1, 0, 0))
gaps$Sex <- factor(gaps$Sex); orth$Sex <- factor(orth$Sex)
contrasts(gaps$Sex) <- contr.treatment(2); contrasts(orth$Sex) <- contr.treatment(2)
out$un$orth <- un(orth, distance ~ factor(visit) * girl, lines)
out$un$gaps <- un(gaps, distance ~ factor(visit) * girl, lines)
# Least-squares means of the compound-symmetry model, which is the random-intercept model.
base <- orth$distance[orth$age == 8]; names(base) <- orth$Subject[orth$age == 8]
after <- gaps[gaps$age > 8, ]; after$base <- base[as.character(after$Subject)]; after$f <- factor(after$age)
m <- lmer(distance ~ f * Sex + base + (1 | Subject), after, control = tight)
mv <- lmer(distance ~ f * Sex + f:base + (1 | Subject), after, control = tight)
for (ddf in c("satterthwaite", "kenward-roger")) for (w in c("m", "mv")) {
  e <- summary(emmeans(get(w), ~ f * Sex, lmer.df = ddf)); e <- e[order(e$f, e$Sex), ]
  p <- summary(pairs(emmeans(get(w), ~ Sex | f, lmer.df = ddf), reverse = TRUE), infer = TRUE)
  j <- contestMD(get(w), diag(length(fixef(get(w))))[grep("f1[24]:Sex", names(fixef(get(w)))), ], ddf = if (ddf == "satterthwaite") "Satterthwaite" else "Kenward-Roger")
  out$means[[paste(w, ddf)]] <- list(call = paste(deparse(formula(get(w))), "random intercept, REML;", "emmeans, lmer.df =", ddf),
    mean = num(e$emmean), se = num(e$SE), df = num(e$df), lower = num(e$lower.CL), upper = num(e$upper.CL),
    difference = num(p$estimate), difference_se = num(p$SE), difference_df = num(p$df), difference_p = num(p$p.value),
    interaction = num(c(j[["F value"]], j[["NumDF"]], j[["DenDF"]], j[["Pr(>F)"]])))
}
# The two published fits, as they were given (nlme 3.1-162).
out$anchors <- list(
  lme_orthodont = list(call = "nlme::lme(distance~age*Sex, random=~age|Subject)", coef = c(16.340625, 0.784375, 1.032102273, -0.3048295455),
    se = c(1.018531966, 0.0859995173, 1.595732915, 0.1347353495), loglik = -216.2908308),
  mmrm_orthodont = list(call = "gls(distance~factor(age)*Sex, corSymm, varIdent)", coef = c(22.875, 0.9375, 2.84375, 4.59375, -1.693181818, 0.1079545455, -0.9346590909, -1.684659091),
    se = c(0.5817783548, 0.5103055336, 0.50316167, 0.5579390007, 0.9114715106, 0.7994951201, 0.7883028368, 0.8741224207), loglik_reml = -207.0174005))
out$meta <- list(R = R.version.string, script = "mixed.R", packages = sapply(c("nlme", "lme4", "lmerTest", "pbkrtest", "emmeans", "numDeriv"), function(p) as.character(packageVersion(p))))
cat(toJSON(out, digits = 14, pretty = 1))
