"""How Ibis words a query: as it was built, not with its selections merged.

A cohort is hundreds of small steps. To merge them takes Ibis longer than all the rest of the wording (measured: 0.47 s
of CPU a drawn definition against 0.28), and gains nothing on DuckDB, which merges them again when it plans. Spark is
given the merged form: its analyser gives up on what is nested deeper than it has iterations.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator


@contextlib.contextmanager
def worded_as_built() -> Iterator[None]:
    """For the length of a `with` block. The setting is the process's; it changes a query's text, never its answer."""
    import ibis

    before = ibis.options.sql.fuse_selects
    ibis.options.sql.fuse_selects = False
    try:
        yield
    finally:
        ibis.options.sql.fuse_selects = before
