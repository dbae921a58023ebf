"""A synthetic twin of a study's data lock, made from its protocol alone, by which anybody can rerun a package."""

from studies.evidence.twin.files import LOCK_ID, read_twin, twin_files, twin_results
from studies.evidence.twin.make import SEED, SUBJECTS, make_twin

__all__ = ["LOCK_ID", "SEED", "SUBJECTS", "make_twin", "read_twin", "twin_files", "twin_results"]
