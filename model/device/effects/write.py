"""Spread of the write pulse from strobe to strobe: one factor on the steps of all its cells.

Steps of field-driven switching go as exp(V / V0) (e.g. M. D. Pickett et al., J. Appl. Phys. 106:074508, 2009), so a Gaussian
error of the driver's voltage or time makes them log-normal: exp(sigma z - sigma^2 / 2), mean 1, sigma = sigma_V / V0.
"""

import numpy as np

from model.device.effects.quantiles import NORMAL
from model.jit import kernel
from spec.device_image import SCALE_FRACTION_BITS
from spec.numerics import DOMAIN_VOLTAGE, draw, event_key


def strobe_factors(sigma: float) -> np.ndarray:
    """Factors by a random byte, 12 fraction bits, int64[256]; empty without spread."""
    if sigma == 0:
        return np.zeros(0, np.int64)
    return np.rint(np.exp(sigma * NORMAL - sigma**2 / 2) * (1 << SCALE_FRACTION_BITS)).astype(np.int64)


@kernel
def strobe_factor(effects, seed, event):
    """The factor of one strobe, 12 fraction bits; None without effects."""
    if effects is None:
        return None
    factors = effects.tables.factors
    if factors.shape[0] == 0:
        return np.int64(1 << SCALE_FRACTION_BITS)
    return factors[draw(event_key(seed, DOMAIN_VOLTAGE, event), 0) & 255]


@kernel
def scaled(factor, step):
    """A step under the factor of its strobe."""
    if factor is None:
        return step
    return (step * factor) >> SCALE_FRACTION_BITS
