"""Views: FHIR resources into the flat tables of the lake (SQL on FHIR v2 ViewDefinitions)."""

from ingestion.views.compiler import Column, View, compile_view
from ingestion.views.load import flatten, load_views

__all__ = ["Column", "View", "compile_view", "flatten", "load_views"]
