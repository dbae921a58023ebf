"""The ingestion room."""
