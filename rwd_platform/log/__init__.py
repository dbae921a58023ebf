"""The log's pure part: entries, the Merkle tree over them, proofs, and checkpoints. No database, no clock."""
