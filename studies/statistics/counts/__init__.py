"""Counts: proportions, rates, two-by-two tables and the small single-arm study, by exact methods first."""
