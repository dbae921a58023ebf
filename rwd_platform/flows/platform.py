"""The cabinets of one deployment, opened together."""

from __future__ import annotations

from dataclasses import dataclass

from rwd_platform.access.identity_provider import IdentityProvider
from rwd_platform.core.clock import Clock, system_clock
from rwd_platform.flows.key_versions import check_suite
from rwd_platform.flows.lake_tables import lake_columns
from rwd_platform.flows.patient_keys import PatientKeys
from rwd_platform.log.entry import Actor
from rwd_platform.records.database import migrate, open_database
from rwd_platform.records.records import Records
from rwd_platform.settings import Settings
from rwd_platform.signing.ed25519 import Signer, signer
from rwd_platform.signing.keys import KeyRing
from rwd_platform.signing.p256 import ReportSigner, report_signer
from rwd_platform.store.landing import Landing
from rwd_platform.store.layout import Layout


@dataclass(frozen=True)
class Platform:
    """What every flow works with."""

    settings: Settings
    records: Records
    layout: Layout
    landing: Landing
    keys: KeyRing
    clock: Clock
    provider: IdentityProvider | None = None  # that people may log in through

    @property
    def patient_keys(self) -> PatientKeys:
        return PatientKeys(self.records, self.keys)

    @property
    def log_signer(self) -> Signer:
        return signer(self.keys, "log", self.settings.log_origin)

    @property
    def package_signer(self) -> Signer:
        return signer(self.keys, "package", f"{self.settings.operator}/package")

    @property
    def report_signer(self) -> ReportSigner:
        return report_signer(self.keys, f"{self.settings.operator}/report")

    def operator(self, name: str = "operator") -> Actor:
        """The platform's own staff at its own command line."""
        return Actor(name, "operator", self.settings.operator)


def open_platform(settings: Settings, clock: Clock = system_clock) -> Platform:
    """Open home and database, and bring the schema to head."""
    keys = settings.key_ring()
    layout = Layout(settings.home.resolve(), lake_columns)
    layout.prepare()
    engine = open_database(settings.database)
    migrate(engine)
    records = Records(engine, log=settings.log_origin, keys=keys, clock=clock, profile=settings.log_hash)
    records.check_log()
    check_suite(records, Actor("platform", "operator", settings.operator), keys.suite)
    landing = Landing(layout, keys, settings.max_file_bytes, PatientKeys(records, keys).find)
    return Platform(settings, records, layout, landing, keys, clock, _provider(settings, clock))


def _provider(settings: Settings, clock: Clock) -> IdentityProvider | None:
    if not settings.oidc_issuer:
        return None
    return IdentityProvider(
        settings.oidc_issuer,
        settings.oidc_client_id,
        settings.oidc_client_secret_file,
        clock,
        loopback=settings.demo,
    )
