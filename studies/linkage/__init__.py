"""Care, payment and product brought together by the linkage token: what a run did, whom it lost, how often it errs.

    charts.Charts         one row a chart, with what the linkage made of it
    account.account       counts of charts and persons that add up; disagreements by attribute
    comparison.compare    who is linked against who is not: standardised differences
    errors.estimate       false matches, from attributes that disagree between charts of one token
    shown.shown           a report without small counts

Nobody is linked here: which tokens were linked is told by whoever holds the rules, and judged here.
"""
