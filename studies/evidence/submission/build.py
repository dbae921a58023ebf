"""From the analysed table to the datasets of a submission."""

from __future__ import annotations

import pandas as pd

from studies.dataset import StudyDataset
from studies.evidence.submission.adam import AdamDataset
from studies.evidence.submission.adverse import adverse_dataset
from studies.evidence.submission.subjects import subject_dataset
from studies.evidence.submission.times import time_dataset
from studies.protocol import Protocol


def datasets(
    dataset: StudyDataset,
    protocol: Protocol,
    devices: pd.DataFrame | None = None,
    *,
    subjects: pd.DataFrame | None = None,
) -> tuple[AdamDataset, ...]:
    """ADSL, ADTTE, and ADAE where adverse events are planned and the lock holds them.

    devices  -- the lock's device_use, in days (studies.tables.in_days), where it has one
    subjects -- the lock's subject table; without it ADSL has no quarter of the index date
    """
    adsl = subject_dataset(dataset, protocol, devices, subjects)
    made = [adsl, time_dataset(dataset, protocol, adsl)]
    planned = any(one.method == "safety" for one in protocol.analyses)
    if planned and dataset.adverse_events is not None:
        made.append(adverse_dataset(dataset.adverse_events, protocol, adsl))
    return tuple(made)
