"""The range of the column converters, found from their codes alone: unlabelled reads, never a conductance."""

import numpy as np

from spec.params import HwParams
from spec.registers import BY_NAME, Mode

CLIPPED_PER_MILLE = 1
"""At most this share of the column codes may sit at full scale."""

SAMPLES = 128
"""Samples of a probe."""

PLANES_CLIPPED_PER_MILLE = 1
"""Likewise of the codes of bit planes."""

_STEPS_PER_OCTAVE = 128
"""Grain of the search: the result is at most 1/128 above the smallest lsb that holds."""


async def search_lsb(ctl, params: HwParams, pixels: np.ndarray) -> int:
    """The smallest lsb with at most 0.1 % of the column codes at full scale Q.

    ctl: golden controller or host driver; pixels: uint8[n, inputs], unlabelled.  About 12 probes of n reads, first
    over powers of two, then inside one octave.  Read noise differs between probes: the result held when it was
    probed.  Returns the largest value of the register LSB if even that one clips more.
    """
    return await smallest_lsb(ctl, params, pixels, "LSB", "CLIPPED")


async def smallest_lsb(ctl, params: HwParams, pixels: np.ndarray, register: str, counter: str) -> int:
    """`search_lsb` with any register and the counter of the codes that it lets clip; params: of their array."""
    allowed = len(pixels) * params.columns * CLIPPED_PER_MILLE // 1000

    async def holds(lsb: int) -> bool:
        await ctl.configure(**{register: lsb})
        return (await _probe(ctl, pixels))[counter] <= allowed

    return await _smallest_lsb(holds)


async def _smallest_lsb(holds) -> int:
    """The smallest lsb for which `holds(lsb)`, to a grain; the largest value of the register if none does."""
    exponent = await _smallest(lambda e: holds(1 << e), 0, BY_NAME["LSB"].fields[0].bits)
    if exponent == BY_NAME["LSB"].fields[0].bits:
        return (1 << exponent) - 1
    low = (1 << exponent) >> 1  # clips too much, or is 0
    grain = max(1, low // _STEPS_PER_OCTAVE)
    steps = ((1 << exponent) - low) // grain
    return low + grain * await _smallest(lambda k: holds(low + grain * k), 1, steps)


async def search_serial(ctl, params: HwParams, pixels: np.ndarray) -> tuple[int, int]:
    """Values of LSB and SERIAL_SHIFT for bit-serial reads: the smallest step lsb * 2**shift of the column codes.

    Both hold: at most 0.1 % of the planes' codes at full scale, and of the column codes.  First the smallest lsb for the
    planes, then the smallest shift for the column codes, then, with one shift less, the smallest lsb in the octave above.
    ctl, pixels: as of `search_lsb`; bit-serial encoding is chosen.
    """
    allowed = len(pixels) * params.columns * CLIPPED_PER_MILLE // 1000
    planes_allowed = len(pixels) * params.columns * params.dac_bits * PLANES_CLIPPED_PER_MILLE // 1000

    async def clipped(counter: str, lsb: int, shift: int) -> int:
        await ctl.configure(LSB=lsb, SERIAL_SHIFT=shift)
        return (await _probe(ctl, pixels))[counter]

    async def planes_hold(lsb: int) -> bool:
        return await clipped("PLANES_CLIPPED", lsb, 0) <= planes_allowed

    lsb = await _smallest_lsb(planes_hold)

    async def shift_holds(shift: int) -> bool:
        return await clipped("CLIPPED", lsb, shift) <= allowed

    shift = await _smallest(shift_holds, 0, params.dac_bits)
    if shift == 0 or 2 * lsb >= 1 << BY_NAME["LSB"].fields[0].bits:
        return lsb, shift
    grain = max(1, lsb // _STEPS_PER_OCTAVE)

    async def finer_holds(steps: int) -> bool:
        return await clipped("CLIPPED", lsb + grain * steps, shift - 1) <= allowed

    steps = -(-lsb // grain)  # there the step is that of `shift` again
    found = await _smallest(finer_holds, 1, steps)
    return (lsb, shift) if found == steps else (lsb + grain * found, shift - 1)


async def _probe(ctl, pixels: np.ndarray) -> dict[str, int]:
    """The counters of one inference on unlabelled samples."""
    await ctl.clear_counters()
    await ctl.run(Mode.INFER, pixels, np.zeros(len(pixels), np.int64))
    return await ctl.counters()


async def _smallest(holds, low: int, high: int) -> int:
    """The smallest k of low..high for which `holds(k)`, taken to be monotone and true at `high`; bisection."""
    while low < high:
        middle = (low + high) // 2
        if await holds(middle):
            high = middle
        else:
            low = middle + 1
    return high
