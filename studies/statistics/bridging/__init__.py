"""Bridging: what an overseas trial can say about a small series in Lecheng, and what it cannot.

Every comparison across studies asks for `anchored="anchored" | "unanchored"`; there is no default.
"""
