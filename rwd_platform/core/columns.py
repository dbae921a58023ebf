"""Columns that every lake and lock table has, whatever its subject.

They say whose row it is, which resource it came from, and which line of which file carried that
resource - the last link of the chain from a number in a report back to a hospital's file.
"""

from __future__ import annotations

ORGANISATION_ID = "organisation_id"
SOURCE_SYSTEM = "source_system"
RESOURCE_TYPE = "resource_type"
RESOURCE_ID = "resource_id"  # the lake's pseudonym of the resource's own id
PATIENT_ID = "patient_id"  # the lake's pseudonym; a lock has `subject_id` instead
SUBJECT_ID = "subject_id"  # the project's pseudonym
ROW_INDEX = "row_index"  # from 0: a view may give several rows for one resource
SOURCE_FILE = "source_file_sha256"
SOURCE_LINE = "source_line"
LINE_DIGEST = "line_digest"

MERGE_KEY = (ORGANISATION_ID, SOURCE_SYSTEM, RESOURCE_TYPE, RESOURCE_ID, ROW_INDEX)
PROVENANCE = (SOURCE_FILE, SOURCE_LINE, LINE_DIGEST)

# In a lock these stand for the three above, which would let two projects' locks be joined line by line.
SOURCE_ROW = (
    "source_row"  # the project's own name of the source line; what it names lies sealed beside the lock
)
ROW_ORDER = "row_order"  # from 0: of a subject's lines in a table, in the order of their files and places
