"""`./run` on machines that lack something: what is wrong is said in both languages, and nothing is half-made.

The script is copied into a folder of its own with invented requirements. Its PATH holds only the tools
that it calls and shims for Python: nothing is installed, and no index is asked.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS = (
    "bash", "cat", "chmod", "cp", "cut", "dirname", "env", "grep", "mkdir", "mktemp", "rm", "sh", "sha256sum", "tail",
)  # fmt: skip

# A Python of a given version. What it is asked about its version is judged by the real one; an environment
# that it "makes" holds a Python that notes each call, installs by doing as `pip` and `uv` say, and runs `rwd`.
SHIM = r"""#!/bin/sh
echo "python {version} $*" >>"$CALLS"
case "$1 $2" in
"-c import sys; sys.exit"*)
    exec {real} -c "import sys; sys.version_info = ({commas}, 0, 'final', 0); exec(sys.argv[1])" "$2" ;;
"-m venv"|"-m virtualenv")
    for place; do :; done
    if [ "$2" = venv ] && [ -n "$VENV_FAILS" ]; then mkdir -p "$place"; echo "$VENV_FAILS" >&2; exit 1; fi
    if [ "$2" = virtualenv ] && [ -n "$VIRTUALENV_FAILS" ]; then echo "$VIRTUALENV_FAILS" >&2; exit 1; fi
    mkdir -p "$place/bin" "$place/site"
    cp "$MADE" "$place/bin/python" && chmod +x "$place/bin/python" ;;
esac
"""
MADE = r"""#!/bin/sh
here=$(dirname "$0")
case "$1 $2 $3" in
"-m pip --version") ;;
"-m pip install")
    echo "pip $*" >>"$CALLS"
    case "$*" in
    *" uv")
        if [ -n "$UV_FAILS" ]; then echo "$UV_FAILS" >&2; exit 1; fi
        printf '#!/bin/sh\necho "uv $*" >>"$CALLS"\n' >"$here/uv"; chmod +x "$here/uv" ;;
    *) if [ -n "$PIP_FAILS" ]; then echo "$PIP_FAILS" >&2; exit 1; fi ;;
    esac ;;
"-c import sysconfig"*) echo "$here/../site" ;;
*/bin/rwd*)
    shift
    for argument; do echo "<$argument>"; done
    echo "something for a person" >&2
    exit "${RWD_EXIT:-0}" ;;
esac
"""


@dataclass
class Machine:
    """A copy of the script, and the PATH it is started with."""

    folder: Path
    variables: dict[str, str] = field(default_factory=dict)
    path: list[Path] = field(default_factory=list)

    def python(self, version: str, *names: str) -> None:
        """A Python of this version behind those that are there already."""
        place = self.folder / f"bin{len(self.path)}"
        place.mkdir()
        text = SHIM.format(version=version, commas=version.replace(".", ", "), real=sys.executable)
        for name in names:
            (place / name).write_text(text)
            (place / name).chmod(0o755)
        self.path.append(place)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        path = os.pathsep.join(map(str, [*self.path, self.folder / "tools"]))
        environment = {"PATH": path, "CALLS": str(self.calls_file), "MADE": str(self.folder / "made")}
        return subprocess.run(
            [str(self.folder / "project" / "run"), *arguments],
            env={**environment, **self.variables, "TMPDIR": str(self.folder)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    @property
    def calls_file(self) -> Path:
        return self.folder / "calls"

    @property
    def calls(self) -> list[str]:
        return self.calls_file.read_text().splitlines() if self.calls_file.exists() else []

    @property
    def venv(self) -> Path:
        return self.folder / "project" / ".venv"

    def installs(self) -> list[str]:
        return [call for call in self.calls if call.startswith(("pip", "uv"))]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    project = tmp_path / "project"
    (project / "requirements").mkdir(parents=True)
    (project / "requirements" / "run.lock").write_text("nothing==1\n")
    shutil.copy2(ROOT / "run", project / "run")
    (tmp_path / "tools").mkdir()
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found is not None, tool
        (tmp_path / "tools" / tool).symlink_to(found)
    (tmp_path / "made").write_text(MADE)
    return Machine(tmp_path)


def says(result: subprocess.CompletedProcess[str], exit: int, *texts: str) -> None:
    """The exit code, and both languages with a next step, on stderr alone."""
    assert result.returncode == exit, result.stderr
    assert result.stdout == ""
    for text in ("✗", "→", *texts):
        assert text in result.stderr, result.stderr


# -- which Python ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "behind", [("python3.11",), ("python3.12",), ("python3",), ("python",)], ids=lambda names: names[0]
)
def test_an_older_python_first_on_the_path_is_passed_over(machine: Machine, behind: tuple[str, ...]) -> None:
    """Also when both have the same name: the one behind it is asked too."""
    machine.python("3.9", "python3", "python")
    machine.python("3.12" if behind == ("python3.12",) else "3.11", *behind)
    result = machine.run("rwd", "--help")
    assert result.returncode == 0, result.stderr
    assert any(call.startswith(("python 3.11 -m venv", "python 3.12 -m venv")) for call in machine.calls)
    assert not any(call.startswith("python 3.9 -m venv") for call in machine.calls)


@pytest.mark.parametrize("version", ["3.8", "3.10", "3.13", "2.7"])
def test_with_only_another_python_the_machine_is_not_ready(machine: Machine, version: str) -> None:
    machine.python(version, "python3", "python")
    says(machine.run("demo"), 4, "未找到 Python 3.11 或 3.12", "No Python 3.11 or 3.12", "RWD_PYTHON=")
    assert not machine.venv.exists()


def test_without_any_python_the_message_is_the_same(machine: Machine) -> None:
    says(machine.run("demo"), 4, "未找到 Python 3.11 或 3.12", "No Python 3.11 or 3.12")


def test_a_python_that_is_named_is_taken_first(machine: Machine) -> None:
    machine.python("3.12", "python3.12")
    machine.python("3.11", "mine")
    machine.variables["RWD_PYTHON"] = str(machine.path[1] / "mine")
    assert machine.run("rwd").returncode == 0
    assert not any(call.startswith("python 3.12") for call in machine.calls)


# -- no venv module --------------------------------------------------------------------------------


def test_without_a_venv_module_virtualenv_takes_over(machine: Machine) -> None:
    machine.python("3.11", "python3.11")
    machine.variables["VENV_FAILS"] = "The virtual environment was not created: ensurepip is not available"
    assert machine.run("rwd").returncode == 0
    assert (machine.venv / "bin" / "rwd").exists()


def test_without_venv_and_virtualenv_the_next_step_is_said(machine: Machine) -> None:
    machine.python("3.11", "python3.11")
    machine.variables |= {
        "VENV_FAILS": "No module named venv",
        "VIRTUALENV_FAILS": "No module named virtualenv",
    }
    says(machine.run("demo"), 4, "缺少 venv 模块", "no working venv module", "apt install python3-venv")
    assert not machine.venv.exists(), "no half-made environment is left behind"


# -- no index, no disk -----------------------------------------------------------------------------

UNREACHABLE = "Could not fetch URL: connection error: [Errno -3] Temporary failure in name resolution"
FULL = "OSError: [Errno 28] No space left on device"


def test_when_uv_does_not_work_pip_takes_over(machine: Machine) -> None:
    machine.python("3.11", "python3.11")
    machine.variables["UV_FAILS"] = "no wheel of uv for this machine"
    result = machine.run("rwd")
    assert result.returncode == 0
    assert "pip takes over" in result.stderr
    assert any("--require-hashes" in call and call.startswith("pip") for call in machine.calls)


def test_without_an_index_the_mirror_is_named(machine: Machine) -> None:
    """Nothing is marked as installed, so the next call tries again."""
    machine.python("3.11", "python3.11")
    machine.variables |= {"UV_FAILS": UNREACHABLE, "PIP_FAILS": UNREACHABLE}
    says(machine.run("demo"), 4, "无法安装锁定的依赖", "could not be installed", "PIP_INDEX_URL", UNREACHABLE)
    assert not list(machine.venv.glob(".installed*"))
    machine.variables.clear()
    assert machine.run("rwd").returncode == 0


@pytest.mark.parametrize(
    "step", [{"VENV_FAILS": FULL}, {"UV_FAILS": FULL, "PIP_FAILS": FULL}], ids=["environment", "packages"]
)
def test_a_full_disk_is_called_a_full_disk(machine: Machine, step: dict[str, str]) -> None:
    machine.python("3.11", "python3.11")
    machine.variables |= step
    says(machine.run("demo"), 4, "磁盘空间不足", "The disk is full", "2 GB")
    assert not list(machine.venv.glob(".installed*"))


def test_no_place_for_temporary_files_is_a_full_disk_too(machine: Machine) -> None:
    machine.python("3.11", "python3.11")
    (machine.folder / "tools" / "mktemp").unlink()
    (machine.folder / "tools" / "mktemp").write_text("#!/bin/sh\nexit 1\n")
    (machine.folder / "tools" / "mktemp").chmod(0o755)
    says(machine.run("demo"), 4, "磁盘空间不足", "The disk is full")


# -- arguments, output, second calls ---------------------------------------------------------------


@pytest.mark.parametrize("arguments", [(), ("nonsense",), ("--help",), ("demoo", "--out", "x")])
def test_an_unknown_command_shows_the_usage_and_touches_nothing(
    machine: Machine, arguments: tuple[str, ...]
) -> None:
    result = machine.run(*arguments)
    assert result.returncode == 2
    assert result.stdout == ""
    for command in ("demo", "test", "serve", "rwd", "check", "fix", "bench", "docs"):
        assert command in result.stderr
    assert machine.calls == [] and not machine.venv.exists()


def test_a_second_call_installs_nothing(machine: Machine) -> None:
    """The stamp holds the lock's hash: a changed lock is installed, an unchanged one is not looked at."""
    machine.python("3.11", "python3.11")
    assert machine.run("rwd").returncode == 0
    before = machine.installs()
    assert len(before) == 2, before
    assert machine.run("rwd").stderr == "something for a person\n"
    assert machine.installs() == before
    (machine.folder / "project" / "requirements" / "run.lock").write_text("nothing==2\n")
    assert machine.run("rwd").returncode == 0
    assert len(machine.installs()) == 4


@pytest.mark.parametrize("code", [0, 1, 2, 3, 4])
def test_rwd_gets_its_arguments_and_gives_its_exit_code_and_stdout_untouched(
    machine: Machine, code: int
) -> None:
    machine.python("3.11", "python3.11")
    machine.variables["RWD_EXIT"] = str(code)
    awkward = ["validate", "a b.json", "", "--json", "*", "it's", '"', "$HOME", "文件.ndjson", "--", "-x"]
    result = machine.run("rwd", *awkward)
    assert result.returncode == code
    assert result.stdout == "".join(f"<{one}>\n" for one in awkward)


def test_a_folder_with_blanks_and_chinese_in_its_name_works(machine: Machine) -> None:
    machine.python("3.11", "python3.11")
    shutil.copytree(machine.folder / "project", machine.folder / "另一 个")
    result = subprocess.run(
        [str(machine.folder / "另一 个" / "run"), "rwd", "x"],
        env={
            "PATH": os.pathsep.join(map(str, [*machine.path, machine.folder / "tools"])),
            "CALLS": str(machine.calls_file),
            "MADE": str(machine.folder / "made"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stdout) == (0, "<x>\n"), result.stderr


def test_rwd_exists_after_any_run_and_says_which_checkout_it_runs(machine: Machine) -> None:
    machine.python("3.11", "python3.11")
    machine.run("demo")
    assert os.access(machine.venv / "bin" / "rwd", os.X_OK)
    assert (machine.venv / "site" / "rwd_checkout.pth").read_text() == f"{machine.folder / 'project'}\n"


def test_ci_calls_the_newcomers_own_command() -> None:
    """What CI proves is what a newcomer types: `.ci/run` ends in `./run test`, arguments passed on."""
    lines = [line for line in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines() if line.strip()]
    assert lines[-1] == 'exec ./run test "$@"'
    assert "set -euo pipefail" in lines
    assert os.access(ROOT / ".ci" / "run", os.X_OK) and os.access(ROOT / "run", os.X_OK)
    for script in (ROOT / "run", ROOT / ".ci" / "run"):
        subprocess.run(["bash", "-n", str(script)], check=True)
