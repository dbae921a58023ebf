"""The ledger of releases: what a circle already holds about a product, and who stands behind it.

Figures are kept as they left; the sets of persons are kept sealed, as tokens under the ledger's own key for
the product, so that two projects' releases can be compared while the new results are at hand, and the rows of
two products not with each other.
"""

from __future__ import annotations

import json
import os
import unicodedata
import zipfile
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlmodel import Session, col, select

from deidentify.disclosure.differencing import ReleasedTable, figures_of
from deidentify.disclosure.names import folded_name
from deidentify.disclosure.read import read_results
from deidentify.disclosure.relabelled import cells_of
from rwd_platform.core.canonical import canonical_json, sha256_of
from rwd_platform.core.errors import Exit, Problem
from rwd_platform.flows.ledger_map import person_map
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.sealed import LEDGER
from rwd_platform.flows.sealed_results import check_unsealed
from rwd_platform.records.tables import AnalysisRun, EvidencePackage, OutputRelease, ReleasedFigures, Study
from rwd_platform.signing.suites import NONCE_BYTES

PUBLIC = "public"
ARD = "data/05_results/ard.json"
_TOKEN_BYTES = 16

PACKAGE_UNREADABLE = Problem(
    code="release.package_unreadable",
    zh="证据包 {package} 的结果文件缺失或不可读。",
    en="The results file of package {package} is missing or cannot be read.",
    next_zh="请核验该证据包（`rwd verify`）；未通过时从备份恢复，或重新组装。",
    next_en="Verify the package (`rwd verify`); if it does not hold, restore it from the backup or assemble it again.",
    http=503,
    exit=Exit.BROKEN_ENVIRONMENT,
)


@dataclass(frozen=True)
class People:
    """Who stands behind results: row set -> tokens, and what kind of tokens they are."""

    sets: Mapping[str, frozenset[str]]
    tokens: str
    token_of: Mapping[str, str] = field(default_factory=dict)  # subject -> token, of everybody in a set


def circle_name(circle: str) -> str:
    """One circle, however somebody writes it: full-width and case are no difference."""
    return " ".join(unicodedata.normalize("NFKC", circle).split()).casefold()


def product_of(study: Study) -> str:
    """The licensed product that a study is about: the codes of its exposure. The same in every project."""
    from studies.protocol import load_protocol

    records = load_protocol(study.protocol).exposure.records
    return f"{records.code_system}|{'+'.join(sorted(records.codes))}"


def quoted_in(study: Study) -> tuple[float, ...]:
    """The numbers of the overseas result that the study's protocol quotes; none if it quotes none."""
    from studies.protocol import load_protocol

    overseas = load_protocol(study.protocol).overseas
    return (overseas.hazard_ratio, overseas.ci_low, overseas.ci_high) if overseas is not None else ()


def results_in(platform: Platform, package: EvidencePackage) -> dict[str, Any]:
    """The results as the package holds them, not as the platform does."""
    try:
        with zipfile.ZipFile(platform.layout.packages / package.file_name) as archive:
            found = json.loads(archive.read(f"{package.file_name.removesuffix('.zip')}/{ARD}"))
    except (OSError, KeyError, ValueError, zipfile.BadZipFile):
        raise PACKAGE_UNREADABLE.error(package=package.id) from None
    if not isinstance(found, dict):
        raise PACKAGE_UNREADABLE.error(package=package.id)
    return found


def results_behind(platform: Platform, package: EvidencePackage) -> dict[str, Any]:
    """The run's own results, before anything was withheld: they stay in the enclave. Raises `study.results_sealed`."""
    run = platform.records.get(AnalysisRun, package.run_id)
    check_unsealed(run)
    return run.results


def people_behind(
    platform: Platform, package: EvidencePackage, product: str, results: Mapping[str, Any]
) -> People:
    """Tokens of the persons in each row set that the results name.

    With the lock's sealed map the tokens are of persons, and comparable across projects; without it they
    are of the project's subjects, and `tokens` says so.
    """
    run = platform.records.get(AnalysisRun, package.run_id)
    path = platform.layout.results / run.id / "row_sets.json"
    try:
        subjects = json.loads(path.read_bytes())
    except (OSError, ValueError):
        raise PACKAGE_UNREADABLE.error(package=package.id) from None
    persons = person_map(platform, run.lock_id)
    key, ciphers = platform.keys.derive(LEDGER, product), platform.keys.ciphers

    def token(subject: str) -> str:
        named = (
            f"person|{persons[subject].ledger_id}" if persons else f"subject|{package.project_id}|{subject}"
        )
        return ciphers.mac(key, named.encode())[:_TOKEN_BYTES].hex()

    wanted = results.get("row_sets", {})
    if not all(_is_the_set(subjects, name, said) for name, said in wanted.items()):
        raise PACKAGE_UNREADABLE.error(package=package.id)
    if persons is not None and not persons.keys() >= {
        one for name in wanted for one in subjects.get(name, ())
    }:
        persons = None  # a map of another lock's subjects would compare nobody with nobody
    memo = {one: token(one) for name in wanted for one in subjects.get(name, ())}
    sets = {name: frozenset(memo[one] for one in subjects.get(name, ())) for name in wanted}
    kind = "person" if persons else f"subject/{package.project_id}"
    return People(sets, f"{ciphers.name}/{kind}", memo)


def _is_the_set(subjects: Any, name: str, said: Any) -> bool:
    """Whether the run's people of that name are those whom the results were computed on: by number and hash."""
    members = subjects.get(name) if isinstance(subjects, dict) else None
    if not isinstance(members, list) or not isinstance(said, Mapping):
        return False
    return (said.get("subjects"), said.get("sha256")) == (len(members), sha256_of(sorted(members)))


def circles_on_ledger(session: Session) -> Sequence[str]:
    return session.exec(select(ReleasedFigures.circle).distinct()).all()


def released_to(
    session: Session,
    platform: Platform,
    product: str,
    holders: Collection[str],
    people_under: Callable[[str], People],
) -> list[ReleasedTable]:
    """Everything that these circles hold, as tables that the new results can be compared with.

    Whatever product it was about: a brand and its generic name are two products to the ledger and one patient to a
    reader. `people_under` gives who stands behind the new results, as tokens of that product's key, so that
    a set of another product is compared person by person too. Counts are compared where it is one product, or where
    a released set holds exactly the people of a new one.

    What becomes public reaches every circle, so that it is compared with what any of them holds, all at once:
    that also refuses what could be told only from two circles' releases together, which may come together.
    """
    query = select(ReleasedFigures).where(col(ReleasedFigures.circle).in_(holders))
    rows = session.exec(
        query.order_by(col(ReleasedFigures.released_at), col(ReleasedFigures.release_id))
    ).all()
    people = {name: people_under(name) for name in {product, *(row.product for row in rows)}}
    return [
        _in_own_tokens(_table(platform, row), row.product, product, people[row.product], people[product])
        for row in rows
    ]


def is_one_product(one: str, other: str) -> bool:
    """Whether two studies' products share a code, however it is spelt: then a reader can set one beside the other."""
    codes, others = (
        {folded_name(code) for code in product.rpartition("|")[2].split("+")} for product in (one, other)
    )
    return one == other or bool(codes & others - {""})


def _in_own_tokens(
    table: ReleasedTable, product: str, own_product: str, theirs: People, own: People
) -> ReleasedTable:
    """The released sets with the new results' tokens for everybody who stands behind those."""
    if product == own_product:
        return table
    if theirs.tokens == table.tokens:
        names = {token: own.token_of[subject] for subject, token in theirs.token_of.items()}
        sets = {
            name: frozenset(names.get(token, f"{product}|{token}") for token in members)
            for name, members in (table.sets or {}).items()
        }
        table = replace(table, sets=sets, tokens=own.tokens)
    else:
        table = replace(table, tokens=f"{product}|{table.tokens}")
    same_people = set((table.sets or {}).values()) & set(own.sets.values()) - {frozenset()}
    if is_one_product(product, own_product) or same_people:
        return table
    return replace(table, figures={}, hashes={}, tables={})


def figures_row(
    platform: Platform, asked: OutputRelease, results: Mapping[str, Any], people: People, at: str
) -> ReleasedFigures:
    """The ledger's row of a release."""
    read = read_results(results)
    return ReleasedFigures(
        release_id=asked.id,
        organisation_id=asked.organisation_id,
        product=asked.product,
        circle=asked.circle,
        figures={
            "figures": figures_of(read),
            "hashes": {name: digest for name, (_, digest) in read.row_sets.items()},
            "tables": cells_of(read),
            "tokens": people.tokens,
            "suite": platform.keys.suite,
        },
        sealed_sets=_sealed(platform, asked, people),
        released_at=at,
    )


def _sealed(platform: Platform, asked: OutputRelease, people: People) -> bytes:
    """Every token once, and each set as the bits of its members."""
    tokens = sorted(set().union(*people.sets.values()))
    place = {token: number for number, token in enumerate(tokens)}
    bits = {name: f"{sum(1 << place[one] for one in members):x}" for name, members in people.sets.items()}
    nonce = os.urandom(NONCE_BYTES)
    plain = canonical_json({"tokens": tokens, "sets": bits})
    key = platform.keys.derive(LEDGER, asked.product)
    return nonce + platform.keys.ciphers.seal(key, nonce, plain, _bound(asked.id, asked.circle))


def _table(platform: Platform, row: ReleasedFigures) -> ReleasedTable:
    keys = platform.keys.of_suite(row.figures["suite"])
    key = keys.derive(LEDGER, row.product)
    nonce, sealed = row.sealed_sets[:NONCE_BYTES], row.sealed_sets[NONCE_BYTES:]
    opened = json.loads(keys.ciphers.open(key, nonce, sealed, _bound(row.release_id, row.circle)))
    return ReleasedTable(
        row.release_id,
        row.figures["figures"],
        {name: _members(opened["tokens"], bits) for name, bits in opened["sets"].items()},
        row.figures["tokens"],
        row.figures["hashes"],
        row.figures.get("tables", {}),  # of a row from before they were kept: none
    )


def _members(tokens: Sequence[str], bits: str) -> frozenset[str]:
    number = int(bits, 16)
    return frozenset(token for place, token in enumerate(tokens) if number >> place & 1)


def _bound(release_id: str, circle: str) -> bytes:
    return f"{release_id}|{circle}".encode()
