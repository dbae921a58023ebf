"""Is a resource what FHIR says it should be?"""

from ingestion.validate.unit_check import check

__all__ = ["check"]
