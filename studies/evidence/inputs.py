"""Everything a package is made from. Nothing here knows a clock: dates are facts that are passed in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal
from typing import Protocol as Structure

import pandas as pd

from rwd_platform.core.accounting import Accounting
from rwd_platform.core.text import Bilingual
from studies.attrition import AttritionStep
from studies.dataset import StudyDataset
from studies.evidence.bag import PackageSigner
from studies.evidence.changes import Version
from studies.evidence.papers import Papers
from studies.evidence.profiles.profile import Profile
from studies.missingness import Missing
from studies.protocol import Protocol
from studies.protocol_amendments import Seen
from studies.results import ResultSet

if TYPE_CHECKING:
    from studies.evidence.sample.rounds import Verified

Audience = Literal["authority", "aggregate"]
# The labels document of a package, given its files' names and its audience (deidentify.classification).
Labelling = Callable[[Iterable[str], str], Mapping[str, Any]]


@dataclass(frozen=True)
class SourceFile:
    """A file as a hospital sent it, and what became of it. `name` is the hospital's own and is never printed."""

    name: str
    sha256: str
    accounting: Accounting
    format: str = ""


@dataclass(frozen=True)
class Source:
    """A hospital, the basis on which it sent, and its files. No ids that a repeated run would change."""

    organisation_id: str
    name: Bilingual
    files: tuple[SourceFile, ...]
    agreement: str = ""
    platform_role: str = ""
    consent_version: str = ""
    ethics_id: str = ""

    @property
    def accounting(self) -> Accounting:
        return Accounting.total(file.accounting for file in self.files)


@dataclass(frozen=True)
class QualityLine:
    """What one hospital's records look like in one dimension. A rule without a row to judge is not applicable.

    `errors` are rules that could not be asked; neither they nor those not applicable have passed.
    """

    organisation: Bilingual
    dimension: Bilingual
    rules: int
    passed: int
    failed: int
    not_applicable: int
    quarantined: int = 0
    errors: int = 0


@dataclass(frozen=True)
class InclusionProof:
    """RFC 9162 2.1.3: the hashes from an entry's leaf up to the checkpoint's root."""

    sequence: int
    path: tuple[bytes, ...]


@dataclass(frozen=True)
class LogExtract:
    """The log's entries about this study, one canonical JSON a line, each with its proof.

    `checkpoint` is a signed note (C2SP); `public_key` is the log's, 32 raw bytes.
    """

    entries: bytes
    proofs: tuple[InclusionProof, ...]
    checkpoint: str
    public_key: bytes


@dataclass(frozen=True)
class SignedBy:
    """Somebody who decided. `at` is an instant as stored; account and time differ from one deployment to the next."""

    role: str
    account: str
    at: str


@dataclass(frozen=True)
class Unsealing:
    """How a run's results came to be open.

    knowledge   -- what whoever asked had declared to know of the outcomes: none | registered | seen
    seen        -- what was seen, of `seen`
    seen_before -- the day on which an earlier run first showed outcomes of this study; "" where none did
    """

    knowledge: str
    seen: str
    seen_before: str
    asked: SignedBy
    agreed: SignedBy

    @property
    def outcomes_seen(self) -> bool:
        """By their own word, or by the platform's records whatever was declared."""
        return self.knowledge == "seen" or bool(self.seen_before)


@dataclass(frozen=True)
class ReportSigner:
    """Who signs the PDFs. `public_key`: DER; `sign` gives a signature by that key, the same bytes each time."""

    name: str
    algorithm: str
    public_key: bytes
    sign: Callable[[bytes], bytes]


@dataclass(frozen=True)
class Rows:
    """What submission data are made of. `devices` and `subjects`: the lock's tables in days, where it has them."""

    dataset: StudyDataset
    devices: pd.DataFrame | None = None
    subjects: pd.DataFrame | None = None


@dataclass(frozen=True)
class DossierInputs:
    """What a package for a purpose needs beside its results.

    profile     -- what its reader expects
    tier        -- of row data, for this recipient: T0 to T3
    statements  -- what people wrote, by the ids of studies.evidence.statements
    tables      -- the tables that the lock holds rows of
    missing     -- how much of each variable is missing in the lock
    rows        -- None: nothing of single rows is made into datasets, not even their description
    certificate -- the recipient's, PEM, to which rows are sealed
    validation  -- the certificate of the programs that make this package (studies.evidence.validation); None: none
    seen        -- of each amended text, by its SHA-256: whether outcomes were open before it was amended, by the log
    papers      -- ethics approvals and data use agreements on file; None: nobody looked
    verified    -- what the charts said of the rows that were drawn; None: no sheet came back
    fitness     -- the newest assessment of the data's fitness for the protocol, with people's judgements; None: none
    """

    profile: Profile
    tier: str
    statements: Mapping[str, Bilingual]
    tables: frozenset[str]
    missing: Sequence[Missing] = ()
    rows: Rows | None = None
    certificate: bytes | None = None
    fitness: Mapping[str, Any] | None = None
    validation: Mapping[str, Any] | None = None
    seen: Mapping[str, Seen] = field(default_factory=dict)
    papers: Papers | None = None
    verified: Verified | None = None


class Traceable(Structure):
    """What leads from a row of results to the lines that it came from: a package's inputs, and a run by itself."""

    @property
    def protocol(self) -> Protocol: ...
    @property
    def results(self) -> ResultSet: ...
    @property
    def lineage(self) -> pd.DataFrame: ...
    @property
    def sources(self) -> Sequence[Source]: ...


@dataclass(frozen=True)
class PackageInputs:
    """The facts of one package.

    dated         -- `YYYY-MM-DD`: the date printed in the documents (of the freeze or the lock)
    freeze        -- what the freeze recorded; must not hold what changes from run to run
    attrition     -- from the lake to the analysis, in order
    deidentified  -- policies (name, version, sha256), `dropped` (path -> count), the project's rules
    lineage       -- subject_id, variable, source_file_sha256, source_line, line_digest; ids stay outside
    code          -- path -> source text of the rooms that made the results
    audience      -- "authority": with the row-level trace; "aggregate": nothing about a single patient
    """

    protocol_text: str
    protocol: Protocol
    results: ResultSet
    freeze: Mapping[str, Any]
    lock: Mapping[str, Any]
    attrition: Sequence[AttritionStep]
    quality: Mapping[str, Any]
    quality_lines: Sequence[QualityLine]
    deidentified: Mapping[str, Any]
    sources: Sequence[Source]
    lineage: pd.DataFrame
    code: Mapping[str, str]
    requirements: str
    log: LogExtract
    signer: PackageSigner
    purpose: str
    version: int
    dated: str
    audience: Audience = "authority"
    demo: bool = False
    labels: Labelling | None = None
    unsealing: Unsealing | None = None  # None: nothing was sealed, or a run of before there were seals
    dossier: DossierInputs | None = None  # None: the results alone, for no reader in particular
    withheld: tuple[str, ...] = ()  # analyses that were done and that an aggregate edition does not tell
    report_signer: ReportSigner | None = None  # None: the PDFs carry no signature of their own
    previous: Version | None = (
        None  # the version before, of this purpose and audience; None: this is the first
    )
    platform: Bilingual = field(
        default=Bilingual("乐城真实世界数据研究平台", "Boao Lecheng real-world-data research platform")
    )

    @property
    def study(self) -> str:
        return self.results.study

    @property
    def name(self) -> str:
        """`EP-<study>-<purpose>[-aggregate]-v<n>`: the archive's name and its folder."""
        audience = "-aggregate" if self.is_aggregate else ""
        return f"EP-{self.study}-{self.purpose}{audience}-v{self.version}"

    @property
    def is_aggregate(self) -> bool:
        return self.audience == "aggregate"
