"""What every child would read and compile anew, done once in the server before it forks; imported there alone.

It is what a worker that has done a few jobs has in memory already. Nothing of it depends on a home.
"""

from functools import cache

from deidentify import policy
from deidentify.pseudonym import Pseudonymiser
from deidentify.scrub import scrub
from ingestion.views import load_views
from quality import suite
from rwd_platform.flows import judging

policy.load_policy = judging.load_policy = cache(policy.load_policy)
anybody = Pseudonymiser(bytes(32), "warmed", 1, "intl")
scrub({"resourceType": "Patient", "id": "p"}, policy.load_policy(judging.LAKE_POLICY), anybody)
suite.load_suites = cache(suite.load_suites)
suite.load_suites()
load_views()
