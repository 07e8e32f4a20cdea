"""The digital upper layer: hidden codes to output codes."""

import numpy as np

from model.jit import kernel, round_shift, saturate


@kernel
def upper_layer(hidden, weights, adc_bits, logit_shift, logit_bits):
    """Output codes: saturate(round_shift(sum_j h_j w_jc + Q w_bias,c, shift), +-Q_logit).

    hidden: int32[columns], 0..Q; weights: int32[columns + 1, classes], the bias last, fastest where a class's follow
    each other in memory (Fortran order).  Returns int32[classes].
    """
    columns, classes = hidden.shape[0], weights.shape[1]
    limit = (1 << (logit_bits - 1)) - 1
    bias_code = (1 << (adc_bits - 1)) - 1
    logits = np.empty(classes, np.int32)
    for c in range(classes):
        total = bias_code * np.int64(weights[columns, c])
        for j in range(columns):
            total += np.int64(hidden[j]) * np.int64(weights[j, c])
        logits[c] = saturate(round_shift(total, logit_shift), -limit, limit)
    return logits
