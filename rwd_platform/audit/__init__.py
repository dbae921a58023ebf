"""The audit cabinet: checkpoints of the log, extracts with proofs, verification, and reading it."""
