"""The JSON API under /api/v1: one file per thing it is about."""
