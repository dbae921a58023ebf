"""The demo: published research data, sent as hospitals would send them. It proves the pipeline; it is no evidence."""
