"""OHDSI Circe cohort JSON: read into the cohort language, or refused by name."""

from studies.cohorts.circe.concepts import ConceptSource, EveryConcept, OmopVocabulary
from studies.cohorts.circe.expression import read_circe
from studies.cohorts.circe.refusals import REASONS, REFUSED, Refusal
from studies.cohorts.circe.survey import Survey, survey

__all__ = [
    "REASONS",
    "REFUSED",
    "ConceptSource",
    "EveryConcept",
    "OmopVocabulary",
    "Refusal",
    "Survey",
    "read_circe",
    "survey",
]
