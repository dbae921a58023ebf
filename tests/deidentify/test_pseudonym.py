"""Pseudonyms: stable under one key, useless without it, and not joinable across scopes."""

from __future__ import annotations

import base64
import hashlib
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deidentify.linkage import link_token
from deidentify.pseudonym import Pseudonymiser, Pseudonymisers, Token, parse_token
from rwd_platform.core.errors import Exit, PlatformError
from rwd_platform.signing.keys import KeyRing
from rwd_platform.signing.suites import suite

KEY = bytes(range(32))
FHIR_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")


def _hmac_by_hand(key: bytes, message: bytes) -> bytes:
    """RFC 2104, written out, so that the token is checked against the standard and not against itself."""
    block = key.ljust(64, b"\0")
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block) + message).digest()
    return hashlib.sha256(bytes(byte ^ 0x5C for byte in block) + inner).digest()


def test_a_token_is_an_hmac_over_scope_kind_and_value():
    """`p1`, suite, key version, then 128 bits of HMAC-SHA256 in base32; each text has its length
    before it.
    """
    parts = [part.encode() for part in ("org-1", "Patient", "17")]
    message = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    expected = base64.b32encode(_hmac_by_hand(KEY, message)[:16]).decode().rstrip("=").lower()
    assert Pseudonymiser(KEY, "org-1", version=3).token("Patient", "17") == f"p1.intl.3.{expected}"


@settings(deadline=None)
@given(kind=st.text(max_size=20), value=st.text(max_size=200))
def test_every_token_is_a_valid_fhir_id(kind: str, value: str):
    """Whatever a hospital uses as an id, its pseudonym can stand in `id` and in a reference."""
    token = Pseudonymiser(KEY, "org-1").token(kind, value)
    assert FHIR_ID.fullmatch(token)
    assert token == token.lower()


def test_tokens_differ_by_key_scope_kind_and_value():
    """Two hospitals, two projects, two kinds of resource or two versions never share a token."""
    tokens = [
        Pseudonymiser(KEY, "a").token("Patient", "1"),
        Pseudonymiser(KEY[::-1], "a").token("Patient", "1"),
        Pseudonymiser(KEY, "b").token("Patient", "1"),
        Pseudonymiser(KEY, "a").token("Encounter", "1"),
        Pseudonymiser(KEY, "a").token("Patient", "2"),
        Pseudonymiser(KEY, "a", version=2).token("Patient", "1"),
        Pseudonymiser(KEY, "aPatient").token("", "1"),  # the same letters, cut elsewhere
    ]
    assert len(set(tokens)) == len(tokens)


def test_full_width_and_half_width_forms_give_one_token():
    """A record room types digits in full width one day and half width the next; it is the same patient."""
    pseudonyms = Pseudonymiser(KEY, "org-1")
    assert pseudonyms.token("Patient", "ZY１２３ ") == pseudonyms.token("Patient", "ZY123")


def test_no_two_of_many_values_meet():
    """Twenty thousand ids give twenty thousand tokens."""
    pseudonyms = Pseudonymiser(KEY, "org-1")
    assert len({pseudonyms.token("Patient", str(number)) for number in range(20_000)}) == 20_000


@pytest.mark.parametrize("length", [0, 1, 31])
def test_a_short_key_is_refused(length: int):
    """The identifiers behind pseudonyms are guessable, so the key must not be."""
    with pytest.raises(PlatformError) as refusal:
        Pseudonymiser(b"k" * length, "org-1")
    assert refusal.value.code == "pseudonym.key_unfit"


def test_the_key_shows_in_no_text():
    """A pseudonymiser printed into a log or an error names its scope, not its key."""
    key = b"not-to-be-seen-not-to-be-seen-32"
    assert repr(Pseudonymiser(key, "org-1")) == "Pseudonymiser(scope='org-1', version=1)"


# -- suites and versions -----------------------------------------------------------------------------


def test_a_token_of_gm_is_an_hmac_sm3_and_says_so():
    """The same message under the other suite; tests/spec ties its HMAC to the standard."""
    message = b"".join(len(part).to_bytes(4, "big") + part for part in (b"org-1", b"Patient", b"17"))
    expected = base64.b32encode(suite("gm").mac(KEY, message)[:16]).decode().rstrip("=").lower()
    token = Pseudonymiser(KEY, "org-1", suite="gm").token("Patient", "17")
    assert token == f"p1.gm.1.{expected}"
    assert FHIR_ID.fullmatch(token)


@settings(max_examples=60, deadline=None)
@given(
    values=st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=12, unique=True),
    root=st.binary(min_size=32, max_size=32),
    name=st.sampled_from(["intl", "gm"]),
)
def test_no_two_scopes_share_a_token(values: list[str], root: bytes, name: str):
    """Two projects, two hospitals, two kinds, two versions: whatever the identifiers are, nothing can be joined."""
    ring = KeyRing(root, name)
    makers = [
        Pseudonymiser(ring.derive("project", "a"), "a", suite=name),
        Pseudonymiser(ring.derive("project", "b"), "b", suite=name),
        Pseudonymiser(ring.derive("project", "b", version=2), "b", 2, suite=name),
        Pseudonymiser(ring.derive("pseudonym", "org-a"), "his", suite=name),
        Pseudonymiser(ring.derive("pseudonym", "org-b"), "his", suite=name),
    ]
    # Normal forms of two texts may be one: then their tokens are one in every scope alike.
    sets = [
        {one.token(kind, value).rpartition(".")[2] for value in values} for one in makers for kind in "PE"
    ]
    for at, here in enumerate(sets):
        for other in sets[at + 1 :]:
            assert not here & other


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (Pseudonymiser(KEY, "a").token("Patient", "1"), Token("p1", "intl", 1)),
        (Pseudonymiser(KEY, "a", 12, "gm").token("Patient", "1"), Token("p1", "gm", 12)),
        (
            link_token({"identifier": [{"value": "11010519491231002X"}]}, KEY, "gm", 3),
            Token("l1", "gm", 3),
        ),
    ],
)
def test_a_token_says_scheme_suite_and_version(text: str, said: Token):
    """So that one knows which key to take, years later."""
    assert parse_token(text) == said


GOOD = Pseudonymiser(KEY, "a").token("Patient", "1")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "pseudonym.token_malformed"),
        ("p1", "pseudonym.token_malformed"),
        ("330106199001011234", "pseudonym.token_malformed"),
        (GOOD.upper(), "pseudonym.token_malformed"),
        (GOOD[:-1], "pseudonym.token_malformed"),
        (GOOD + "a", "pseudonym.token_malformed"),
        (GOOD + "\n", "pseudonym.token_malformed"),
        (GOOD[:-1] + "b", "pseudonym.token_malformed"),  # 130 bits, the last two not zero
        (GOOD.replace(".1.", ".0."), "pseudonym.token_malformed"),
        (GOOD.replace(".1.", ".01."), "pseudonym.token_malformed"),
        (GOOD.replace(".1.", ".１."), "pseudonym.token_malformed"),
        ("x" * 1_000_000, "pseudonym.token_malformed"),
        (GOOD.replace("intl", "rsa"), "suite.unknown"),
    ],
)
def test_what_is_no_token_is_named_so(text: str, code: str):
    """And nothing of it is repeated: in its place may stand what a token was to hide."""
    with pytest.raises(PlatformError) as refused:
        parse_token(text)
    error = refused.value
    assert (error.code, error.exit) == (code, Exit.MALFORMED)
    assert not text or text[:40] not in error.en + error.zh


def test_a_version_that_the_ring_does_not_know_is_an_error_of_its_own():
    """A token that says version 3 where versions 1 and 2 are known: another deployment's, or a newer backup's."""
    token = Pseudonymiser(KEY, "a", 3).token("Patient", "1")
    assert parse_token(token).version == 3
    with pytest.raises(PlatformError) as refused:
        parse_token(token, {1, 2})
    assert refused.value.code == "pseudonym.version_unknown"
    assert "3" in refused.value.en and "1, 2" in refused.value.en and "1, 2" in refused.value.zh


RING = KeyRing(bytes(32))
VERSIONS = {version: RING.derive("pseudonym", "org-a", version=version) for version in (1, 2)}


def test_the_current_version_writes_and_the_older_is_recognised():
    """After a rotation: new tokens carry the new version, and it can still be told whose an old one is."""
    several = Pseudonymisers(VERSIONS, "his", current=2)
    new, old = several.token("Patient", "17"), Pseudonymiser(VERSIONS[1], "his", 1).token("Patient", "17")
    assert (parse_token(new).version, parse_token(old).version) == (2, 1)
    assert new.rpartition(".")[2] != old.rpartition(".")[2]
    assert several.is_token_of(new, "Patient", "17") and several.is_token_of(old, "Patient", "17")
    assert not several.is_token_of(old, "Patient", "18")
    assert not several.is_token_of(old, "Encounter", "17")
    assert not several.is_token_of(
        Pseudonymiser(VERSIONS[1], "other", 1).token("Patient", "17"), "Patient", "17"
    )


def test_a_token_of_another_root_suite_or_scheme_is_not_recognised():
    """A root key of another deployment: the version exists here too, and the token is still nobody's."""
    several = Pseudonymisers(VERSIONS, "his", current=2)
    foreign = KeyRing(b"z" * 32).derive("pseudonym", "org-a")
    assert not several.is_token_of(Pseudonymiser(foreign, "his").token("Patient", "17"), "Patient", "17")
    assert not several.is_token_of(
        Pseudonymiser(VERSIONS[1], "his", 1, "gm").token("Patient", "17"), "Patient", "17"
    )
    assert not several.is_token_of(GOOD.replace("p1", "l1"), "Patient", "1")


@pytest.mark.parametrize(
    ("text", "code"),
    [(GOOD.replace(".1.", ".3."), "pseudonym.version_unknown"), ("17", "pseudonym.token_malformed")],
)
def test_what_cannot_be_told_is_no_plain_no(text: str, code: str):
    """ "Not this patient" and "nobody knows" are two answers."""
    with pytest.raises(PlatformError, match=re.escape(code)):
        Pseudonymisers(VERSIONS, "his", current=2).is_token_of(text, "Patient", "17")


def test_a_current_version_without_a_key_is_refused_and_no_key_is_shown():
    with pytest.raises(PlatformError, match=r"pseudonym\.version_unknown"):
        Pseudonymisers(VERSIONS, "his", current=3)
    shown = repr(Pseudonymisers(VERSIONS, "his", current=2))
    assert "known=1, 2" in shown and repr(VERSIONS[1])[2:10] not in shown
