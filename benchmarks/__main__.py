"""`./run bench [NAME ...]`: every figure, one file each. Prints; asserts nothing."""

from __future__ import annotations

import importlib
import os
import pkgutil
import platform
import sys
from datetime import UTC, datetime

import benchmarks


def main() -> int:
    names = [module.name for module in pkgutil.iter_modules(benchmarks.__path__) if module.name != "__main__"]
    wanted = sys.argv[1:] or names
    unknown = sorted(set(wanted) - set(names))
    if unknown:
        print(f"no benchmark {', '.join(unknown)}; there are: {', '.join(names)}", file=sys.stderr)
        return 2
    print(
        f"{datetime.now(UTC):%Y-%m-%d} · {platform.machine()} · {os.cpu_count()} cores"
        f" · Python {platform.python_version()} · load {os.getloadavg()[0]:.1f}"
    )
    for name in wanted:
        importlib.import_module(f"benchmarks.{name}").run()
    return 0


sys.exit(main())
