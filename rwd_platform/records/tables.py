"""The tables of the control plane.

`organisation_id` is on every record, `project_id` where a project is meant. Ids are UUIDv7 with a
prefix; locks and packages are named by their content. Instants are stored as UTC text (as_text), so
that SQLite and PostgreSQL sort and compare them alike.
"""

from __future__ import annotations

from rwd_platform.records.tables_cohorts import CatalogueRun, SavedCohort
from rwd_platform.records.tables_deidentification import (
    BreakGlassRequest,
    BreakGlassVote,
    KeyVersion,
    PatientKey,
    PersonLink,
    RiskRun,
    TextReview,
    VaultEntry,
)
from rwd_platform.records.tables_dossiers import (
    DossierCheck,
    DossierStatement,
    PackageDossier,
    ValidationCertificate,
)
from rwd_platform.records.tables_linkage import LinkageRun
from rwd_platform.records.tables_log import (
    AuditCheckpoint,
    AuditCheckpointSm3,
    AuditCosignature,
    AuditDetail,
    AuditEntry,
    AuditNode,
    AuditNodeSm3,
    AuditWitness,
    Job,
    LogReview,
    LogReviewFinding,
    LogReviewSignature,
)
from rwd_platform.records.tables_oidc import OidcAttempt, OidcIdentity
from rwd_platform.records.tables_people import (
    ClientAssertion,
    ClientToken,
    HalfLogin,
    Inspection,
    LoginAttempt,
    MachineClient,
    Organisation,
    ProjectGrant,
    RecoveryCode,
    SecondFactor,
    User,
    WebSession,
)
from rwd_platform.records.tables_questions import (
    FitnessAnswer,
    FitnessAssessment,
    QualityQuestion,
    QualityQuestionEntry,
    QualityQuestionRow,
)
from rwd_platform.records.tables_releases import (
    OutputRelease,
    ReleaseCircle,
    ReleasedFigures,
    ReleaseLink,
    ReleaseVote,
)
from rwd_platform.records.tables_reviews import PackageQuestion, PackageQuestionEntry
from rwd_platform.records.tables_studies import (
    AnalysisRun,
    DataLockRecord,
    EvidencePackage,
    Study,
    TransferRecord,
)
from rwd_platform.records.tables_transfers import (
    InstrumentRecord,
    LegalParty,
    PersonPosting,
    Provision,
)
from rwd_platform.records.tables_unsealing import UnsealingRequest, UnsealingVote
from rwd_platform.records.tables_uploads import DroppedElement, QualityRun, UnitIssue, Upload, UploadFile
from rwd_platform.records.tables_verification import VerificationRound, VerificationSheet
from rwd_platform.records.tables_withdrawals import (
    ErasureRequest,
    ErasureVote,
    LegalHold,
    LockNotice,
    PackageNotice,
    Withdrawal,
)

__all__ = [
    "AnalysisRun",
    "AuditCheckpoint",
    "AuditCheckpointSm3",
    "AuditCosignature",
    "AuditDetail",
    "AuditEntry",
    "AuditNode",
    "AuditNodeSm3",
    "AuditWitness",
    "BreakGlassRequest",
    "BreakGlassVote",
    "CatalogueRun",
    "ClientAssertion",
    "ClientToken",
    "DataLockRecord",
    "DossierCheck",
    "DossierStatement",
    "DroppedElement",
    "ErasureRequest",
    "ErasureVote",
    "EvidencePackage",
    "FitnessAnswer",
    "FitnessAssessment",
    "HalfLogin",
    "Inspection",
    "InstrumentRecord",
    "Job",
    "KeyVersion",
    "LegalHold",
    "LegalParty",
    "LinkageRun",
    "LockNotice",
    "LogReview",
    "LogReviewFinding",
    "LogReviewSignature",
    "LoginAttempt",
    "MachineClient",
    "OidcAttempt",
    "OidcIdentity",
    "Organisation",
    "OutputRelease",
    "PackageDossier",
    "PackageNotice",
    "PackageQuestion",
    "PackageQuestionEntry",
    "PatientKey",
    "PersonLink",
    "PersonPosting",
    "ProjectGrant",
    "Provision",
    "QualityQuestion",
    "QualityQuestionEntry",
    "QualityQuestionRow",
    "QualityRun",
    "RecoveryCode",
    "ReleaseCircle",
    "ReleaseLink",
    "ReleaseVote",
    "ReleasedFigures",
    "RiskRun",
    "SavedCohort",
    "SecondFactor",
    "Study",
    "TextReview",
    "TransferRecord",
    "UnitIssue",
    "UnsealingRequest",
    "UnsealingVote",
    "Upload",
    "UploadFile",
    "User",
    "ValidationCertificate",
    "VaultEntry",
    "VerificationRound",
    "VerificationSheet",
    "WebSession",
    "Withdrawal",
]
