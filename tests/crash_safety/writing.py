"""A process that writes to the control plane until it is killed: `python -m tests.crash_safety.writing URL SEED`.

Rows with their entries, acts alone, groups of acts, and signed heads, in an order drawn from the seed. After every
commit it says so on stdout, so that whoever killed it knows what had been promised.
"""

from __future__ import annotations

import random
import sys
from itertools import count

from rwd_platform.audit.checkpoints import make_checkpoint
from rwd_platform.core.clock import system_clock
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.database import open_database
from rwd_platform.records.records import Records
from rwd_platform.records.tables import Organisation
from rwd_platform.signing.ed25519 import signer
from rwd_platform.signing.keys import KeyRing
from tests.conftest import LOG

KEYS = KeyRing(b"a root key that only tests use..")
GROUP = 7
WHO = Actor("u", "operator", "org")


def records_at(url: str) -> Records:
    return Records(open_database(url), log=LOG, keys=KEYS, clock=system_clock, profile="dual")


def write_until_killed(url: str, seed: str) -> None:
    records, drawn = records_at(url), random.Random(seed)
    own = signer(KEYS, "log", LOG)
    for number in count():
        name = f"{seed}-{number}"
        kind = drawn.choices(["row", "two", "change", "group", "head"], [4, 2, 3, 2, 1])[0]
        if kind == "head":
            make_checkpoint(records, own, "due")
        elif kind == "group":
            records.append_many([Act(WHO, "package.read", Object("group", name))] * GROUP)
        elif kind == "change" and number:
            row = Organisation(id=f"{seed}-0", kind="hospital", name_zh="甲", name_en=name)
            records.write(row, audit=Act(WHO, "organisation.changed", Object("organisation", row.id, name)))
        else:
            made = [f"{name}/{part}" for part in range(2 if kind == "two" else 1)]
            rows = [Organisation(id=id, kind="hospital", name_zh="甲", name_en="first") for id in made]
            records.write(
                *rows, audit=Act(WHO, "organisation.registered", Object("organisation", name, str(len(made))))
            )
        print(kind if kind != "change" or number else "row", name, flush=True)


if __name__ == "__main__":
    print("ready", flush=True)
    write_until_killed(sys.argv[1], sys.argv[2])
