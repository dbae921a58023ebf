"""Heavy libraries have one home and are imported when they are used: help and web pages start at once."""

from __future__ import annotations

import subprocess
import sys

HEAVY = [
    "lifelines", "great_expectations", "fhir", "matplotlib", "deltalake", "duckdb", "ibis", "pandas", "typst",
    "docx", "scipy", "pyarrow", "pyspark",
]  # fmt: skip


def loaded_after(statement: str) -> set[str]:
    program = f"import sys\n{statement}\nprint(' '.join(sorted({{m.split('.')[0] for m in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_help_text_loads_nothing_heavy() -> None:
    """`rwd --help` answers before anything that computes is imported."""
    seen = loaded_after(
        "import io, contextlib\n"
        "sys.argv = ['rwd', '--help']\n"
        "from rwd_platform.cli.main import main\n"
        "with contextlib.redirect_stdout(io.StringIO()): main()"
    )
    assert seen & set(HEAVY) == set()
    assert "typer" in seen, "the check itself must have run the command line"


def test_the_web_application_starts_without_the_heavy_libraries() -> None:
    seen = loaded_after("import rwd_platform.server.app")
    assert seen & set(HEAVY) == set()
    assert "fastapi" in seen
