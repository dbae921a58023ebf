# Makes adverse_events.json: adverse events counted and given exact limits by base R, from rows.
# Run: Rscript adverse_events.R > adverse_events.json
suppressMessages(library(jsonlite))
set.seed(20261122)
n <- 120
people <- data.frame(id = sprintf("P%03d", 1:n), exposed = rep(c(1, 0), c(50, 70)),
                     days = sample(0:500, n, replace = TRUE))
m <- 160
events <- data.frame(id = sample(people$id[-(1:4)], m, replace = TRUE),
                     code = sample(c("A1", "B2", "C3", "D4"), m, replace = TRUE, prob = c(.5, .3, .15, .05)),
                     day = sample(-20:520, m, replace = TRUE),
                     serious = sample(c("Serious", "Non-serious", NA), m, replace = TRUE, prob = c(.3, .5, .2)),
                     causality = sample(c("Possible", "Unlikely", "Unassessable-Unclassifiable"), m, replace = TRUE),
                     outcome = sample(c("fatal", "resolved"), m, replace = TRUE, prob = c(.05, .95)))
events <- events[!duplicated(events[c("id", "code", "day")]), ]

observe <- function(until) {
  end <- pmin(people$days, until); names(end) <- people$id
  fatal <- events$outcome == "fatal"
  lines <- list(any = rep(TRUE, nrow(events)), serious = (events$serious %in% "Serious") | fatal,
                related = events$causality == "Possible", fatal = fatal,
                serious_unknown = is.na(events$serious) & !fatal,
                related_unknown = events$causality == "Unassessable-Unclassifiable")
  for (code in sort(unique(events$code))) lines[[paste0("term.", code)]] <- events$code == code
  inside <- events$day >= 0 & events$day <= end[events$id]
  arms <- list(exposed = people$id[people$exposed == 1], comparator = people$id[people$exposed == 0])
  found <- lapply(lines, function(keep) lapply(arms, function(ids) {
    e <- events[keep & inside & events$id %in% ids, ]
    first <- tapply(e$day, e$id, min)
    x <- length(first); at_risk <- end[ids]; at_risk[names(first)] <- first
    years <- sum(at_risk) / 365.25
    share <- binom.test(x, length(ids)); rate <- poisson.test(x, years)
    list(subjects = x, n = length(ids), events = nrow(e), percent = 100 * x / length(ids),
         percent_low = 100 * share$conf.int[1], percent_high = 100 * share$conf.int[2], years = years,
         rate = 100 * unname(rate$estimate), rate_low = 100 * rate$conf.int[1], rate_high = 100 * rate$conf.int[2],
         median = if (x) unname(median(first)) else NULL,
         upper = if (x == 0) 100 * binom.test(0, length(ids), alternative = "less")$conf.int[2] else NULL) }))
  whose <- lapply(arms, function(ids) events$id %in% ids)
  apart <- lapply(whose, function(mine) list(before_time_zero = sum(mine & events$day < 0),
    after_observation = sum(mine & events$day > end[events$id])))
  list(lines = found, apart = apart, years = lapply(arms, function(ids) sum(end[ids]) / 365.25))
}
zeros <- lapply(c(1, 3, 30, 60, 140, 1000), function(k) list(n = k,
  one_sided = 100 * binom.test(0, k, alternative = "less")$conf.int[2], two_sided = 100 * binom.test(0, k)$conf.int[2]))
cat(toJSON(list(R = R.version.string, calls = c("binom.test(x, n)", "poisson.test(x, years)", "median(first)"),
  people = people, events = events, all = observe(1e6), until_90 = observe(90), zeros = zeros),
  auto_unbox = TRUE, digits = NA, na = "null", pretty = FALSE), "\n")
