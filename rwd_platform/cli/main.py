"""`rwd`: one verb, one flow. The contract is docs/reference/commands.md.

Everything heavy is imported inside the verbs, so that `rwd --help` answers at once.
"""

from __future__ import annotations

import importlib
import sys

import typer

from rwd_platform.cli.files import problem_of
from rwd_platform.cli.output import drop_what_nobody_reads, note, show, speaking
from rwd_platform.cli.usage import USAGE_ERROR, bare_group, usage_problem
from rwd_platform.core.errors import Exit, PlatformError

app = typer.Typer(
    name="rwd",
    help="博鳌乐城真实世界数据研究平台 · RWD research platform for Boao Lecheng",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # plain help starts three times as fast
    pretty_exceptions_enable=False,
)

# The modules of this folder that have verbs, in the order of the help text.
VERBS = (
    "auditing",
    "break_glass",
    "checking",
    "cohorts",
    "disclosures",
    "documents",
    "keys",
    "linkage",
    "omop",
    "operating",
    "people",
    "policies",
    "provisions",
    "quality",
    "questions",
    "recoding",
    "releases",
    "risk",
    "store",
    "studying",
    "texts",
    "transfers",
    "validating",
    "verifying",
    "verifying_charts",
    "withdrawals",
    "witnessing",
)


def main() -> int:
    """Run the command line; the return value is the exit code of the contract."""
    _register()
    words = sys.argv[1:]
    with speaking(as_json="--json" in words):
        return _run(words)


def _run(words: list[str]) -> int:
    try:
        code = app(words, prog_name="rwd", standalone_mode=False)
        return int(code) if isinstance(code, int) else Exit.YES
    except PlatformError as error:
        problem = error
    except USAGE_ERROR as error:
        if bare_group(error):
            note(str(error))  # the help text
        problem = usage_problem(error, app, words)
    except typer.Abort:
        note("中断 · interrupted")
        return 130
    except BrokenPipeError:
        drop_what_nobody_reads()
        return Exit.YES
    except OSError as error:
        found = problem_of(error)
        if found is None:
            raise
        problem = found
    show(problem)
    return problem.exit


def _register() -> None:
    if not app.registered_commands:
        for name in VERBS:
            importlib.import_module(f"rwd_platform.cli.{name}").register(app)


if __name__ == "__main__":
    sys.exit(main())
