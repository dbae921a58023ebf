# Makes tipping.json: Rscript tipping.R > tipping.json
# Wilson limits by prop.test(correct = FALSE); Newcombe (1998), method 10, written out; bounds by binom.test.
suppressMessages(library(jsonlite))
wilson <- function(x, n, level) as.numeric(suppressWarnings(prop.test(x, n, conf.level = level, correct = FALSE)$conf.int))
newcombe <- function(x1, n1, x2, n2, level) {
  a <- wilson(x1, n1, level); b <- wilson(x2, n2, level); p1 <- x1 / n1; p2 <- x2 / n2
  c(p1 - p2, p1 - p2 - sqrt((p1 - a[1])^2 + (b[2] - p2)^2), p1 - p2 + sqrt((a[2] - p1)^2 + (p2 - b[1])^2))
}
map <- function(events, observed, lost, level) {
  grid <- expand.grid(second = 0:lost[2], first = 0:lost[1])
  n <- observed + lost
  found <- t(mapply(function(i, j) newcombe(events[1] + i, n[1], events[2] + j, n[2], level), grid$first, grid$second))
  seen <- newcombe(events[1], observed[1], events[2], observed[2], level)
  list(events = events, observed = observed, lost = lost, level = level, call = "prop.test(x, n, correct = FALSE)",
    seen = seen, first = grid$first, second = grid$second, difference = found[, 1], lower = found[, 2], upper = found[, 3])
}
bounds <- function(successes, observed, lost, criterion, alpha, direction) {
  n <- observed + lost; k <- 0:lost
  side <- if (direction == "at least") "greater" else "less"
  x <- if (direction == "at least") successes + lost - k else successes + k
  tests <- lapply(x, function(one) binom.test(one, n, criterion, alternative = side, conf.level = 1 - alpha))
  list(counted = successes, observed = observed, lost = lost, criterion = criterion, alpha = alpha, direction = direction,
    call = "binom.test(x, n, p, alternative)",
    bound = sapply(tests, function(t) t$conf.int[if (side == "greater") 1 else 2]), p = sapply(tests, function(t) t$p.value))
}
out <- list(
  maps = list(
    map(c(7, 27), c(54, 133), c(6, 7), 0.95), map(c(0, 5), c(20, 30), c(4, 3), 0.95), map(c(12, 3), c(12, 40), c(2, 5), 0.9),
    map(c(30, 60), c(300, 310), c(0, 9), 0.95), map(c(2, 9), c(40, 41), c(8, 0), 0.99)),
  bounds = list(
    bounds(47, 54, 6, 0.8, 0.025, "at least"), bounds(56, 58, 4, 0.85, 0.025, "at least"),
    bounds(2, 50, 9, 0.15, 0.05, "at most"), bounds(0, 30, 5, 0.1, 0.025, "at most")),
  meta = list(R = R.version.string, script = "tipping.R"))
cat(toJSON(out, digits = 14, pretty = 1, auto_unbox = TRUE))
