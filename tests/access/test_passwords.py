"""Passwords: argon2id, slow for guessers, the same answer time for names that do not exist."""

from __future__ import annotations

import pytest

from rwd_platform.access import passwords
from rwd_platform.access.passwords import LONGEST, generate_password, hash_password, verify_password
from rwd_platform.core.errors import PlatformError

PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def stored() -> str:
    return hash_password(PASSWORD)


def test_the_hash_is_argon2id_with_memory(stored: str) -> None:
    """64 MiB and three passes at least: guessing costs memory, which is what guessers lack."""
    kind, version, parameters = stored.split("$")[1:4]
    numbers = dict(part.split("=") for part in parameters.split(","))
    assert (kind, version) == ("argon2id", "v=19")
    assert int(numbers["m"]) >= 64 * 1024 and int(numbers["t"]) >= 3
    assert PASSWORD not in stored


def test_only_the_password_is_the_password(stored: str) -> None:
    """Neither its beginning, nor another case, nor nothing."""
    assert verify_password(PASSWORD, stored)
    for wrong in ("", PASSWORD[:-1], PASSWORD.upper(), PASSWORD + " ", "\x00", "\ud800", "x" * 10_000):
        assert not verify_password(wrong, stored)


def test_the_same_password_is_stored_differently_each_time(stored: str) -> None:
    """A salt: equal passwords cannot be seen in a stolen table."""
    assert hash_password(PASSWORD) != stored


def test_full_width_letters_are_the_same_password() -> None:
    """A Chinese keyboard may send full-width letters; people cannot see the difference."""
    assert verify_password("ｃｏｒｒｅｃｔ horse battery", hash_password(PASSWORD))


def test_an_unknown_login_costs_as_much_as_a_known_one(monkeypatch: pytest.MonkeyPatch, stored: str) -> None:
    """A hash is computed in both cases - counted here, because a stopwatch would lie on a busy machine."""
    verified: list[str] = []
    original = passwords._HASHER.verify

    def count(password: str, hash: str) -> bool:
        verified.append(hash)
        return original(password, hash)

    monkeypatch.setattr(passwords._HASHER, "verify", count)
    assert not verify_password("whatever it is", None)
    assert not verify_password("whatever it is", stored)
    assert not verify_password("x" * (LONGEST + 1), stored)
    assert len(verified) == 3
    assert all(hash.split("$")[1:4] == stored.split("$")[1:4] for hash in verified)


@pytest.mark.parametrize("damaged", ["", "plain text", "$argon2id$", "$2b$12$abcdefghijklmnopqrstuv"])
def test_a_damaged_hash_matches_nothing(damaged: str) -> None:
    """A broken column locks the account; it never opens it, not even for the same text."""
    assert not verify_password(PASSWORD, damaged)
    assert not verify_password(damaged, damaged)


@pytest.mark.parametrize("password", ["", "short", "x" * 11, "x" * 257])
def test_short_and_endless_passwords_are_refused(password: str) -> None:
    """Twelve characters at least; at most 256, so that a request cannot buy an expensive hash."""
    with pytest.raises(PlatformError) as caught:
        hash_password(password)
    assert caught.value.code == "access.password_length"
    assert password == "" or password not in str(caught.value.as_dict())


def test_generated_passwords_are_long_random_and_readable() -> None:
    """99 bits, in groups, without letters that look alike."""
    made = {generate_password() for _ in range(200)}
    assert len(made) == 200
    for password in made:
        assert [len(group) for group in password.split("-")] == [5, 5, 5, 5]
        assert not set(password) & set("01lioIO")
