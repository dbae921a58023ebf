"""What a submission's files have to know beside the data; and where and under which names they stand."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

from rwd_platform.core.text import Bilingual
from studies.evidence.submission.problems import DATE_UNREADABLE
from studies.protocol import Protocol

FOLDER = "data/03_data/"
DEFINE, DICTIONARY = f"{FOLDER}define.xml", f"{FOLDER}data_dictionary.csv"
GUIDES = {"zh": f"{FOLDER}data_guide_zh.docx", "en": f"{FOLDER}data_guide_en.docx"}
_PLATFORM = Bilingual("乐城真实世界数据研究平台", "Boao Lecheng real-world-data research platform")
METADATA_REF = "../../define.xml"  # from a Dataset-JSON


def xpt_path(dataset: str) -> str:
    return f"{FOLDER}datasets/xpt/{dataset.lower()}.xpt"


def json_path(dataset: str) -> str:
    return f"{FOLDER}datasets/json/{dataset.lower()}.json"


@dataclass(frozen=True)
class SubmissionFacts:
    """
    dated   -- YYYY-MM-DD: the package's date. Every file says it was made on that day, at no hour
    lock_id -- the data lock that the rows are from
    tier    -- the recipient's tier of row data; "" where the guide is to be written for none
    package -- the package's name; "" where it has none yet
    """

    dated: str
    lock_id: str
    tier: str = ""
    package: str = ""
    demo: bool = False
    platform: Bilingual = field(default=_PLATFORM)

    def __post_init__(self) -> None:
        try:
            exact = date.fromisoformat(self.dated).isoformat() == self.dated
        except ValueError:
            exact = False
        if not exact:
            raise DATE_UNREADABLE.error()

    @property
    def created(self) -> str:
        """An instant for the formats that want one: the hour is no claim."""
        return f"{self.dated}T00:00:00"


@dataclass(frozen=True)
class Oids:
    """The ids by which define.xml and the Dataset-JSON files name the same things."""

    study: str
    version: str

    @classmethod
    def of(cls, protocol: Protocol) -> Oids:
        return cls(f"STDY.{protocol.id}", f"MDV.{protocol.id}.{protocol.version}")

    def file(self, name: str) -> str:
        return f"{self.version}.{name}"

    def group(self, dataset: str) -> str:
        return f"IG.{dataset}"

    def item(self, dataset: str, variable: str) -> str:
        return f"IT.{dataset}.{variable}"

    def method(self, dataset: str, variable: str) -> str:
        return f"MT.{dataset}.{variable}"

    def codes(self, id: str) -> str:
        return f"CL.{id}"

    def leaf(self, name: str) -> str:
        return f"LF.{name}"
