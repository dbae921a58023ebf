"""A process that forks others which erase a patient and are killed (SIGKILL) on the way; run by test_erasure_killed.

Reads lines `<home> <request> <events>`: the child dies when it has touched files so many times; 0 stands for never.
Answers with how it ended and how often it touched files.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

# Everything that an erasure imports, before the first fork; nothing of it is used here, so no thread is running.
import deltalake  # noqa: F401 - see above
import duckdb  # noqa: F401 - see above
import pandas as pd  # noqa: F401 - see above
import pyarrow.dataset
import pyarrow.parquet  # noqa: F401 - see above

from rwd_platform.flows.erase_patient import erase
from rwd_platform.flows.platform import open_platform
from rwd_platform.settings import Settings
from tests.flows.erasing import OFFICERS

_TOUCHES = ("open", "os.", "fcntl.", "shutil.")


def erase_until(home: Path, request: str, events: int, told: int) -> None:
    seen = 0

    def count(event: str, _arguments: Any) -> None:
        nonlocal seen
        if event.startswith(_TOUCHES):
            seen += 1
            if seen == events:
                os.kill(os.getpid(), signal.SIGKILL)

    platform = open_platform(Settings(home=home, demo=True))
    sys.addaudithook(count)
    os.write(told, b"begun")
    erase(platform, OFFICERS[1], request)
    os.write(told, f" {seen}".encode())


def main() -> None:
    print("ready", flush=True)
    for line in sys.stdin:
        home, request, events = line.split()
        reading, told = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                erase_until(Path(home), request, int(events), told)
                os._exit(0)
            finally:
                os._exit(1)  # with an error of its own: no test may take that for a kill
        os.close(told)
        heard = os.read(reading, 5)
        _, status = os.waitpid(child, 0)
        heard += os.read(reading, 20)
        os.close(reading)
        print(
            os.waitstatus_to_exitcode(status), heard.decode().removeprefix("begun").strip() or 0, flush=True
        )


if __name__ == "__main__":
    main()
