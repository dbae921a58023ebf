# Makes gee.json: Rscript gee.R > gee.json
suppressMessages({library(geepack); library(sandwich); library(jsonlite)})
num <- function(x) if (is.null(x)) numeric(0) else unname(as.numeric(x))
cases <- list()
add <- function(id, call, fit, data) {
  s <- summary(fit)
  q <- suppressWarnings(QIC(fit))
  cases[[id]] <<- list(data = data, call = call, values = list(
    coef = num(coef(fit)), se = num(s$coefficients[, "Std.err"]), se_model = num(sqrt(diag(fit$geese$vbeta.naiv))),
    p = num(s$coefficients[, "Pr(>|W|)"]), scale = num(fit$geese$gamma), alpha = num(fit$geese$alpha),
    qic = num(q)))
}
run <- function(id, call, data) add(id, call, eval(parse(text = call), globalenv()), data)
data(ohio); data(dietox); data(respiratory); data(seizure); data(muscatine)
dietox$Cu <- as.factor(dietox$Cu)
dietox <- dietox[!is.na(dietox$Weight), ]
for (k in c("independence", "exchangeable", "ar1", "unstructured")) {
  run(paste0("ohio_", k), sprintf("geeglm(resp ~ age + smoke, id = id, data = ohio, family = binomial, corstr = '%s')", k), "geepack/ohio")
  run(paste0("respiratory_", k), sprintf("geeglm(outcome ~ I(treat == 'P') + I(sex == 'M') + age + baseline, id = interaction(center, id), data = respiratory, family = binomial, corstr = '%s')", k), "geepack/respiratory")
}
for (k in c("independence", "exchangeable", "ar1"))
  run(paste0("dietox_", k), sprintf("geeglm(Weight ~ Time + I(Evit == 'Evit100') + I(Cu == 'Cu175'), id = Pig, data = dietox, corstr = '%s')", k), "geepack/dietox")
# Waves with gaps: every fifth row is missing.
gaps <- dietox[seq_len(nrow(dietox)) %% 5 != 0, ]
run("dietox_gaps_ar1", "geeglm(Weight ~ Time, id = Pig, waves = Time, data = gaps, corstr = 'ar1')", "geepack/dietox, rows 5, 10, 15, ... left out")
oh <- ohio[seq_len(nrow(ohio)) %% 5 != 0, ]
run("ohio_gaps_ar1", "geeglm(resp ~ age + smoke, id = id, waves = age + 3, data = oh, family = binomial, corstr = 'ar1')", "geepack/ohio, rows 5, 10, 15, ... left out")
# (geeglm 1.3.9 ends with a memory fault for waves with gaps and corstr = "unstructured".)
run("ohio_gaps_exchangeable", "geeglm(resp ~ age + smoke, id = id, data = oh, family = binomial, corstr = 'exchangeable')", "geepack/ohio, rows 5, 10, 15, ... left out")
seiz <- reshape(transform(seizure, sid = seq_len(nrow(seizure))), varying = c("base", "y1", "y2", "y3", "y4"), v.names = "y", times = 0:4, direction = "long", idvar = "sid")
seiz <- seiz[order(seiz$sid, seiz$time), ]
seiz$t <- ifelse(seiz$time == 0, 8, 2); seiz$x <- as.numeric(seiz$time > 0)
for (k in c("independence", "exchangeable", "ar1", "unstructured"))
  run(paste0("seizure_", k), sprintf("geeglm(y ~ offset(log(t)) + x + trt + x:trt, id = sid, data = seiz, corstr = '%s', family = poisson)", k), "geepack/seizure, long: weeks 8 at baseline, 2 afterwards")
# Weights, and a log link.
ohio$w <- 0.5 + (ohio$id %% 4) / 2
run("ohio_weighted_exchangeable", "geeglm(resp ~ age + smoke, id = id, weights = w, data = ohio, family = binomial, corstr = 'exchangeable')", "geepack/ohio, w = 0.5 + (id mod 4)/2")
dietox$w <- 1 + (seq_len(nrow(dietox)) %% 3)
run("dietox_weighted_exchangeable", "geeglm(Weight ~ Time, id = Pig, weights = w, data = dietox, corstr = 'exchangeable')", "geepack/dietox, w = 1 + (row mod 3)")
run("dietox_weighted_ar1", "geeglm(Weight ~ Time, id = Pig, weights = w, data = dietox, corstr = 'ar1')", "geepack/dietox, w = 1 + (row mod 3)")
run("ohio_log_link", "geeglm(resp ~ age + smoke, id = id, data = ohio, family = binomial('log'), corstr = 'exchangeable')", "geepack/ohio")
run("ohio_identity_link", "geeglm(resp ~ smoke, id = id, data = ohio, family = binomial('identity'), corstr = 'exchangeable')", "geepack/ohio")
run("ohio_poisson", "geeglm(resp ~ age + smoke, id = id, data = ohio, family = poisson, corstr = 'ar1')", "geepack/ohio")
data(Orthodont, package = "nlme"); orth <- as.data.frame(Orthodont)
for (k in c("independence", "exchangeable", "ar1", "unstructured"))
  run(paste0("orthodont_", k), sprintf("geeglm(distance ~ age * I(Sex == 'Female'), id = Subject, data = orth, corstr = '%s')", k), "nlme/Orthodont")
# Large clusters, unequal.
mus <- muscatine[!is.na(muscatine$numobese), ]
com <- mus[ave(mus$id, mus$id, FUN = length) == 3, ]
run("muscatine_unstructured", "geeglm(numobese ~ I(gender == 'F') + age, id = id, data = com, family = binomial, corstr = 'unstructured')", "geepack/muscatine without missing numobese, children with three visits")
run("muscatine_exchangeable", "geeglm(numobese ~ I(gender == 'F') + age, id = id, data = mus, family = binomial, corstr = 'exchangeable')", "geepack/muscatine without missing numobese")
# Small-sample corrections under independence: the cluster-robust HC3 and HC2 of sandwich.
m <- lm(distance ~ age * I(Sex == "Female"), orth)
g <- glm(outcome ~ I(treat == "P") + I(sex == "M") + age + baseline, binomial, respiratory, control = list(epsilon = 1e-15))
ps <- glm(y ~ offset(log(t)) + x + trt + x:trt, poisson, seiz, control = list(epsilon = 1e-15))
cl <- function(f, id, type) num(sqrt(diag(vcovCL(f, cluster = id, type = type, cadjust = FALSE))))
rid <- droplevels(interaction(respiratory$center, respiratory$id))
corrections <- list(
  orthodont = list(hc3 = cl(m, orth$Subject, "HC3"), hc2 = cl(m, orth$Subject, "HC2")),
  respiratory = list(hc3 = cl(g, rid, "HC3"), hc2 = cl(g, rid, "HC2")),
  seizure = list(hc3 = cl(ps, seiz$sid, "HC3"), hc2 = cl(ps, seiz$sid, "HC2")))
cat(toJSON(list(meta = list(R = R.version.string, geepack = as.character(packageVersion("geepack")),
  sandwich = as.character(packageVersion("sandwich")), script = "gee.R"),
  cases = cases, corrections = corrections), digits = 14, auto_unbox = FALSE, pretty = 1))
