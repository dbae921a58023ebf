"""Comparing treatments that nobody randomised: scores, weights, matching, standardisation, and their errors.

All functions take arrays and return frozen results; `treated` is 1 for the treatment, 0 for the comparator.
"""
