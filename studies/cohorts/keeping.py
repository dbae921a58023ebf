"""Intermediate results as temporary tables, for the length of one question.

A large definition is one query of thousands of lines otherwise, and most of the time goes into wording it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

from studies.cohorts.engine import Engine

# Ibis comes without types: its tables and expressions are Any here.
Expr = Any


@contextmanager
def keeping(engine: Engine) -> Iterator[Engine]:
    """An engine that keeps what several parts of a question read. Whatever it gives must be read inside."""
    with ExitStack() as stack:
        yield replace(engine, keep=lambda rows: _kept(rows, stack))


def _kept(rows: Expr, stack: ExitStack) -> Expr:
    import ibis.util

    backend = rows._find_backend(use_default=True)
    if backend.name != "duckdb":
        return stack.enter_context(rows.cache())
    # Ibis 12 cannot drop what its own cache() made: with sqlglot 30.30 its DROP TABLE names no table.
    name = ibis.util.gen_name("kept")
    table = backend.create_table(name, rows, temp=True)
    stack.callback(lambda: backend.raw_sql(f'DROP TABLE "{name}"'))
    return table
