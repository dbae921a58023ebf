"""The control plane: what the platform knows about uploads, studies, packages and people. Never patient rows."""
