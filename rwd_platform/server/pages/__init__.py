"""The pages: one file per place a person can go."""
