"""Distributions as 256 quantiles, which a random byte chooses from."""

from statistics import NormalDist

import numpy as np

from spec.device_image import QUANTILES

NORMAL = np.array([NormalDist().inv_cdf((i + 0.5) / QUANTILES) for i in range(QUANTILES)])
"""Standard normal, float64[256]."""
