"""The studies room: a protocol and a data lock in, results and evidence out. Pure."""
