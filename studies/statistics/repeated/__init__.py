"""Outcomes measured more than once in each subject: estimating equations and mixed models."""
