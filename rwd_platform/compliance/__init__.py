"""Decisions about data that leave: dated rule packs and the facts of a case in, a decision out. Pure."""
