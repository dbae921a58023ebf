"""Receive: nothing without terms, nothing under a wrong name, the same bytes recognised, nothing left half-way."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, cast

import pytest
from sqlmodel import select

from rwd_platform.core.errors import PlatformError
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.receipts import files_of
from rwd_platform.flows.receive_upload import (
    UploadTerms,
    begin_file,
    close_upload,
    finish_file,
    open_upload,
    receive_upload,
)
from rwd_platform.jobs.queue import enqueue
from rwd_platform.log.entry import Actor
from rwd_platform.records.tables import Job, Upload, UploadFile
from tests.flows.log_reading import whole_log
from tests.flows.sending import CLERK, CLERK_B, RESEARCHER, TERMS, actions, ndjson, patient, received, sent


def landed(platform: Platform) -> list[Path]:
    return [path for path in platform.layout.landing.rglob("*") if path.is_file()]


def refused(platform: Platform, terms: UploadTerms, actor: Actor = CLERK) -> PlatformError:
    with pytest.raises(PlatformError) as raised:
        open_upload(platform, actor, terms)
    assert not platform.records.all(select(Upload))
    return raised.value


# -- terms -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "term", ["source_system", "agreement", "platform_role", "consent_version", "ethics_id"]
)
@pytest.mark.parametrize("value", ["", "   ", "\t\u3000"])
def test_an_upload_without_one_of_its_terms_is_refused(platform: Platform, term: str, value: str) -> None:
    """Nothing is received without agreement, role, consent version and ethics id; the error names which."""
    error = refused(platform, replace(TERMS, **{term: value}))  # type: ignore[arg-type]
    assert (error.code, error.exit) == ("upload.term_missing", 3)
    assert term in error.en and term in error.zh


def test_an_agreement_is_named_by_its_number_and_by_nobodys(platform: Platform) -> None:
    """It stands in the log, from which nothing is erased."""
    error = refused(platform, replace(TERMS, agreement="王小明 110101199003070011"))
    assert (error.code, error.http) == ("upload.term_identifies", 422)
    assert "110101" not in error.zh + error.en + whole_log(platform)


@pytest.mark.parametrize(("term", "value"), [("platform_role", "owner"), ("fhir_version", "R3")])
def test_a_term_outside_its_list_is_refused_and_the_list_is_said(
    platform: Platform, term: str, value: str
) -> None:
    error = refused(platform, replace(TERMS, **{term: value}))  # type: ignore[arg-type]
    assert error.code == "upload.term_unknown"
    assert ("entrusted" if term == "platform_role" else "R4B") in error.en
    assert value not in error.en


def test_blanks_around_a_term_are_not_stored(platform: Platform) -> None:
    upload = open_upload(platform, CLERK, replace(TERMS, agreement="  A-1 "))
    assert platform.records.get(Upload, upload.id).agreement == "A-1"


def test_only_a_hospital_may_send_and_only_for_itself(platform: Platform) -> None:
    assert refused(platform, TERMS, RESEARCHER).code == "access.not_allowed"
    upload = open_upload(platform, CLERK, TERMS)
    with pytest.raises(PlatformError) as raised:
        begin_file(platform, CLERK_B, upload.id, "a.ndjson")
    assert raised.value.code == "records.not_found"


def test_a_correction_names_an_upload_of_the_same_hospital(platform: Platform) -> None:
    first = received(platform, {"a.ndjson": ndjson(patient())})
    again = open_upload(platform, CLERK, replace(TERMS, corrects_upload_id=f" {first} "))
    assert again.corrects_upload_id == first
    with pytest.raises(PlatformError) as raised:
        open_upload(platform, CLERK_B, replace(TERMS, corrects_upload_id=first))
    assert raised.value.code == "records.not_found"


# -- files -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", " ", "x" * 201, "a\nb.json", "a\x00b", "a\u202eb.json"])
def test_a_file_name_that_cannot_be_shown_is_refused(platform: Platform, name: str) -> None:
    upload = open_upload(platform, CLERK, TERMS)
    with pytest.raises(PlatformError) as raised:
        begin_file(platform, CLERK, upload.id, name)
    assert raised.value.code == "upload.file_name"
    assert landed(platform) == []


@pytest.mark.parametrize("name", ["../../etc/passwd", "病案首页 2024.csv", "a/b.json", "C:\\x.json"])
def test_a_name_is_a_label_and_never_a_path(platform: Platform, name: str) -> None:
    """Files lie under the hash of their content, whatever they were called."""
    upload_id = received(platform, {name: ndjson(patient())})
    assert [file.name for file in files_of(platform, upload_id)] == [name]
    home = platform.layout.home
    assert landed(platform) and all(path.is_relative_to(home) for path in landed(platform))
    assert not any("passwd" in path.name or "csv" in path.name for path in landed(platform))


def test_the_bytes_come_back_as_sent_and_lie_encrypted(platform: Platform) -> None:
    content = ndjson(patient(name=[{"text": "甲乙丙"}]))
    upload_id = received(platform, {"a.ndjson": content})
    file = files_of(platform, upload_id)[0]
    assert file.bytes == len(content)
    with platform.landing.open(CLERK.organisation, file.sha256) as stream:
        assert io.BufferedReader(stream).read() == content  # type: ignore[type-var]
    assert all("甲乙丙".encode() not in path.read_bytes() for path in landed(platform))


def test_a_client_that_disconnects_leaves_nothing(platform: Platform) -> None:
    """The stream breaks: no part, no row, and the upload can still take the file when it comes again."""
    upload = open_upload(platform, CLERK, TERMS)
    with pytest.raises(ConnectionResetError), begin_file(platform, CLERK, upload.id, "a.ndjson") as incoming:
        incoming.write(b'{"resourceType": "Pat')
        raise ConnectionResetError
    assert landed(platform) == []
    assert files_of(platform, upload.id) == []
    again = begin_file(platform, CLERK, upload.id, "a.ndjson")
    again.write(ndjson(patient()))
    finish_file(platform, CLERK, upload.id, "a.ndjson", again)
    assert len(files_of(platform, upload.id)) == 1


class Breaking(io.RawIOBase):
    """A file on a disk that goes away after its first bytes."""

    def read(self, size: int = -1) -> bytes:
        if self.tell_me_twice():
            raise OSError("the disk went away")
        return b"{"

    def tell_me_twice(self) -> bool:
        self.asked = getattr(self, "asked", 0) + 1
        return self.asked > 1


def test_a_file_that_cannot_be_read_to_its_end_leaves_no_part(platform: Platform) -> None:
    good, broken = io.BytesIO(ndjson(patient())), cast(BinaryIO, Breaking())
    with pytest.raises(OSError, match="went away"):
        receive_upload(platform, CLERK, TERMS, [("good.ndjson", good), ("broken.ndjson", broken)])
    assert [path for path in landed(platform) if path.suffix == ".part"] == []
    assert [file.name for file in platform.records.all(select(UploadFile))] == ["good.ndjson"]
    assert platform.records.all(select(Job)) == []


# -- the same bytes again --------------------------------------------------------------------------


def test_the_same_bytes_in_one_upload_are_recognised(platform: Platform) -> None:
    content = ndjson(patient())
    upload_id = received(platform, {"a.ndjson": content, "b.ndjson": content, "c.ndjson": content})
    first, *others = files_of(platform, upload_id)
    assert first.duplicate_of == ""
    assert [file.duplicate_of for file in others] == [first.id, first.id]


def test_the_same_bytes_as_an_admitted_file_are_recognised(platform: Platform) -> None:
    content = ndjson(patient())
    first = files_of(platform, sent(platform, {"a.ndjson": content}))[0]
    again = files_of(platform, received(platform, {"again.ndjson": content}))[0]
    assert again.duplicate_of == first.id


@pytest.mark.parametrize("term", [{"source_system": "lab"}, {"fhir_version": "R4B"}])
def test_the_same_bytes_under_other_terms_are_read_again(platform: Platform, term: dict[str, str]) -> None:
    """Another source system has ids of its own, and another FHIR version other rules."""
    content = ndjson(patient())
    sent(platform, {"a.ndjson": content})
    assert files_of(platform, received(platform, {"a.ndjson": content}, **term))[0].duplicate_of == ""


def test_the_same_bytes_of_another_hospital_are_its_own(platform: Platform) -> None:
    content = ndjson(patient())
    sent(platform, {"a.ndjson": content})
    other = files_of(platform, received(platform, {"a.ndjson": content}, CLERK_B))[0]
    assert other.duplicate_of == ""
    assert len(landed(platform)) == 2


def test_a_file_that_could_not_be_read_may_be_sent_again_and_is_judged_again(platform: Platform) -> None:
    sent(platform, {"empty.ndjson": b""})
    assert files_of(platform, received(platform, {"empty.ndjson": b""}))[0].duplicate_of == ""


# -- closing ---------------------------------------------------------------------------------------


def test_closing_queues_one_admission_and_ends_the_upload(platform: Platform) -> None:
    job = receive_upload(platform, CLERK, TERMS, [("a.ndjson", io.BytesIO(ndjson(patient())))])
    upload_id = job.payload["upload_id"]
    assert (job.kind, platform.records.get(Upload, upload_id).state) == ("admit", "received")
    for late in (
        lambda: begin_file(platform, CLERK, upload_id, "late.ndjson"),
        lambda: close_upload(platform, CLERK, upload_id),
    ):
        with pytest.raises(PlatformError) as raised:
            late()
        assert raised.value.code == "lifecycle.not_allowed"
    assert enqueue(platform.records, CLERK, "admit", {}, key=f"admit/{upload_id}").id == job.id


def test_an_upload_without_a_file_cannot_be_closed(platform: Platform) -> None:
    upload = open_upload(platform, CLERK, TERMS)
    with pytest.raises(PlatformError) as raised:
        close_upload(platform, CLERK, upload.id)
    assert raised.value.code == "upload.no_files"
    assert platform.records.get(Upload, upload.id).state == "open"


def test_each_step_is_in_the_log_in_its_order(platform: Platform) -> None:
    before = len(actions(platform))
    received(platform, {"a.ndjson": ndjson(patient())})
    assert actions(platform)[before:] == [
        "upload.opened", "upload.file_received", "upload.received", "job.queued",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "name", ["王小明.ndjson", "阿依古丽·买买提.zip", "病历_13800138000.csv", "E12345678.ndjson.gz"]
)
def test_a_file_named_after_a_person_is_not_received_and_the_refusal_is_recorded(
    platform: Platform, name: str
) -> None:
    """Names of files stand in clear in receipts and on pages, so none of them may name anybody."""
    upload = open_upload(platform, CLERK, TERMS)
    with pytest.raises(PlatformError) as raised:
        begin_file(platform, CLERK, upload.id, name)
    assert (raised.value.code, raised.value.http) == ("upload.file_name_of_person", 422)
    assert not any(part in str(raised.value.as_dict()) for part in ("小明", "阿依", "138", "E123"))
    assert not landed(platform) and "access.refused" in actions(platform)
