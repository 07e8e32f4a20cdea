"""Column codes of a bit-serial read from the codes of its planes."""

import numpy as np

import model.jit  # noqa: F401  (lets the kernel call the rules of spec.numerics by name)
from model.jit import kernel
from spec.numerics import round_shift, saturate


@kernel
def shift_add(planes, shift, adc_bits):
    """clip(round_shift(sum over k of planes[k] * 2**k, shift), -Q, Q).

    planes: int32[bits, columns], the codes of bit 0 first.  Returns int32[columns].
    """
    limit = (1 << (adc_bits - 1)) - 1
    codes = np.empty(planes.shape[1], np.int32)
    for j in range(planes.shape[1]):
        total = np.int64(0)
        for k in range(planes.shape[0]):
            total += np.int64(planes[k, j]) << k
        codes[j] = saturate(round_shift(total, shift), -limit, limit)
    return codes
