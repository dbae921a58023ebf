"""The evidence package: results, report, trace and proofs in one signed folder that anyone can check."""
