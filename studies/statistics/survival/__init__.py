"""Time to an event: curves, tests and models, each checked against R."""
