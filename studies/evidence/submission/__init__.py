"""Submission data as an authority reads them: ADaM datasets as XPT and Dataset-JSON, with define.xml and a guide.

datasets    the analysed table as ADSL, ADTTE and ADAE
files       these as files, and what the transport format could not hold
tiers       what of the files a recipient's package has
sealed_for  rows for one recipient alone
"""

from studies.evidence.submission import tiers
from studies.evidence.submission.adam import AdamDataset, AdamVariable, Code, CodeList
from studies.evidence.submission.build import datasets
from studies.evidence.submission.envelope import row_archive, sealed_for
from studies.evidence.submission.facts import SubmissionFacts
from studies.evidence.submission.losses import Loss
from studies.evidence.submission.package_files import SubmissionFiles, files

__all__ = [
    "AdamDataset",
    "AdamVariable",
    "Code",
    "CodeList",
    "Loss",
    "SubmissionFacts",
    "SubmissionFiles",
    "datasets",
    "files",
    "row_archive",
    "sealed_for",
    "tiers",
]
