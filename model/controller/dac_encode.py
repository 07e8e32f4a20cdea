"""Raw inputs to row codes."""

import numpy as np

from model.jit import kernel, round_shift

PIXEL_BITS = 8


@kernel
def dac_encode(pixels, dac_bits):
    """Row codes of one sample.

    pixels: uint8[inputs].  Returns int32[inputs + 1]: code = min(round_shift(pixel, 8 - dac_bits), full scale);
    the last row is the bias, driven at full scale.
    """
    full_scale = (1 << dac_bits) - 1
    codes = np.empty(pixels.shape[0] + 1, np.int32)
    for i in range(pixels.shape[0]):
        codes[i] = min(round_shift(np.int64(pixels[i]), PIXEL_BITS - dac_bits), full_scale)
    codes[-1] = full_scale
    return codes
