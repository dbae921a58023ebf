"""The tables of people across versions: an old account goes on as it was, and what guards is not dropped in silence."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import text

import rwd_platform.records.database as database
from rwd_platform.core.errors import PlatformError
from rwd_platform.log.entry import Act, Object
from rwd_platform.records.database import is_at_head, migrate, writing
from rwd_platform.records.records import Records
from rwd_platform.records.tables import Inspection, ProjectGrant, User
from tests.access.people import SETTER, add_factor, add_person

MIGRATIONS = Path(database.__file__).parent / "migrations"
ACT = Act(SETTER, "member.named", Object("project_grant", "x"))


def downgrade(records: Records) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with writing(records.engine).begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0010")


def test_an_account_of_before_has_no_end_and_no_second_factor(records: Records) -> None:
    """Down to the version without these tables and up again: the account is there, in use and unchanged."""
    add_person(records)
    downgrade(records)
    with records.engine.connect() as connection:
        columns = connection.execute(text("SELECT * FROM user_account")).keys()
        assert "valid_until" not in columns
    migrate(records.engine)
    assert is_at_head(records.engine)
    user = records.get(User, "user-ann")
    assert (user.valid_until, user.disabled_at, user.login) == ("", None, "ann")


@pytest.mark.parametrize("what", ["second_factor", "project_grant", "inspection"])
def test_what_guards_is_not_dropped(records_sqlite: Records, what: str) -> None:
    """Without it a login would take the password alone, and a closed study would open."""
    records = records_sqlite
    add_person(records)
    common = {"organisation_id": "org-1", "project_id": "p1", "user_id": "user-ann", "since": "2026-11-02",
              "reason": "x", "granted_by": "a", "granted_at": "t"}  # fmt: skip
    if what == "second_factor":
        add_factor(records)
    elif what == "project_grant":
        records.write(ProjectGrant(id="g", until="", **common), audit=ACT)
    else:
        records.write(Inspection(id="i", until="2026-11-03", document="1", **common), audit=ACT)
    with pytest.raises(PlatformError, match=r"database\.downgrade_forgets_grants") as caught:
        downgrade(records)
    assert what in caught.value.zh and what in caught.value.en
    assert is_at_head(records.engine)
