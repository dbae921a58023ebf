# Makes pooling.json: Rscript pooling.R > pooling.json   (D1 needs mitml)
suppressMessages({library(mice); library(jsonlite); library(survival)})
num <- function(x) unname(as.numeric(x))
out <- list()
one <- function(call, fits, dfcom = NULL) {
  p <- if (is.null(dfcom)) pool(fits) else pool(fits, dfcom = dfcom)
  s <- summary(p, type = "all", conf.int = TRUE)
  list(call = call, estimates = t(sapply(fits$analyses, function(f) num(coef(f)))),
    covariances = lapply(fits$analyses, function(f) unname(as.matrix(vcov(f)))), dfcom = num(p$pooled$dfcom)[1],
    estimate = num(s$estimate), se = num(s$std.error), df = num(s$df), statistic = num(s$statistic), p = num(s$p.value),
    lower = num(s[["2.5 %"]]), upper = num(s[["97.5 %"]]), within = num(s$ubar), between = num(s$b), total = num(s$t),
    riv = num(s$riv), lambda = num(s$lambda), fmi = num(s$fmi))
}
d1 <- function(o, fits, dfcom = NULL) {
  k <- length(coef(fits$analyses[[1]]))
  Q <- sapply(fits$analyses, function(f) num(coef(f))); U <- array(unlist(lapply(fits$analyses, function(f) unname(vcov(f)))), c(k, k, length(fits$analyses)))
  r <- mitml:::.D1(Q, U, dfcom)
  list(f = num(r$F), df1 = num(r$k), df2 = num(r$v), riv = num(r$r), dfcom = dfcom)
}
imp <- mice(nhanes, m = 5, seed = 123, printFlag = FALSE)
fits <- with(imp, lm(chl ~ age + bmi))
out$nhanes <- one("pool(with(mice(nhanes, m = 5, seed = 123), lm(chl ~ age + bmi)))", fits)
out$nhanes$d1 <- d1(out$nhanes, fits); out$nhanes$d1_small <- d1(out$nhanes, fits, 22)
imp20 <- mice(nhanes2, m = 20, seed = 7, printFlag = FALSE)
fits <- with(imp20, glm(hyp ~ bmi + chl, family = binomial))
out$nhanes2_logistic <- one("pool(with(mice(nhanes2, m = 20, seed = 7), glm(hyp ~ bmi + chl, binomial)))", fits)
out$nhanes2_logistic$d1 <- d1(out, fits)
b <- boys[boys$age > 3, c("age", "hgt", "wgt", "bmi", "hc", "reg")]
impb <- mice(b, m = 10, seed = 11, printFlag = FALSE, maxit = 3)
fits <- with(impb, lm(hc ~ age + hgt + wgt))
out$boys <- one("pool(with(mice(boys[age > 3], m = 10, seed = 11), lm(hc ~ age + hgt + wgt)))", fits)
out$boys$d1 <- d1(out, fits); out$boys$d1_small <- d1(out, fits, 500)
lung2 <- lung; lung2$inst <- NULL
impl <- mice(lung2[, c("time", "status", "age", "sex", "ph.ecog", "wt.loss")], m = 8, seed = 5, printFlag = FALSE)
fits <- with(impl, coxph(Surv(time, status) ~ age + sex + ph.ecog + wt.loss))
out$lung_cox <- one("pool(with(mice(lung, m = 8, seed = 5), coxph(...)), dfcom = Inf)", fits, Inf)
out$lung_cox$dfcom <- NULL
out$lung_cox$d1 <- d1(out, fits)
# Two parameters and three imputations: k (m - 1) = 4, the other branch of D1.
imp3 <- mice(nhanes, m = 3, seed = 4, printFlag = FALSE)
fits <- with(imp3, lm(chl ~ bmi))
out$three <- one("pool(with(mice(nhanes, m = 3, seed = 4), lm(chl ~ bmi)))", fits)
out$three$d1 <- d1(out, fits)
# Nothing missing: every completed data set is the same.
same <- as.mira(list(lm(dist ~ speed, cars), lm(dist ~ speed, cars), lm(dist ~ speed, cars)))
out$nothing_missing <- one("pool of three equal lm(dist ~ speed, cars)", same)
# The published pooling of five completed data sets of nhanes (mice 3.15.0), as it was given.
out$anchor <- list(est = c(11.43019631, 27.50528937, 4.979978598), se = c(72.56055967, 10.7849987, 2.322195143),
  df = c(8.020422386, 9.748108711, 7.835030651), p = c(0.8787236924, 0.02938517078, 0.0650353662),
  per_imp_est = rbind(c(56.37390778, 32.09314309, 3.15762876),
    c(41.35517483, 20.2740661, 4.295283764),
    c(-37.09236016, 34.37993612, 6.228300926),
    c(-29.34287611, 24.81709584, 6.423453945),
    c(25.8571352, 25.96220571, 4.795225594)),
  per_imp_se = rbind(c(57.81441735, 9.226497713, 1.78012574),
    c(51.44037523, 8.790434036, 1.650776506),
    c(62.8812658, 9.072182908, 2.026888939),
    c(53.33410821, 8.381612751, 1.709127307),
    c(53.17221375, 8.444772513, 1.685497485)))
out$meta <- list(R = R.version.string, mice = as.character(packageVersion("mice")), mitml = as.character(packageVersion("mitml")), script = "pooling.R")
cat(toJSON(out, digits = 15, pretty = FALSE))
