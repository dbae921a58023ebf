"""Doubt in numbers: what an unseen confounder, a wrong code or another choice could have done to a result."""
