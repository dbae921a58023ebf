"""The one way in which work stops that is nobody's failure."""

from __future__ import annotations


class LeaseLostError(Exception):
    """Another worker has the job. Whoever catches problems of the work must let this pass."""
