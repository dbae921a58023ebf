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
from rwd_platform.records.tables_linkage import LinkageRun
from rwd_platform.records.tables_log import AuditCheckpoint, AuditDetail, AuditEntry, AuditNode, Job
from rwd_platform.records.tables_people import LoginAttempt, Organisation, User, WebSession
from rwd_platform.records.tables_questions import (
    FitnessAnswer,
    FitnessAssessment,
    QualityQuestion,
    QualityQuestionEntry,
    QualityQuestionRow,
)
from rwd_platform.records.tables_releases import OutputRelease, ReleaseCircle, ReleasedFigures, ReleaseVote
from rwd_platform.records.tables_studies import (
    AnalysisRun,
    DataLockRecord,
    EvidencePackage,
    Study,
    TransferRecord,
)
from rwd_platform.records.tables_unsealing import UnsealingRequest, UnsealingVote
from rwd_platform.records.tables_uploads import DroppedElement, QualityRun, UnitIssue, Upload, UploadFile
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
    "AuditDetail",
    "AuditEntry",
    "AuditNode",
    "BreakGlassRequest",
    "BreakGlassVote",
    "CatalogueRun",
    "DataLockRecord",
    "DroppedElement",
    "ErasureRequest",
    "ErasureVote",
    "EvidencePackage",
    "FitnessAnswer",
    "FitnessAssessment",
    "Job",
    "KeyVersion",
    "LegalHold",
    "LinkageRun",
    "LockNotice",
    "LoginAttempt",
    "Organisation",
    "OutputRelease",
    "PackageNotice",
    "PatientKey",
    "PersonLink",
    "QualityQuestion",
    "QualityQuestionEntry",
    "QualityQuestionRow",
    "QualityRun",
    "ReleaseCircle",
    "ReleaseVote",
    "ReleasedFigures",
    "RiskRun",
    "SavedCohort",
    "Study",
    "TextReview",
    "TransferRecord",
    "UnitIssue",
    "UnsealingRequest",
    "UnsealingVote",
    "Upload",
    "UploadFile",
    "User",
    "VaultEntry",
    "WebSession",
    "Withdrawal",
]
