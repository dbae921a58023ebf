"""The log: durable appends beside raw commits, group commit, proofs and both verifiers on a million entries.

    ./run bench log

Appends are measured in turns with single-row commits of the same SQLite library on the same disk (WAL,
synchronous=FULL, so every commit is on disk when it returns): the ratio is formed within one run, round by round, and
the median is what counts. The million entries carry a signed head every 256, as a deployment's log does.
"""

from __future__ import annotations

import json
import os
import random
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SEED = 20261123
ROUNDS, APPENDS = 9, 400
GROUP = 10_000
ENTRIES = 1_000_000
PROOFS = 1_000


def run() -> None:
    figures: dict[str, Any] = {"seed": SEED, "load_at_start": round(os.getloadavg()[0], 1)}
    with tempfile.TemporaryDirectory() as folder:
        figures["append"] = _appends(Path(folder))
        figures["million"] = _million(Path(folder))
    figures["load_at_end"] = round(os.getloadavg()[0], 1)
    print(json.dumps({"log": figures}))


def records_at(path: Path) -> Any:
    from rwd_platform.core.clock import system_clock
    from rwd_platform.records.database import migrate, open_database
    from rwd_platform.records.records import Records
    from rwd_platform.signing.keys import demo_key_ring

    engine = open_database(f"sqlite:///{path}")
    migrate(engine)
    return Records(engine, log="rwd.bench/log", keys=demo_key_ring(), clock=system_clock)


def act(number: int) -> Any:
    from rwd_platform.log.entry import Act, Actor, Object

    return Act(
        Actor(f"user-{number % 40}", "researcher", f"org-{number % 7}"),
        "package.read",
        Object("package", f"EP-{number % 5000:06d}", "v1"),
        reason="核对第三季度的随访记录",
        request_id=f"r-{number}",
    )


def _seconds(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _appends(folder: Path) -> dict[str, float]:
    """One act a transaction, in turns with one row a transaction; then many acts in one."""
    records, raw = records_at(folder / "log.db"), _raw_table(folder / "raw.db")
    bodies, acts = [os.urandom(450) for _ in range(APPENDS)], [act(number) for number in range(APPENDS)]

    def commit_raw() -> None:
        for body in bodies:
            raw.execute("BEGIN IMMEDIATE")
            raw.execute("INSERT INTO row (body) VALUES (?)", (body,))
            raw.execute("COMMIT")

    def append() -> None:
        for one in acts:
            records.record(one)

    append()
    commit_raw()
    pairs = [(_seconds(commit_raw), _seconds(append)) for _ in range(ROUNDS)]
    ratio = statistics.median(theirs / ours for theirs, ours in pairs)
    per_second = statistics.median(APPENDS / ours for _, ours in pairs)
    raw_per_second = statistics.median(APPENDS / theirs for theirs, _ in pairs)
    many = [act(number) for number in range(GROUP)]
    group = GROUP / statistics.median(_seconds(lambda: records.append_many(many)) for _ in range(5))
    print(
        f"log: {per_second:,.0f} durable appends/s beside {raw_per_second:,.0f} single-row commits/s: "
        f"ratio {ratio:.2f}; group commit {group:,.0f} entries/s ({GROUP:,} a transaction)"
    )
    return {"per_second": per_second, "raw_per_second": raw_per_second, "ratio": ratio, "group": group}


def _raw_table(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in (
        "PRAGMA journal_mode=WAL",
        "PRAGMA synchronous=FULL",
        "CREATE TABLE row (id INTEGER PRIMARY KEY, body BLOB NOT NULL)",
    ):
        connection.execute(statement)
    return connection


def _million(folder: Path) -> dict[str, Any]:
    from rwd_platform.audit.checkpoints import EVERY_ENTRIES, make_checkpoint
    from rwd_platform.signing.ed25519 import signer

    path = folder / "million.db"
    records = records_at(path)
    own = signer(records.keys, "log", records.log)
    began = time.perf_counter()
    for start in range(0, ENTRIES, EVERY_ENTRIES):
        end = min(start + EVERY_ENTRIES, ENTRIES)
        records.append_many([act(number) for number in range(start, end)])
        make_checkpoint(records, own, "due")
    built = time.perf_counter() - began
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    size = path.stat().st_size
    print(f"log: {ENTRIES:,} entries with their heads written in {built:.0f} s, {size / 2**20:,.0f} MiB")
    found: dict[str, Any] = {"built_s": built, "mib": size / 2**20, "proof_ms": _proofs(records)}
    found.update(_verified_by_platform(records, own.public_key))
    records.engine.dispose()
    found.update(_verified_by_file(records, path, own.public_key, folder))
    return found


def _proofs(records: Any) -> dict[str, float]:
    from rwd_platform.audit.checkpoints import stored_nodes
    from rwd_platform.log.merkle import consistency_proof, inclusion_proof

    drawn = random.Random(SEED)
    took: dict[str, list[float]] = {"inclusion": [], "consistency": []}
    with records.reading() as session:
        read = stored_nodes(session)
        for _ in range(PROOFS):
            index, old = drawn.randrange(ENTRIES), drawn.randrange(1, ENTRIES)
            took["inclusion"].append(1000 * _seconds(lambda i=index: inclusion_proof(i, ENTRIES, read)))
            took["consistency"].append(1000 * _seconds(lambda o=old: consistency_proof(o, ENTRIES, read)))
    found = {}
    for name, times in took.items():
        found[name], found[f"{name}_p99"] = statistics.median(times), sorted(times)[int(0.99 * PROOFS)]
        print(f"log: {name} proof at {ENTRIES:,}: {found[name]:.2f} ms, p99 {found[f'{name}_p99']:.2f} ms")
    return found


def _verified_by_platform(records: Any, key: bytes) -> dict[str, float]:
    from rwd_platform.audit.verify import verify_log

    began, spent = time.perf_counter(), time.process_time()
    found = verify_log(records, public_key=key)
    seconds, cpu = time.perf_counter() - began, time.process_time() - spent
    print(
        f"log: {found.size:,} entries verified by the platform in {seconds:.1f} s, {cpu:.1f} s CPU,"
        f" {'whole' if found.ok else 'NOT WHOLE'}"
    )
    return {"platform_s": seconds, "platform_cpu_s": cpu}


def _verified_by_file(records: Any, path: Path, key: bytes, folder: Path) -> dict[str, float]:
    """`verify_log.py` as a process of its own: on the database, and on the export of it."""
    from rwd_platform.audit.export import VERIFIER, export_log

    exported = _seconds(lambda: export_log(records, folder / "export"))
    print(f"log: exported in {exported:.1f} s")
    found = {"export_s": exported}
    for name, place in (("database", path), ("export", folder / "export")):
        call = [sys.executable, "-I", "-S", str(VERIFIER), str(place), "--key", key.hex(), "--json"]
        began, before = time.perf_counter(), _cpu_of_children()
        done = subprocess.run(call, capture_output=True, text=True, check=False)
        seconds, cpu = time.perf_counter() - began, _cpu_of_children() - before
        told = json.loads(done.stdout)
        print(
            f"log: {told['size']:,} entries verified by verify_log.py on the {name} in {seconds:.1f} s,"
            f" {cpu:.1f} s CPU, exit {done.returncode}"
        )
        found.update({f"file_{name}_s": seconds, f"file_{name}_cpu_s": cpu})
    return found


def _cpu_of_children() -> float:
    used = os.times()
    return used.children_user + used.children_system
