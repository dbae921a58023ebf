"""The jobs cabinet: long work that is done at least once, under a lease, and can be watched and resumed."""
