"""Safety: rates, time to onset, re-challenge, device deficiencies, signals. Never sealed."""
