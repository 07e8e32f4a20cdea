"""Hidden codes: the column codes clipped at zero (the converter has already clipped them at Q)."""

import numpy as np

from model.jit import kernel


@kernel
def activation(codes):
    """max(code, 0) per column.  codes: int32[columns].  Returns int32[columns]."""
    hidden = np.empty_like(codes)
    for j in range(codes.shape[0]):
        hidden[j] = max(codes[j], 0)
    return hidden
