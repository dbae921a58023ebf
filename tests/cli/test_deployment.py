"""A command on a deployment: which key it runs with, who it is in the log, and what it answers when work fails."""

from __future__ import annotations

import json
import os
import pwd
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from rwd_platform.cli import serving
from rwd_platform.core.errors import PlatformError
from rwd_platform.flows.platform import open_platform
from rwd_platform.settings import Settings, load_settings
from rwd_platform.signing.keys import make_root_key
from tests.cli.calling import Rwd, is_chinese
from tests.cli.test_contract import TERM_OPTIONS, write
from tests.flows.sending import ndjson, patient

PROTOCOL = Path(__file__).parents[2] / "studies" / "protocols" / "rotterdam.yaml"


@pytest.fixture
def root_key(tmp_path: Path) -> Path:
    path = tmp_path / "keys" / "root.key"
    make_root_key(path)
    return path


# -- which key -------------------------------------------------------------------------------------


def test_the_demo_key_is_refused_beside_a_root_key(
    rwd: Rwd, root_key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RWD_DEMO forgotten in a deployment would sign and pseudonymise with a key that everybody has."""
    monkeypatch.setenv("RWD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("RWD_ROOT_KEY_FILE", str(root_key))
    monkeypatch.setenv("RWD_DEMO", "1")
    answer = rwd("study", "list", "--json")
    assert (answer.code, answer.document["error"]["code"]) == (4, "settings.demo_with_key")
    assert (
        is_chinese(answer.document["error"]["zh"]) and "RWD_ROOT_KEY_FILE" in answer.document["error"]["en"]
    )
    monkeypatch.setenv("RWD_DEMO", "0")
    assert not load_settings().key_ring().is_demo


class _Served(Exception):
    """The port is the first thing that `serve` looks at after it has chosen the key."""


@pytest.fixture
def chosen(rwd: Rwd, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """`serve` up to the choice; what it sets in the environment is undone."""

    def stop(*_: object) -> None:
        raise _Served

    before = dict(os.environ)
    monkeypatch.setattr(serving, "_check_port", stop)
    yield
    os.environ.clear()
    os.environ.update(before)


def demo_after_serving(home: Path) -> bool:
    with pytest.raises(_Served):
        serving.serve_home(home, "127.0.0.1", 1, lambda _: None, with_worker=False)
    return load_settings().demo


def test_a_fresh_home_is_a_demo_where_no_key_is(chosen: None, tmp_path: Path) -> None:
    assert demo_after_serving(tmp_path / "fresh")


@pytest.mark.parametrize("place", ["by the setting", "at the usual place"])
def test_a_fresh_home_is_no_demo_where_a_key_is(
    chosen: None, tmp_path: Path, root_key: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """The first `rwd serve` of a real deployment finds an empty home too."""
    if place == "by the setting":
        monkeypatch.setenv("RWD_ROOT_KEY_FILE", str(root_key))
    else:
        make_root_key(Path(os.environ["HOME"]) / ".config" / "rwd" / "root.key")
    assert not demo_after_serving(tmp_path / "fresh")
    assert not (tmp_path / "fresh" / serving.DEMO_MARK).exists()


def test_the_demos_own_home_stays_a_demo(
    chosen: None, tmp_path: Path, root_key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its records were made with the demo key; with a named root key beside it nothing is chosen silently."""
    (tmp_path / serving.DEMO_MARK).touch()
    assert demo_after_serving(tmp_path)
    monkeypatch.setenv("RWD_ROOT_KEY_FILE", str(root_key))
    with pytest.raises(PlatformError) as refused:
        load_settings().key_ring()
    assert refused.value.code == "settings.demo_with_key"


# -- who, and that it can be verified --------------------------------------------------------------


def test_the_account_that_ran_a_command_is_its_actor(
    rwd: Rwd, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the user id: LOGNAME and USER are whatever somebody typed."""
    monkeypatch.setenv("LOGNAME", "somebody-else")
    monkeypatch.setenv("USER", "somebody-else")
    assert rwd("study", "register", PROTOCOL, "--json").code == 0
    (entry,) = [e for e in open_platform(Settings()).records.log_entries() if e.action == "study.registered"]
    assert entry.actor_id == f"cli:{pwd.getpwuid(os.getuid()).pw_name}"
    assert json.loads(entry.body)["actor"]["role"] == "researcher"


def test_an_account_without_a_name_is_its_number(
    rwd: Rwd, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 2_000_000_123)
    assert rwd("study", "register", PROTOCOL, "--json").code == 0
    assert open_platform(Settings()).records.log_entries()[-1].actor_id == "cli:uid-2000000123"


def test_what_a_command_wrote_verifies_at_once(rwd: Rwd, home: Path) -> None:
    """An honest fresh deployment has a signed log, also when its last command was refused."""
    study = rwd("study", "register", PROTOCOL, "--json").document["id"]
    assert rwd("audit", "verify", "--json").document["ok"]
    assert rwd("study", "lock", study).code == 3
    answer = rwd("audit", "verify", "--json")
    assert answer.code == 0
    assert answer.document["signed_size"] == answer.document["size"] > 0


def test_an_emptied_log_does_not_verify(rwd: Rwd, home: Path) -> None:
    rwd("study", "register", PROTOCOL, "--json")
    with sqlite3.connect(home / "records.db") as connection:
        for table in ("audit_entry", "audit_node", "audit_detail", "audit_checkpoint"):
            connection.execute(f"DELETE FROM {table}")
    connection.close()
    answer = rwd("audit", "verify", "--json")
    assert answer.code == 1
    assert {one["rule"] for one in answer.document["findings"]} == {"emptied"}


# -- what it answers -------------------------------------------------------------------------------


@pytest.mark.parametrize("as_json", [True, False])
def test_an_upload_that_was_not_admitted_is_no_success(
    rwd: Rwd, home: Path, tmp_path: Path, as_json: bool
) -> None:
    """The mapping does not exist: the reason in both languages, the upload's id, and the exit code of wrong input."""
    file = write(tmp_path / "a.csv", b"a,b\n1,2\n")
    answer = rwd("upload", file, *TERM_OPTIONS, "--mapping", "nosuch", *(["--json"] if as_json else []))
    assert answer.code == 2
    assert is_chinese(answer.stderr) and "nosuch" in answer.stderr
    if as_json:
        assert set(answer.document["error"]) == {"code", "zh", "en", "next_zh", "next_en"}
        assert len(answer.stderr.splitlines()) == 1
    else:
        assert answer.stdout == b"" and "→" in answer.stderr


def no_database(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "text.db").write_text("not a database, whatever its name says\n" * 30)
    sqlite3.connect(tmp_path / "other.db").executescript("CREATE TABLE audit_entry (a)").connection.close()
    return {
        "absent": f"sqlite:///{tmp_path}/none.db",
        "in no folder": f"sqlite:///{tmp_path}/none/none.db",
        "a text": f"sqlite:///{tmp_path}/text.db",
        "another's": f"sqlite:///{tmp_path}/other.db",
        "no address": "none.db",
        "unknown kind": "nosuch://x/y",
    }


@pytest.mark.parametrize(
    "kind", ["absent", "in no folder", "a text", "another's", "no address", "unknown kind"]
)
def test_verifying_a_database_that_is_not_ours_says_so_and_makes_none(
    rwd: Rwd, tmp_path: Path, home: Path, kind: str
) -> None:
    url = no_database(tmp_path)[kind]
    before = sorted(path.name for path in tmp_path.iterdir())
    answer = rwd("audit", "verify", "--database", url, "--json")
    assert (answer.code, answer.document["error"]["code"]) == (4, "audit.no_log_there")
    assert is_chinese(answer.document["error"]["zh"]) and "Traceback" not in answer.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_verifying_without_a_deployment_makes_none(
    rwd: Rwd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RWD_HOME", str(tmp_path / "nowhere"))
    monkeypatch.setenv("RWD_DEMO", "1")
    assert rwd("audit", "verify", "--json").code == 4
    assert not (tmp_path / "nowhere").exists()


def test_an_upload_of_good_lines_is_still_a_success(
    rwd: Rwd, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rwd_platform.flows.jobs._check", lambda *_: None)  # has tests of its own
    assert rwd("upload", write(tmp_path / "a.ndjson", ndjson(patient("p1"))), *TERM_OPTIONS).code == 0
    assert rwd("audit", "verify").code == 0
