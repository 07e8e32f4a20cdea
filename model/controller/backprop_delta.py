"""The error carried back through the upper layer's weights."""

import numpy as np

from model.jit import kernel, saturate


@kernel
def backprop_delta(weights, hidden, target, rival, adc_bits, delta_bits):
    """delta_j = saturate(w_j,target - w_j,rival) where 0 < hidden_j < Q, else 0.

    weights: int32[columns + 1, classes]; hidden: int32[columns].  Returns int32[columns].
    """
    full_scale = (1 << (adc_bits - 1)) - 1
    limit = (1 << (delta_bits - 1)) - 1
    delta = np.zeros(hidden.shape[0], np.int32)
    for j in range(hidden.shape[0]):
        if 0 < hidden[j] < full_scale:
            delta[j] = saturate(weights[j, target] - weights[j, rival], -limit, limit)
    return delta
