"""One upload's rows take the place of what they replace: which rows stand, which go, in one commit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from rwd_platform.core import columns as core

CONTENT_SHA256 = "content_sha256"  # of the scrubbed resource: the same content sent again is a duplicate
UPLOAD_ID = "upload_id"

ResourceKey = tuple[str, str, str, str]
"""organisation_id, source_system, resource_type, resource_id"""

RESOURCE_KEY = core.MERGE_KEY[:4]


def standing_rows(rows: Any, accepted: Mapping[ResourceKey, str] | None) -> Any:
    """Which rows count: those of the content that was accepted (or came last), each merge key once."""
    import pyarrow as pa

    if len(rows) == 0:
        return pa.array([], pa.bool_())
    keys = rows.select([*core.MERGE_KEY, CONTENT_SHA256]).to_pandas()
    if accepted is None:
        wanted = keys.groupby(list(RESOURCE_KEY))[CONTENT_SHA256].transform("last")
    else:
        resources = zip(*(keys[name] for name in RESOURCE_KEY), strict=True)
        wanted = pd.Series([accepted.get(resource) for resource in resources], index=keys.index)
    # The first of equals stands: a unit sent again is counted as its duplicate, not the other way round.
    again = keys.duplicated([*core.MERGE_KEY, CONTENT_SHA256], keep="first")
    return pa.array(keys[CONTENT_SHA256].eq(wanted) & ~again)


def resources_of(rows: Any) -> set[ResourceKey]:
    return set(zip(*(rows.column(name).to_pylist() for name in RESOURCE_KEY), strict=True))


def compare(
    stored: Any, upload_id: str, resources: Iterable[ResourceKey], new: Any, scratch: Path
) -> tuple[Any, bool]:
    """The merge keys of the rows that this upload replaces, and whether they equal what it brings.

    The engine reads the stored files; of what is there only keys come into memory. What does not fit there
    goes to `scratch`.
    """
    import duckdb
    import pyarrow as pa

    listed = list(zip(*sorted(resources), strict=True)) or [()] * len(RESOURCE_KEY)
    replaced = pa.table([pa.array(part, pa.string()) for part in listed], names=list(RESOURCE_KEY))
    same = " AND ".join(f"old.{name} = new.{name}" for name in RESOURCE_KEY)
    going = f"FROM stored AS old WHERE upload_id = $upload OR EXISTS (FROM replaced AS new WHERE {same})"
    every = ", ".join(f'"{name}"' for name in new.column_names)
    brought = f"SELECT {every} FROM brought"  # noqa: S608 - columns of our own tables, no value
    difference = f"SELECT count(*) FROM ({brought} EXCEPT ALL SELECT {every} {going})"  # noqa: S608 - as above
    # Nothing is ever fetched: these two settings keep the engine off the network.
    settings: dict[str, Any] = {"autoinstall_known_extensions": False, "autoload_known_extensions": False}
    # Without it the engine would spill patients' rows into a folder where the process happens to stand.
    settings["temp_directory"] = str(scratch)
    upload = {"upload": upload_id}
    with duckdb.connect(config=settings) as engine:
        engine.register("stored", stored)
        engine.register("replaced", replaced)
        engine.register("brought", new)
        keys = engine.sql(f"SELECT {', '.join(core.MERGE_KEY)} {going}", params=upload).to_arrow_table()
        if len(keys) != len(new):
            return keys, False
        differing = engine.execute(difference, upload).fetchone()
        return keys, differing == (0,)


def merge(delta: Any, new: Any, old: Any, upload_id: str) -> None:
    """One commit that puts `new` and takes away the rows of `old` that `new` does not replace.

    Delta's MERGE cannot take away a row that the source does not hold, so the source holds it, marked.
    """
    import pyarrow as pa

    name_of = list(core.MERGE_KEY)
    going = old.join(new.select(name_of), keys=name_of, join_type="left anti")
    marked = pa.concat_tables(
        [
            new.append_column("goes", pa.array([False] * len(new), pa.bool_())),
            going.append_column("goes", pa.array([True] * len(going), pa.bool_())),
        ],
        promote_options="default",
    )
    same_row = " AND ".join(f"old.{name} = new.{name}" for name in name_of)
    put = {name: f"new.{name}" for name in new.column_names}
    (
        delta.merge(
            marked,
            predicate=same_row,
            source_alias="new",
            target_alias="old",
            merge_schema=True,
            commit_properties=commit_note(upload_id),
        )
        .when_matched_delete(predicate="new.goes")
        .when_matched_update(updates=put)
        .when_not_matched_insert(updates=put, predicate="NOT new.goes")
        .execute()
    )


def commit_note(upload_id: str) -> Any:
    from deltalake import CommitProperties

    return CommitProperties(custom_metadata={UPLOAD_ID: upload_id})
