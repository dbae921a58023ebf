"""ars.json: all results of a run in the form of the CDISC Analysis Results Standard."""

from studies.evidence.ars.contents import ARS_JSON, Output
from studies.evidence.ars.event import ArsFacts, reporting_event

__all__ = ["ARS_JSON", "ArsFacts", "Output", "reporting_event"]
