"""The one interface of all detectors, and what they are told about the text.

Whatever finds identifiers in a text plugs in here: exact matching, rules, segmentation, or a model that a
hospital installs. None is required beyond the first three, and none may change the text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from deidentify.identifiers_cn import Registry

if TYPE_CHECKING:
    from deidentify.free_text.seeds import Roster


@dataclass(frozen=True)
class Span:
    """A piece of a text that identifies: its kind, its place, who found it. Never the value.

    `subject` names the roster's person, where exact matching knows whose name or number it is.
    """

    kind: str
    start: int
    end: int
    detector: str
    subject: str = ""


@dataclass(frozen=True)
class TextContext:
    """What is known about a text before it is read.

    patient   the patient's pseudonym in the project; surrogates and dates are stable per patient
    project   the project; another project's surrogates share nothing with these
    key       the project's key for free text, at least 32 bytes; it never shows in a text
    days      how far the project shifts this patient's dates, below 0; None: dates are replaced, not shifted
    roster    the names and numbers of the structured record, for exact matching
    registry  the hospital's own forms of numbers
    """

    patient: str
    project: str
    key: bytes = field(repr=False)
    days: int | None = field(default=None, repr=False)
    roster: Roster | None = field(default=None, repr=False)
    registry: Registry = field(default=Registry(), repr=False)
    suite: str = "intl"


class Detector(Protocol):
    """Finds what identifies in one text. `name` and `version` go on record with what was found."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    def find(self, text: str, context: TextContext) -> Sequence[Span]:
        """Spans in places of the text as given; they may overlap one another."""
        ...
