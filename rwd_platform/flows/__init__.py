"""One file, one use case: the only place where rooms and cabinets meet."""
