"""Which columns the lake's tables have: those of the views. The one place that says it to every reader of the lake."""

from __future__ import annotations

from rwd_platform.store.layout import Columns


def lake_columns() -> dict[str, Columns]:
    """Table -> (name, FHIR type) of its columns."""
    from ingestion.views import load_views, tables_of

    tables = tables_of(load_views())
    return {name: tuple((one.name, one.type) for one in view.columns) for name, view in tables.items()}
