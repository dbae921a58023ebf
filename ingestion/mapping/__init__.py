"""Mapping: a hospital's tables into FHIR resources, as a YAML file says."""

from ingestion.mapping.model import Coverage, Table, TableMapping, load_mapping
from ingestion.mapping.read import read_coverage, read_table

__all__ = ["Coverage", "Table", "TableMapping", "load_mapping", "read_coverage", "read_table"]
