"""Column sums to signed codes: the closed form of every kind of converter, whose comparators are noiseless."""

import numpy as np

from model.jit import kernel


@kernel
def column_adc(sums, lsb, adc_bits):
    """Codes of held column sums: k iff (k - 1/2) lsb <= sum < (k + 1/2) lsb, clipped to -Q..Q.

    sums: int64[columns]; lsb: column-sum units per code, >= 1.  Returns int32[columns].
    """
    limit = (1 << (adc_bits - 1)) - 1
    codes = np.empty(sums.shape[0], np.int32)
    for j in range(sums.shape[0]):
        # A floored quotient of integers below 2**53 is exact in floats, and many of them are divided at once.
        code = np.int64(np.floor(float(2 * np.int64(sums[j]) + lsb) / float(2 * lsb)))
        codes[j] = min(max(code, -limit), limit)
    return codes
