"""Engines: the lake's files as tables that a cohort or a quality rule can be asked of.

Every engine reads the same Parquet files, so what one answers another must answer too.
"""
