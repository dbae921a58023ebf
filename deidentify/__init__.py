"""The deidentify room."""
