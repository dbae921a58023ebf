"""What travels with an exported log. `verify_log.py` stands alone: it imports nothing of ours."""
