"""Views: FHIR resources into the flat tables of the lake (SQL on FHIR v2 ViewDefinitions)."""

from ingestion.views.compiler import Column, View, compile_view
from ingestion.views.load import columns_of_version, flatten, load_views, of_version, tables_of

__all__ = [
    "Column",
    "View",
    "columns_of_version",
    "compile_view",
    "flatten",
    "load_views",
    "of_version",
    "tables_of",
]
