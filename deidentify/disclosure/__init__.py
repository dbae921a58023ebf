"""Disclosure control: may these results go to this recipient, and what would have to change?

    read.read_file(path)                   results JSON or a CSV table -> plain mappings, or a named refusal
    check.check(results, recipient, ...)   pass | fail | review, with a finding a rule and a place
    mitigate.mitigate(results, recipient)  the same results, coarsened until they pass, and the account of it
    differencing.compare(...)              against everything that this circle already holds

Which field is what stands in fields.toml, what whom is allowed in recipients.toml. Results are read as the
plain mapping that `studies.results.ResultSet.as_dict` writes; this room never imports the other.
"""
