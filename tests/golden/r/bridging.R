# Makes bridging.json: references for studies.statistics.bridging and studies.statistics.doubt.
# Run from this folder: Rscript bridging.R. Needs survival, metafor, lme4, sandwich, MatchIt, geepack, mvtnorm, jsonlite.
suppressMessages({library(survival); library(metafor); library(lme4); library(sandwich); library(splines)
  library(mvtnorm); library(jsonlite); library(MASS)})
data(lalonde, package = "MatchIt"); data(ohio, package = "geepack")
out <- list()
put <- function(id, call, values) out[[id]] <<- list(call = call, values = values)

# --- doubt -------------------------------------------------------------------------------------------------------
rd <- function(a, n1, b, n0, true, level = 0.95) {
  z <- qnorm(0.5 + level / 2); p1 <- a / n1; p0 <- b / n0; f <- n1 / (n1 + n0)
  left <- function(B) (p1 - p0 * B) * (f + (1 - f) / B) - true
  bf <- uniroot(left, c(1, 1e3), tol = 1e-13)$root
  v <- function(B) (f + (1 - f) / B)^2 * p1 * (1 - p1) / n1 + (1 - f + f * B)^2 * p0 * (1 - p0) / n0 +
    (p1 * (1 - 1 / B) + p0 * (1 - B))^2 * f * (1 - f) / (n1 + n0)
  g <- function(B) left(B) - z * sqrt(v(B))
  bl <- if (g(1) > 0) uniroot(g, c(1, bf), tol = 1e-13)$root else 1
  e <- function(x) x + sqrt(x * (x - 1))
  list(bias = bf, bias_limit = bl, e = e(bf), e_limit = e(bl))
}
put("evalue_rd", "uniroot on the bound of Ding & VanderWeele (2016)", list(
  smoking = rd(397, 78954, 51, 108829, 0), shifted = rd(60, 200, 30, 220, 0.05), none = rd(20, 100, 15, 100, 0)))

set.seed(11)
nulls <- list()
for (k in c(8, 15, 40)) for (sd in c(0, 0.15, 0.4)) {
  se <- round(runif(k, 0.05, 0.4), 3); y <- round(rnorm(k, 0.1, sqrt(sd^2 + se^2)), 3)
  m <- rma(yi = y, sei = se, method = "ML", control = list(threshold = 1e-14, maxiter = 10000, stepadj = 0.5))
  nulls[[length(nulls) + 1]] <- list(y = y, se = se, mean = as.numeric(m$b), sd = sqrt(m$tau2), mean_se = m$se,
                                     loglik = as.numeric(logLik(m)))
}
put("empirical_null", "rma(yi, sei, method = 'ML')", nulls)

set.seed(12)
t <- rep(log(c(1, 1.5, 2, 4)), each = 20); se <- round(runif(80, 0.05, 0.3), 3)
y <- round(rnorm(80, 0.05 + 0.9 * t, sqrt((0.1 + 0.1 * t)^2 + se^2)), 3)
ll <- function(p) -sum(dnorm(y, p[1] + p[2] * t, sqrt((p[3] + p[4] * abs(t))^2 + se^2), log = TRUE))
fit <- optim(c(0, 1, 0.1, 0.05), ll, control = list(reltol = 1e-16, maxit = 20000))
fit <- optim(fit$par, ll, method = "BFGS", control = list(reltol = 1e-16, maxit = 20000))
root <- function(est, s, z) uniroot(function(x) (fit$par[1] + fit$par[2] * x) + z * sqrt((fit$par[3] + fit$par[4] * abs(x))^2 + s^2) - est,
                                    c(-20, 20), tol = 1e-13)$root
put("error_model", "optim on the likelihood of Schuemie (2018); uniroot for limits", list(
  y = y, se = se, t = t, par = fit$par, loglik = -fit$value, est = 0.8, s = 0.2,
  value = root(0.8, 0.2, 0), lower = root(0.8, 0.2, qnorm(0.975)), upper = root(0.8, 0.2, -qnorm(0.975))))

# --- regression --------------------------------------------------------------------------------------------------
lal <- lalonde; lal$worked <- as.integer(lal$re78 > 0)
g1 <- glm(worked ~ age + educ + married, binomial, lal, control = list(epsilon = 1e-14))
g2 <- glm(re78 ~ age + educ + married, gaussian, lal)
g3 <- glm(count ~ age + married + offset(log(expo)), poisson,
          transform(lal, count = educ, expo = 1 + age / 10), control = list(epsilon = 1e-14))
g4 <- suppressWarnings(glm(worked ~ age + educ, binomial, lal, weights = 1 + lal$educ / 10, control = list(epsilon = 1e-14)))
one <- function(g) list(coef = unname(coef(g)), se = unname(sqrt(diag(vcov(g)))),
                        hc0 = unname(sqrt(diag(vcovHC(g, type = "HC0")))), loglik = as.numeric(logLik(g)))
put("glm", "glm(...); vcovHC(type = 'HC0')", list(binomial = one(g1), gaussian = one(g2), poisson = one(g3), weighted = one(g4)))

# --- MAIC --------------------------------------------------------------------------------------------------------
maic <- function(X, target) {
  Z <- sweep(X, 2, target); s <- apply(Z, 2, sd); Z <- sweep(Z, 2, s, "/")
  a <- rep(0, ncol(Z))
  for (i in 1:200) {
    w <- as.vector(exp(Z %*% a)); g <- colSums(w * Z); H <- crossprod(Z, w * Z); a <- a - solve(H, g)
    if (max(abs(g)) < 1e-13) break
  }
  w <- as.vector(exp(Z %*% a)); w * nrow(X) / sum(w)
}
X <- as.matrix(lal[, c("age", "educ", "married")])
w <- maic(cbind(X, lal$age^2), c(30, 11, 0.5, 30^2 + 9^2))
put("maic_weights", "Newton's method on the moments", list(first = w[1:6], sum2 = sum(w^2), max = max(w), ess = sum(w)^2 / sum(w^2)))
arm <- suppressWarnings(glm(worked ~ 1, binomial, lal, weights = w, control = list(epsilon = 1e-14)))
anc <- suppressWarnings(glm(worked ~ treat, binomial, lal, weights = w, control = list(epsilon = 1e-14)))
lin <- lm(re78 ~ treat, lal, weights = w)
rr <- suppressWarnings(glm(worked ~ treat, poisson, lal, weights = w, control = list(epsilon = 1e-14)))
rdm <- lm(worked ~ treat, lal, weights = w)
hc <- function(m) unname(sqrt(diag(vcovHC(m, type = "HC0"))))
put("maic_fixed", "glm/lm(weights = w); vcovHC(type = 'HC0')", list(
  unanchored_logit = list(value = unname(coef(arm)), se = hc(arm)),
  anchored_or = list(value = unname(coef(anc)[2]), se = hc(anc)[2]),
  anchored_mean = list(value = unname(coef(lin)[2]), se = hc(lin)[2]),
  anchored_rr = list(value = unname(coef(rr)[2]), se = hc(rr)[2]),
  anchored_rd = list(value = unname(coef(rdm)[2]), se = hc(rdm)[2])))
# Stacked estimating equations with estimated weights, brute force: numerical derivatives of all equations.
Z <- sweep(cbind(X, lal$age^2), 2, c(30, 11, 0.5, 30^2 + 9^2)); sc <- apply(Z, 2, sd); Z <- sweep(Z, 2, sc, "/")
al <- qr.solve(cbind(1, Z), log(w))[-1]; t1 <- lal$treat == 1; y1 <- lal$worked
psi <- function(th) { ww <- as.vector(exp(Z %*% th[1:4])); cbind(ww * Z, ww * t1 * (y1 - th[5]), ww * (!t1) * (y1 - th[6])) }
th <- c(al, weighted.mean(y1[t1], w[t1]), weighted.mean(y1[!t1], w[!t1]))
A <- numDeriv::jacobian(function(x) colSums(psi(x)), th); B <- crossprod(psi(th)); V <- solve(A) %*% B %*% t(solve(A))
gr <- c(rep(0, 4), 1 / (th[5] * (1 - th[5])), -1 / (th[6] * (1 - th[6])))
put("maic_estimated", "stacked estimating equations, numDeriv::jacobian", list(
  value = qlogis(th[5]) - qlogis(th[6]), se = sqrt(as.numeric(t(gr) %*% V %*% gr))))
lu <- lung[complete.cases(lung[, c("age", "sex", "ph.ecog")]), ]
wl <- maic(cbind(lu$age, lu$sex == 2, lu$ph.ecog), c(58, 0.3, 1.1))
both <- data.frame(time = c(lu$time, veteran$time), event = c(lu$status == 2, veteran$status), g = rep(1:0, c(nrow(lu), nrow(veteran))),
                   w = c(wl, rep(1, nrow(veteran))))
c1 <- coxph(Surv(time, event) ~ g, both, weights = w, robust = TRUE)
c2 <- coxph(Surv(time, status) ~ I(sex == 2), lu, weights = maic(cbind(lu$age, lu$ph.ecog), c(58, 1.1)), robust = TRUE)
put("maic_cox", "coxph(weights = w, robust = TRUE)", list(
  ess = sum(wl)^2 / sum(wl^2), unanchored = list(value = unname(coef(c1)), se = sqrt(c1$var[1])),
  anchored = list(value = unname(coef(c2)), se = sqrt(c2$var[1]))))

# --- STC: integration over a bivariate target, brute force on a grid -----------------------------------------------
gs <- glm(worked ~ age + educ, binomial, lal, control = list(epsilon = 1e-14)); b <- coef(gs)
eta_mean <- b[1] + b[2] * 30 + b[3] * 11; eta_sd <- sqrt((b[2] * 9)^2 + (b[3] * 2.5)^2 + 2 * 0.3 * b[2] * 9 * b[3] * 2.5)
p <- integrate(function(z) plogis(eta_mean + eta_sd * z) * dnorm(z), -10, 10, rel.tol = 1e-12)$value
dp <- function(j) { # derivative of the average with respect to coefficient j
  f <- function(bb) { m <- bb[1] + bb[2] * 30 + bb[3] * 11
    s <- sqrt((bb[2] * 9)^2 + (bb[3] * 2.5)^2 + 2 * 0.3 * bb[2] * 9 * bb[3] * 2.5)
    integrate(function(z) plogis(m + s * z) * dnorm(z), -10, 10, rel.tol = 1e-12)$value }
  numDeriv::grad(f, b)[j] }
gv <- sapply(1:3, dp)
put("stc_logistic", "glm, integrate over the linear predictor's normal distribution", list(
  p = p, se_model = sqrt(as.numeric(t(gv) %*% vcov(gs) %*% gv)), se_hc0 = sqrt(as.numeric(t(gv) %*% vcovHC(gs, type = "HC0") %*% gv)),
  plugged_in = unname(plogis(eta_mean))))

# --- consistency ---------------------------------------------------------------------------------------------------
het <- list()
for (k in c(2, 5, 9)) { se <- round(runif(k, 0.1, 0.5), 3); y <- round(rnorm(k, -0.3, 0.3), 3)
  d <- rma(yi = y, sei = se, method = "DL"); f <- rma(yi = y, sei = se, method = "FE")
  het[[length(het) + 1]] <- list(y = y, se = se, q = d$QE, p = d$QEp, i2 = d$I2 / 100, h2 = d$H2, tau2 = d$tau2, fixed = as.numeric(f$b),
    fixed_se = f$se, random = as.numeric(d$b), random_se = d$se, lower = d$ci.lb, upper = d$ci.ub) }
put("heterogeneity", "rma(method = 'DL'), rma(method = 'FE')", het)
u <- 0.2; pi_ <- 0.5; drift <- qnorm(0.975) + qnorm(0.9); S <- matrix(c(1 / u + pi_^2 - 2 * pi_, 1 - pi_, 1 - pi_, 1), 2)
joint <- pmvnorm(lower = c(0, qnorm(0.975)), upper = c(Inf, Inf), mean = c((1 - pi_) * drift, drift), sigma = S, algorithm = Miwa(steps = 4096))
put("method_1", "pnorm; pmvnorm(algorithm = Miwa)", list(
  plain = pnorm((1 - pi_) * drift / sqrt(S[1, 1])), given = as.numeric(joint) / 0.9,
  share_90 = uniroot(function(u) pnorm(0.5 * drift / sqrt(1 / u - 0.75)) - 0.8, c(0.01, 0.9), tol = 1e-13)$root,
  method_2 = prod(pnorm(drift * sqrt(c(0.1, 0.3, 0.6))))))

# --- power priors ----------------------------------------------------------------------------------------------------
npp <- function(y, n, y0, n0, a, b, c, d) {
  f <- function(x) sapply(x, function(w) dbeta(w, c, d) * exp(lbeta(a + w * y0 + y, b + w * (n0 - y0) + n - y) - lbeta(a + w * y0, b + w * (n0 - y0))))
  # Between 0 and 1 in five pieces: in one go integrate() stops at 1e-7 here, whatever tolerance is asked for.
  cut <- c(0, 0.02, 0.1, 0.3, 0.6, 1)
  I <- function(g) sum(sapply(1:5, function(i) integrate(g, cut[i], cut[i + 1], rel.tol = 1e-12)$value))
  k <- I(f)
  m <- function(h) I(function(x) f(x) * h(x)) / k
  cdf <- function(p) m(function(x) pbeta(p, a + x * y0 + y, b + x * (n0 - y0) + n - y))
  q <- function(pr) uniroot(function(p) cdf(p) - pr, c(1e-6, 1 - 1e-6), tol = 1e-12)$root
  list(a0 = m(identity), mean = m(function(x) (a + x * y0 + y) / (a + b + x * n0 + n)), q025 = q(0.025), q975 = q(0.975), above = 1 - cdf(0.35),
       log_marginal = log(k))
}
eb <- optimize(function(w) lbeta(1 + w * 30 + 20, 1 + w * 70 + 20) - lbeta(1 + w * 30, 1 + w * 70), c(0, 1), maximum = TRUE, tol = 1e-12)
put("power_prior_beta", "pbeta, qbeta", list(post_a = 36, post_b = 56, mean = 36 / 92, q025 = qbeta(.025, 36, 56), q975 = qbeta(.975, 36, 56),
  above = 1 - pbeta(.35, 36, 56)))
put("power_prior_more", "integrate, uniroot, optimize", list(
  normalised = npp(20, 40, 30, 100, 1, 1, 1, 1), normalised_2 = npp(12, 40, 30, 100, 0.5, 0.5, 2, 3), eb = eb$maximum))
nn <- function(y, s, y0, s0, m0, p0) {
  f <- function(x) { pr <- x / s0^2 + 1 / p0^2; m <- (x * y0 / s0^2 + m0 / p0^2) / pr; dnorm(y, m, sqrt(1 / pr + s^2)) }
  cut <- c(0, 0.02, 0.1, 0.3, 0.6, 1)
  I <- function(g) sum(sapply(1:5, function(i) integrate(g, cut[i], cut[i + 1], rel.tol = 1e-12)$value))
  k <- I(f)
  post <- function(x) { pr <- x / s0^2 + 1 / p0^2 + 1 / s^2; m <- (x * y0 / s0^2 + m0 / p0^2 + y / s^2) / pr; list(m = m, s = sqrt(1 / pr)) }
  mean <- I(function(x) f(x) * post(x)$m) / k
  sq <- I(function(x) f(x) * (post(x)$m^2 + post(x)$s^2)) / k
  list(a0 = I(function(x) f(x) * x) / k, mean = mean, sd = sqrt(sq - mean^2))
}
put("power_prior_normal", "integrate", nn(-0.1, 0.25, -0.35, 0.1, 0, 10))
gp <- function(e, T, e0, T0, a0, a, b) list(shape = a + a0 * e0 + e, rate = b + a0 * T0 + T, q025 = qgamma(.025, a + a0 * e0 + e, b + a0 * T0 + T),
  above = 1 - pgamma(0.05, a + a0 * e0 + e, b + a0 * T0 + T))
put("power_prior_gamma", "pgamma, qgamma", gp(7, 120, 30, 900, 0.4, 0.5, 0.001))

# --- MAP prior -------------------------------------------------------------------------------------------------------
mapn <- function(y, se, scale, m0 = NULL, s0 = NULL) {
  f <- Vectorize(function(tau) { v <- se^2 + tau^2; pr <- sum(1 / v); m <- sum(y / v) / pr
    if (!is.null(m0)) { S <- diag(v) + s0^2; return(2 * dnorm(tau, 0, scale) * dmvnorm(y, rep(m0, length(y)), S)) }
    2 * dnorm(tau, 0, scale) * exp(-0.5 * (sum(log(v)) + log(pr) + sum((y - m)^2 / v))) })
  cut <- scale * c(0, 0.3, 1, 2, 4, 9)
  I <- function(h) sum(sapply(1:5, function(i) integrate(function(x) f(x) * h(x), cut[i], cut[i + 1], rel.tol = 1e-12)$value))
  K <- I(function(x) 1); pr <- function(t) sapply(t, function(x) sum(1 / (se^2 + x^2)) + if (is.null(m0)) 0 else s0^-2)
  mu <- function(t) sapply(t, function(x) (sum(y / (se^2 + x^2)) + if (is.null(m0)) 0 else m0 / s0^2)) / pr(t)
  mean <- I(mu) / K; var <- I(function(t) 1 / pr(t) + t^2 + mu(t)^2) / K - mean^2
  cdf <- function(q) I(function(t) pnorm(q, mu(t), sqrt(1 / pr(t) + t^2))) / K
  qq <- function(p) uniroot(function(q) cdf(q) - p, c(-10, 10), tol = 1e-11)$root
  list(y = y, se = se, tau_mean = I(identity) / K, mean = mean, sd = sqrt(var), q025 = qq(0.025), q975 = qq(0.975))
}
put("map_normal", "integrate over tau", list(flat = mapn(c(.1, .3, -.2, .4), c(.2, .1, .3, .2), .5),
  proper = mapn(c(-.5, -.1), c(.2, .25), .25, 0, 1), five = mapn(c(-.5, -.1, -.7, -.3, -.35), c(.2, .25, .3, .15, .1), .3)))
mapb <- function(r, n, scale, m0, s0, G = 4001) {
  th <- seq(-12, 10, length.out = G); mus <- seq(-5, 3, length.out = 401); taus <- scale * qnorm((1 + (1:400 - 0.5) / 400) / 2)
  L <- sapply(seq_along(r), function(i) exp(r[i] * th - n[i] * log1p(exp(th)) - max(r[i] * th - n[i] * log1p(exp(th)))))
  prior <- dnorm(mus, m0, s0); tot <- 0; st <- 0; smu <- 0; pd <- rep(0, G)
  for (tau in taus) { D <- outer(mus, th, function(m, x) dnorm(x, m, tau)); D <- D / rowSums(D)
    lik <- exp(rowSums(log(D %*% L))) * prior; tot <- tot + sum(lik); st <- st + tau * sum(lik); smu <- smu + sum(lik * mus); pd <- pd + as.vector(lik %*% D) }
  pd <- pd / sum(pd); p <- plogis(th); m <- sum(pd * p); cum <- cumsum(pd) - pd / 2
  list(tau_mean = st / tot, mu_mean = smu / tot, mean = m, sd = sqrt(sum(pd * p^2) - m^2), median = plogis(approx(cum, th, 0.5)$y),
       q025 = plogis(approx(cum, th, 0.025)$y), q975 = plogis(approx(cum, th, 0.975)$y))
}
put("map_binomial", "brute force: 400 tau x 401 mu x 4001 theta", c(
  mapb(c(23, 12, 19, 9, 39, 6, 9, 10), c(107, 44, 51, 39, 139, 20, 78, 35), 1, 0, 2), list(note = "data of Baeten et al. (2013)")))
elir <- function(w, a, b) { d <- function(x) sapply(x, function(t) sum(w * dbeta(t, a, b)))
  i <- function(x) sapply(x, function(t) { f <- w * dbeta(t, a, b); s <- (a - 1) / t - (b - 1) / (1 - t)
    c2 <- -(a - 1) / t^2 - (b - 1) / (1 - t)^2; D <- sum(f); (sum(f * s))^2 / D - sum(f * (s^2 + c2)) })
  integrate(function(x) i(x) * x * (1 - x), 1e-9, 1 - 1e-9, rel.tol = 1e-10, subdivisions = 4000)$value }
put("elir", "integrate", list(robust = elir(c(.8, .2), c(12, 1), c(28, 1)), two = elir(c(.6, .4), c(20, 4), c(60, 10))))

# --- commensurate ------------------------------------------------------------------------------------------------------
cm <- function(y, s, y0, s0, prior, top) { f <- function(t) prior(t) * dnorm(y, y0, sqrt(s^2 + s0^2 + t^2))
  I <- function(h) integrate(function(t) f(t) * h(t), 0, top / 20, rel.tol = 1e-11)$value + integrate(function(t) f(t) * h(t), top / 20, top, rel.tol = 1e-11)$value
  K <- I(function(t) 1); v <- function(t) 1 / (1 / s^2 + 1 / (s0^2 + t^2)); m <- function(t) v(t) * (y / s^2 + y0 / (s0^2 + t^2))
  mean <- I(m) / K; list(mean = mean, sd = sqrt(I(function(t) v(t) + m(t)^2) / K - mean^2), above = I(function(t) 1 - pnorm(0, m(t), sqrt(v(t)))) / K, sd_mean = I(identity) / K) }
put("commensurate", "integrate over the between-study sd", list(
  half_normal = cm(-.1, .2, -.3, .1, function(t) 2 * dnorm(t, 0, .2), 3), uniform = cm(-.1, .2, -.3, .1, function(t) t^0 / 1.5, 1.5)))

# --- operating characteristics ---------------------------------------------------------------------------------------
oc <- function(a, b, n, truth, null, cut) { y <- 0:n; s <- 1 - pbeta(null, a + y, b + n - y) >= cut; m <- (a + y) / (a + b + n)
  lo <- qbeta(.025, a + y, b + n - y); hi <- qbeta(.975, a + y, b + n - y)
  sapply(truth, function(p) c(sum(dbinom(y, n, p) * s), sum(dbinom(y, n, p) * (m - p)), sum(dbinom(y, n, p) * (m - p)^2), sum(dbinom(y, n, p) * (lo <= p & p <= hi)))) }
put("oc_binary", "dbinom, pbeta", oc(16, 36, 40, c(.2, .3, .35, .5), .35, .975))
pgt <- function(a1, b1, a0, b0) integrate(function(x) dbeta(x, a1, b1) * pbeta(x, a0, b0), 0, 1, rel.tol = 1e-11)$value
n1 <- 20; n0 <- 10; G <- outer(0:n1, 0:n0, Vectorize(function(i, j) pgt(1 + i, 1 + n1 - i, 7 + j, 15 + n0 - j)))
put("oc_two_arm", "dbinom, integrate of dbeta x pbeta", list(
  success = sapply(1:3, function(k) { p1 <- c(.3, .4, .6)[k]; p0 <- c(.3, .4, .3)[k]; sum(outer(dbinom(0:n1, n1, p1), dbinom(0:n0, n0, p0)) * (G >= 0.95)) })))
sm <- function(th, s, m, ps, cut) { v <- 1 / (1 / s^2 + 1 / ps^2); yc <- (qnorm(1 - cut) * sqrt(v) - v * m / ps^2) * s^2 / v; pnorm(yc, th, s) }
put("oc_normal", "closed form for a normal prior", list(success = sapply(c(0, -.3, -.5), sm, s = .2, m = -.2, ps = .3, cut = .975)))
bb <- function(y, n, a, b) exp(lchoose(n, y) + lbeta(a + y, b + n - y) - lbeta(a, b)); pr <- .7 * bb(0:30, 30, 12, 28) + .3 * bb(0:30, 30, 1, 1)
put("conflict_binomial", "lbeta", list(box = sum(pr[pr <= pr[21] * (1 + 1e-9)]), tail = 2 * sum(pr[21:31]),
  weight = .3 * bb(20, 30, 1, 1) / pr[21]))
Mx <- function(x) .8 * dnorm(x, -.3, sqrt(.1^2 + .2^2)) + .2 * dnorm(x, 0, sqrt(2^2 + .2^2))
put("conflict_normal", "integrate where the density is lower", list(box = {
  e <- uniroot(function(x) Mx(x) - Mx(.4), c(-3, -.4), tol = 1e-13)$root; 1 - integrate(Mx, e, .4, rel.tol = 1e-12)$value }))
put("overlap", "integrate(pmin)", list(beta = {f <- function(x) pmin(dbeta(x, 31, 71), dbeta(x, 13, 9))
  r <- uniroot(function(x) dbeta(x, 31, 71) - dbeta(x, 13, 9), c(.35, .55), tol = 1e-13)$root
  integrate(f, 0, r, rel.tol = 1e-11)$value + integrate(f, r, 1, rel.tol = 1e-11)$value}))

# --- learning curve ----------------------------------------------------------------------------------------------------
mixed <- list()
for (k in c(1, 5, 15, 25)) { g <- glmer(resp ~ age + smoke + (1 | id), ohio, family = binomial, nAGQ = k,
    control = glmerControl(optimizer = "bobyqa", tolPwrss = 1e-13, optCtrl = list(maxfun = 1e6, rhoend = 1e-11)))
  mixed[[paste0("ohio_", k)]] <- list(coef = unname(fixef(g)), se = unname(sqrt(diag(vcov(g)))), sigma = unname(g@theta), loglik = as.numeric(logLik(g)),
    modes = unname(ranef(g)$id[c(1, 100, 500), 1])) }
bact <- bacteria; bact$yy <- as.integer(bact$y == "y"); bact$drug <- as.integer(bact$trt != "placebo")
for (k in c(1, 15)) { g <- glmer(yy ~ week + drug + (1 | ID), bact, family = binomial, nAGQ = k,
    control = glmerControl(optimizer = "bobyqa", tolPwrss = 1e-13, optCtrl = list(maxfun = 1e6, rhoend = 1e-11)))
  mixed[[paste0("bacteria_", k)]] <- list(coef = unname(fixef(g)), se = unname(sqrt(diag(vcov(g)))), sigma = unname(g@theta), loglik = as.numeric(logLik(g))) }
put("glmer", "glmer(y ~ x + (1 | group), binomial, nAGQ = k, bobyqa)", mixed)
kn <- c(18, 24, 30, 40)
sp <- glm(worked ~ educ + ns(age, knots = kn[2:3], Boundary.knots = kn[c(1, 4)]), binomial, lal, control = list(epsilon = 1e-14))
sp0 <- glm(worked ~ educ, binomial, lal, control = list(epsilon = 1e-14))
nd <- data.frame(age = c(17, 20, 25, 35, 50), educ = mean(lal$educ)); pp <- predict(sp, nd, se.fit = TRUE)
put("spline", "glm(y ~ ns(age, knots, Boundary.knots))", list(loglik = as.numeric(logLik(sp)), chisq = as.numeric(2 * (logLik(sp) - logLik(sp0))),
  eta = unname(pp$fit), se = unname(pp$se.fit)))
cuts <- sort(unique(lal$age)); cuts <- cuts[2]:cuts[length(cuts) - 1]
prof <- sapply(cuts, function(c) logLik(glm(worked ~ pmin(age, c), binomial, lal, control = list(epsilon = 1e-14))))
put("threshold", "profile over glm(y ~ pmin(age, cut))", list(cut = cuts[which.max(prof)], loglik = max(prof),
  lower = min(cuts[prof >= max(prof) - qchisq(.95, 1) / 2]), upper = max(cuts[prof >= max(prof) - qchisq(.95, 1) / 2])))
fl <- function(n, t, p) { r <- qbinom(p, n, t); al <- (pbinom(r, n, t) - p) / dbinom(r, n, t); pmin(pmax((r - al) / n, 0), 1) }
put("funnel", "qbinom, pbinom, dbinom", list(n = c(1, 5, 20, 57, 300), low = fl(c(1, 5, 20, 57, 300), .12, .025), high = fl(c(1, 5, 20, 57, 300), .12, .999)))

version <- function(p) as.character(packageVersion(p))
out$meta <- list(R = R.version.string, packages = sapply(c("survival", "metafor", "lme4", "sandwich", "MatchIt", "geepack", "mvtnorm", "numDeriv", "MASS"), version, simplify = FALSE))
write(toJSON(out, digits = I(15), auto_unbox = TRUE, pretty = TRUE), "bridging.json")
