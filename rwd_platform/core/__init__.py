"""Words everybody shares. Core imports nothing of ours."""
