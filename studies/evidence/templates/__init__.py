"""What goes into a package or shapes it. `verify.py` and `rerun.py` travel inside and stand alone."""
