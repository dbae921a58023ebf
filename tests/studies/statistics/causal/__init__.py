"""Tests of studies.statistics.causal."""
