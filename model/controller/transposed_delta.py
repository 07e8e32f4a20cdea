"""The error carried back by reading the upper array transposed."""

import numpy as np

from model.jit import kernel, saturate


@kernel
def transposed_delta(codes, hidden, full, delta_bits):
    """delta_j = saturate(code_j) where 0 < hidden_j < Q, else 0.

    codes: int32[columns], of the transposed reads; hidden: int32[columns], 0..full = Q.  Returns int32[columns].
    """
    limit = (1 << (delta_bits - 1)) - 1
    delta = np.zeros(hidden.shape[0], np.int32)
    for j in range(hidden.shape[0]):
        if 0 < hidden[j] < full:
            delta[j] = saturate(codes[j], -limit, limit)
    return delta
