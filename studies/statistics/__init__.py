"""Numerical methods: arrays in, frozen results out. They know no protocol and no column names."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.intp]

# The version of our own methods: it changes only when a number they give changes
# (CHANGELOG, "Changes that alter results").
ENGINE = "rwd"
ENGINE_VERSION = "0.2.0"
