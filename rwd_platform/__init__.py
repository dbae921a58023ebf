"""The RWD research platform for Boao Lecheng: doors, flows, cabinets, records, log and core."""

__version__ = "0.1.0"
