"""All files of a submission's data, by their path in the package. Which of them a recipient gets, the tier says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rwd_platform.core.text import LANGUAGES
from studies.evidence.submission.adam import AdamDataset
from studies.evidence.submission.dataset_json import dataset_json
from studies.evidence.submission.define import define_xml
from studies.evidence.submission.dictionary import data_dictionary
from studies.evidence.submission.facts import (
    DEFINE,
    DICTIONARY,
    GUIDES,
    Oids,
    SubmissionFacts,
    json_path,
    xpt_path,
)
from studies.evidence.submission.guide import Guide, data_guide
from studies.evidence.submission.losses import Loss
from studies.evidence.submission.xpt import xpt_bytes, xpt_table
from studies.protocol import Protocol


@dataclass(frozen=True)
class SubmissionFiles:
    """`files` by path below `data/03_data/`; `losses`: what XPT could not hold of them."""

    files: Mapping[str, bytes]
    losses: tuple[Loss, ...]


def files(datasets: Sequence[AdamDataset], protocol: Protocol, facts: SubmissionFacts) -> SubmissionFiles:
    """define.xml, each dataset as XPT and Dataset-JSON, the guides and the dictionary.

    The same datasets and facts give the same bytes. Raises `submission.subject_id_not_kept`.
    """
    tables = {one.name: xpt_table(one) for one in datasets}
    losses = tuple(loss for table in tables.values() for loss in table.losses)
    oids = Oids.of(protocol)
    made = {DEFINE: define_xml(datasets, tables, protocol, facts), DICTIONARY: data_dictionary(datasets)}
    for one in datasets:
        made[xpt_path(one.name)] = xpt_bytes(one, tables[one.name], facts.dated)
        made[json_path(one.name)] = dataset_json(one, oids, facts)
    guide = Guide(datasets, protocol, facts, losses)
    made |= {GUIDES[language]: data_guide(guide, language) for language in LANGUAGES}
    return SubmissionFiles(dict(sorted(made.items())), losses)
