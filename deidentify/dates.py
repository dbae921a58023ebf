"""Making a FHIR date coarser. Precision is never invented: what is coarser already stays as it is."""

from __future__ import annotations

import re

# FHIR date, dateTime and instant share their beginning: YYYY, YYYY-MM, YYYY-MM-DD, then a time.
_TIME = r"(?:T[0-9:.]+(?:Z|[+-][0-9:]+)?)?"
_DATE = re.compile(rf"[0-9]{{4}}(?:-(?:0[1-9]|1[0-2])(?:-(?:0[1-9]|[12][0-9]|3[01]){_TIME})?)?")

PRECISIONS = {"year": 4, "month": 7}  # how many characters of the text remain


def coarsen(text: str, precision: str) -> str | None:
    """`1984-03-07T10:00:00+08:00` to `1984-03` or `1984`; None for what is not a FHIR date.

    The cut is made on the text as written, in its own offset: a birthday is a day where the patient was.
    """
    return text[: PRECISIONS[precision]] if _DATE.fullmatch(text) else None
