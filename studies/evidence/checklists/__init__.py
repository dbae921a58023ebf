"""Reporting and review checklists, answered by the package itself: each item leads to the place that answers it.

One YAML a checklist; `places.yaml` names the places of a package, `statements.yaml` what only a person can say.
An item is answered when everything that it names is there and not empty; what is not there is missing, with who
has to act. Nothing is answered by a neighbouring fact.
"""
