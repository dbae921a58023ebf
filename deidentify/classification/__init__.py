"""Classification 分类分级: every column has a class, a level and flags; what is not listed is refused by name."""

from deidentify.classification.catalogue import (
    Catalogue,
    Label,
    classify,
    classify_file,
    load_catalogue,
)
from deidentify.classification.labels import labels_of, labels_of_package

__all__ = [
    "Catalogue",
    "Label",
    "classify",
    "classify_file",
    "labels_of",
    "labels_of_package",
    "load_catalogue",
]
