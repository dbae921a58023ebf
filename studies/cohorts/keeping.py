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
    name = ibis.util.gen_name("kept")
    if backend.name == "pyspark":
        table = _computed_by_spark(backend, rows, name)
        stack.callback(lambda: backend.raw_sql(f"DROP VIEW {name}"))
        return table
    if backend.name != "duckdb":
        return stack.enter_context(rows.cache())
    # Ibis 12 cannot drop what its own cache() made: with sqlglot 30.30 its DROP TABLE names no table.
    table = backend.create_table(name, rows, temp=True)
    stack.callback(lambda: backend.raw_sql(f'DROP TABLE "{name}"'))
    return table


def _computed_by_spark(backend: Any, rows: Expr, name: str) -> Expr:
    """A view of rows that the executors hold, cut off from the query that they come from.

    Spark's own cache would not do: a query over cached parts is still planned with every part written out, and where
    parts read parts its analyser alone takes minutes.
    """
    # Brings there what is in this process's memory; nothing public of Ibis does that and gives Spark's own frame.
    backend._run_pre_execute_hooks(rows)
    backend.raw_sql(backend.compile(rows)).localCheckpoint().createTempView(name)
    return backend.table(name)
