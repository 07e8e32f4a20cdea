"""The digital upper layer: hidden codes to output codes."""

import numpy as np

from model.jit import kernel, round_shift, saturate


@kernel
def upper_layer(hidden, weights, adc_bits, logit_shift, logit_bits):
    """Output codes: saturate(round_shift(sum_j h_j w_jc + Q w_bias,c, shift), +-Q_logit).

    hidden: int32[columns], 0..Q; weights: int32[columns + 1, classes], the bias last.  Returns int32[classes].
    """
    columns, classes = hidden.shape[0], weights.shape[1]
    limit = (1 << (logit_bits - 1)) - 1
    bias_code = (1 << (adc_bits - 1)) - 1
    sums = np.zeros(classes, np.int64)
    for c in range(classes):
        sums[c] = bias_code * weights[columns, c]
    for j in range(columns):
        if hidden[j] != 0:
            for c in range(classes):
                sums[c] += hidden[j] * weights[j, c]
    logits = np.empty(classes, np.int32)
    for c in range(classes):
        logits[c] = saturate(round_shift(sums[c], logit_shift), -limit, limit)
    return logits
