"""The range of the column converters, found from their codes alone: unlabelled reads, never a conductance."""

import numpy as np

from spec.params import HwParams
from spec.registers import BY_NAME, Mode

CLIPPED_PER_MILLE = 1
"""At most this share of the column codes may sit at full scale."""

SAMPLES = 128
"""Samples of a probe."""

_STEPS_PER_OCTAVE = 128
"""Grain of the search: the result is at most 1/128 above the smallest lsb that holds."""


async def search_lsb(ctl, params: HwParams, pixels: np.ndarray) -> int:
    """The smallest lsb with at most 0.1 % of the column codes at full scale Q.

    ctl: golden controller or host driver; pixels: uint8[n, inputs], unlabelled.  About 12 probes of n reads, first
    over powers of two, then inside one octave.  Read noise differs between probes: the result held when it was
    probed.  Returns the largest value of the register LSB if even that one clips more.
    """
    allowed = len(pixels) * params.columns * CLIPPED_PER_MILLE // 1000
    labels = np.zeros(len(pixels), np.int64)

    async def holds(lsb: int) -> bool:
        await ctl.configure(LSB=lsb)
        await ctl.clear_counters()
        await ctl.run(Mode.INFER, pixels, labels)
        return (await ctl.counters())["CLIPPED"] <= allowed

    exponent = await _smallest(lambda e: holds(1 << e), 0, BY_NAME["LSB"].fields[0].bits)
    if exponent == BY_NAME["LSB"].fields[0].bits:
        return (1 << exponent) - 1
    low = (1 << exponent) >> 1  # clips too much, or is 0
    grain = max(1, low // _STEPS_PER_OCTAVE)
    steps = ((1 << exponent) - low) // grain
    return low + grain * await _smallest(lambda k: holds(low + grain * k), 1, steps)


async def _smallest(holds, low: int, high: int) -> int:
    """The smallest k of low..high for which `holds(k)`, taken to be monotone and true at `high`; bisection."""
    while low < high:
        middle = (low + high) // 2
        if await holds(middle):
            high = middle
        else:
            low = middle + 1
    return high
