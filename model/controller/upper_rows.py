"""Hidden codes as the input codes of an analog upper layer."""

import numpy as np

from model.jit import kernel


@kernel
def upper_rows(hidden, full):
    """Input codes of the upper array, int32[columns + 1]: the hidden codes, and the bias row at `full` scale."""
    codes = np.empty(hidden.shape[0] + 1, np.int32)
    codes[:-1] = hidden
    codes[-1] = full
    return codes
