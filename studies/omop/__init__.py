"""OMOP CDM 5.4 out of a study's lock, for those who work with OHDSI's tools.

    mapping.toml       which table and column becomes which event
    rules.toml         which rows are not handed on, and why
    fields.csv         the model's fields, and where each comes from
    concepts.toml      concepts that do not depend on a vocabulary
    vocabularies.csv   which vocabulary a code system is

The vocabularies themselves may not be passed on: a site gives its own folder, or codes stay source values and every
concept 0 is counted.
"""

from studies.omop.export import About, OmopExport, export
from studies.omop.report import Account, Report, Unmapped
from studies.omop.vocabulary import NoVocabulary, Vocabulary, load_vocabulary

__all__ = [
    "About", "Account", "NoVocabulary", "OmopExport", "Report", "Unmapped", "Vocabulary", "export", "load_vocabulary",
]  # fmt: skip
