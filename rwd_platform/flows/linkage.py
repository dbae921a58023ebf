"""Linkage runs: care, payment and product by the linkage token, with the account of what was linked and what was not.

A run changes no row. It counts what the rules of deidentify.linkage bring together in the lake as it is now, who is
lost by it, and how often it errs; a lock of the same state carries the result. Outcomes are not read. Exact counts
stay in the records: readers get them rounded, without small ones.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlmodel import col, select

from rwd_platform.access.permissions import Action, check_may
from rwd_platform.access.refusals import refusals_recorded
from rwd_platform.core.canonical import sha256_of
from rwd_platform.core.clock import as_text
from rwd_platform.core.columns import ORGANISATION_ID, PATIENT_ID
from rwd_platform.core.errors import Exit, Problem
from rwd_platform.flows.linkage_facts import Links, linkage_state, shown_report
from rwd_platform.flows.lock_rows import OUTCOME_TABLES, link_tokens
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.uploads import is_admitted
from rwd_platform.flows.withdraw import Place, frozen_patients, without_frozen
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.records import NOT_FOUND
from rwd_platform.records.tables import LinkageRun, Organisation

if TYPE_CHECKING:
    import pandas as pd

Progress = Callable[[str, int, int], None]
Roles = Mapping[str, str]
Tables = Mapping[str, "pd.DataFrame"]

LINKAGE = "linkage"
_MOST_RUNS = 50
_PATIENT = "patient"
_NOT_A_PATIENTS = "resource"
_PRODUCTS = ("drug_exposure", "special_food_exposure", "device_use")
# Rows that say of a product that it was not received, or that were a mistake.
_NOT_RECEIVED = frozenset({"cancelled", "declined", "not-done", "entered-in-error", "draft", "revoked"})

ROLE_UNFIT = Problem(
    code="linkage.role_unfit",
    zh="无法把机构“{organisation}”作为“{role}”来源：{why_zh}。",
    en="{organisation} cannot be a source of {role}: {why}.",
    next_zh="请给出已登记机构的编号，来源类别为 care（诊疗）、payment（支付）或 product（产品）。",
    next_en="Name an organisation that is on record, and care, payment or product.",
    http=422,
    exit=Exit.MALFORMED,
)


@dataclass(frozen=True)
class LinkageSeen:
    """A run as it may be read. `stale`: the lake has changed since. `report`: studies.linkage.shown, and `roles`."""

    id: str
    made_at: str
    stale: bool
    report: Mapping[str, Any]


@dataclass(frozen=True)
class _Seen:
    """One state of the lake: its tables without those whose data may not be used, and the tokens."""

    versions: Mapping[str, int]
    tables: Tables
    links: Links
    withdrawn: int


def run_linkage(
    platform: Platform, actor: Actor, roles: Roles | None = None, progress: Progress | None = None
) -> LinkageRun:
    """The run of the lake as it is now. The same state, asked again, is the same run.

    roles -- organisation_id -> care | payment | product, where what an organisation sent does not say it

    Raises `access.not_allowed` and `linkage.role_unfit`.
    """
    told = progress or (lambda _step, _done, _of: None)
    declared = dict(sorted((roles or {}).items()))
    with refusals_recorded(platform.records, actor, Action.LINKAGE_COUNT, LINKAGE, ""):
        check_may(actor, Action.LINKAGE_COUNT)
        _check_roles(platform, declared)
    told("read", 0, 0)
    seen = _read(platform, told)
    state = linkage_state(seen.versions, seen.links, frozen_patients(platform))
    id = f"linkage-{sha256_of([state, declared])[:24]}"
    known = platform.records.find(LinkageRun, id)
    if known is not None:
        again = Act(actor, "linkage.repeated", Object(LINKAGE, id, state))
        platform.records.record(again)
        return known
    told("link", 0, 0)
    report = {"lake_versions": dict(seen.versions), **_report(seen, declared, told)}
    run = LinkageRun(
        id=id,
        organisation_id=platform.settings.operator,
        made_at=as_text(platform.clock()),
        state=state,
        report=report,
    )
    platform.records.write(
        run, audit=Act(actor, "linkage.ran", Object(LINKAGE, id, state), decision={"roles": report["roles"]})
    )
    return run


def job_key(platform: Platform, actor: Actor, roles: Roles) -> str:
    """The key of a job that runs the linkage of the lake as it is now. Raises as `run_linkage`."""
    from rwd_platform.store.lake import Lake

    with refusals_recorded(platform.records, actor, Action.LINKAGE_COUNT, LINKAGE, ""):
        check_may(actor, Action.LINKAGE_COUNT)
        _check_roles(platform, roles)
    state = linkage_state(Lake(platform.layout).versions(), link_tokens(platform), frozen_patients(platform))
    return f"linkage/{sha256_of([state, dict(sorted(roles.items()))])[:24]}"


def linkage_runs(platform: Platform, actor: Actor) -> list[LinkageSeen]:
    """The newest first."""
    _check_reads(platform, actor, "")
    order = (col(LinkageRun.made_at).desc(), col(LinkageRun.id).desc())
    found = platform.records.all(select(LinkageRun).order_by(*order).limit(_MOST_RUNS))
    return _as_seen(platform, found)


def linkage_run(platform: Platform, actor: Actor, id: str) -> LinkageSeen:
    """Raises `records.not_found`."""
    _check_reads(platform, actor, id)
    with refusals_recorded(platform.records, actor, Action.LINKAGE_READ, LINKAGE, id):
        found = platform.records.find(LinkageRun, id)
        if found is None:
            raise NOT_FOUND.error(kind=LINKAGE, id=id if len(id) <= 80 and id.isprintable() else "?")
    return _as_seen(platform, [found])[0]


def _check_reads(platform: Platform, actor: Actor, id: str) -> None:
    with refusals_recorded(platform.records, actor, Action.LINKAGE_READ, LINKAGE, id):
        check_may(actor, Action.LINKAGE_READ)


def _as_seen(platform: Platform, runs: Sequence[LinkageRun]) -> list[LinkageSeen]:
    from rwd_platform.store.lake import Lake

    now = Lake(platform.layout).versions() if runs else {}
    return [
        LinkageSeen(one.id, one.made_at, one.report["lake_versions"] != now, shown_report(one.report))
        for one in runs
    ]


def _check_roles(platform: Platform, roles: Roles) -> None:
    from studies.linkage.charts import ROLES

    for organisation, role in roles.items():
        if role not in ROLES:
            why, why_zh = "there is no such kind of source", "没有这种来源类别"
        elif platform.records.find(Organisation, organisation) is None:
            why, why_zh = "no such organisation is on record", "该机构未登记"
        else:
            continue
        raise ROLE_UNFIT.error(organisation=_named(organisation), role=_named(role), why=why, why_zh=why_zh)


def _named(text: str) -> str:
    return text if len(text) <= 80 and text.isprintable() else "?"


def _read(platform: Platform, told: Progress) -> _Seen:
    from rwd_platform.store.admission_guard import steady_lake

    with steady_lake(platform.layout, lambda upload: is_admitted(platform, upload)) as lake:
        names = [one for one in lake.tables() if one not in {*OUTCOME_TABLES, _NOT_A_PATIENTS}]
        tables = {}
        for done, name in enumerate(names):
            told("read", done, len(names))
            tables[name] = lake.read(name)
        frozen, links = frozen_patients(platform), link_tokens(platform)
        tables, withdrawn = without_frozen(tables, frozen)
        kept = {place: token for place, token in links.items() if place not in frozen}
        return _Seen(lake.versions(), tables, kept, withdrawn)


# -- from the lake's tables to what is judged --------------------------------------------------------


def _report(seen: _Seen, declared: Roles, told: Progress) -> dict[str, Any]:
    from ingestion.derived import derive
    from studies.linkage.run import report_of

    roles = {**_roles(seen), **declared}
    places = _places(seen, roles)
    linked = _linked(seen)
    told("compare", 0, 0)
    periods = derive("observation_period", seen.tables)
    contacts = periods[periods["first_date"].notna()][[ORGANISATION_ID, PATIENT_ID, "first_date"]]
    report = report_of(places, linked, contacts, _received(seen.tables), seen.withdrawn)
    there = {one.organisation_id for one in report.account.sources}
    return {**report.as_dict(), "roles": {one: role for one, role in sorted(roles.items()) if one in there}}


def _roles(seen: _Seen) -> dict[str, str]:
    """What each organisation is a source of, by the rows it sent."""
    from studies.linkage.run import role_of

    rows: dict[str, dict[str, int]] = defaultdict(dict)
    for name, table in seen.tables.items():
        for organisation, count in table[ORGANISATION_ID].value_counts().items():
            rows[str(organisation)][name] = int(count)
    return {
        organisation: role_of(rows.get(organisation, {}))
        for organisation in {*rows, *(place[0] for place in seen.links)}
    }


def _places(seen: _Seen, roles: Roles) -> pd.DataFrame:
    """Every chart with a Patient row, a token, or a row anywhere. Of several Patient rows the most precise stands."""
    import pandas as pd

    from studies.linkage.charts import COLUMNS

    told: dict[Place, tuple[str, str]] = {}
    patient_rows: Counter[Place] = Counter()
    for place, born, sex in _patients(seen.tables):
        patient_rows[place] += 1
        told[place] = max(told.get(place, ("", "")), (born, sex), key=lambda one: (len(one[0]), one))
    everywhere = {*told, *seen.links}
    for table in seen.tables.values():
        if PATIENT_ID in table:
            pairs = table[[ORGANISATION_ID, PATIENT_ID]].dropna().drop_duplicates()
            everywhere.update(pairs.itertuples(index=False, name=None))
    rows = [
        (*place, roles[place[0]], *told.get(place, ("", "")), patient_rows[place], seen.links.get(place, ""))
        for place in sorted(everywhere)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _patients(tables: Tables) -> Iterator[tuple[Place, str, str]]:
    if _PATIENT not in tables:
        return
    names = (ORGANISATION_ID, PATIENT_ID, "birth_date", "gender")
    for organisation, patient, born, sex in zip(*(tables[_PATIENT][name] for name in names), strict=True):
        birth_date, gender = (one if isinstance(one, str) else "" for one in (born, sex))
        yield (organisation, patient), birth_date, gender


def _linked(seen: _Seen) -> frozenset[str]:
    """The tokens whose charts the rules bring together: what a lock of this state would do."""
    from deidentify.account import DropCounter
    from deidentify.linkage import link_persons

    if _PATIENT not in seen.tables:
        return frozenset()
    patients = seen.tables[_PATIENT]
    kept = set(link_persons({_PATIENT: patients}, seen.links, DropCounter())[_PATIENT][PATIENT_ID])
    there = set(patients[PATIENT_ID])
    of_token: dict[str, set[str]] = defaultdict(set)
    for (_, patient), token in seen.links.items():
        of_token[token].add(patient)
    return frozenset(
        token
        for token, names in of_token.items()
        if len(names) > 1 and names <= there and names & kept == {min(names)}
    )


def _received(tables: Tables) -> pd.DataFrame:
    """organisation_id, patient_id, product: what charts say was ordered, handed over or used."""
    import pandas as pd

    from ingestion.derived import derive

    there = dict(tables)
    if "device_exposure" in tables:
        there["device_use"] = derive("device_use", tables)
    columns = [ORGANISATION_ID, PATIENT_ID, "product"]
    found = [_products(there[name])[columns] for name in _PRODUCTS if name in there]
    rows = pd.concat(found) if found else pd.DataFrame(columns=columns, dtype=object)
    return rows.drop_duplicates(ignore_index=True)


def _products(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of a table that name a product which was not withheld from the patient."""
    rows = table[table["product_code"].notna() & table[PATIENT_ID].notna()]
    if "status" in rows:
        rows = rows[~rows["status"].isin(_NOT_RECEIVED)]
    systems = rows["product_system"].fillna("")
    return rows.assign(product=systems.astype(object) + "|" + rows["product_code"].astype(object))
