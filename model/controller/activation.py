"""Hidden codes: the column codes clipped at zero (the converter has already clipped them at Q)."""

import numpy as np

from model.jit import kernel


@kernel
def activation(codes):
    """max(code, 0) per column.  codes: int32[columns].  Returns int32[columns]."""
    return np.maximum(codes, 0).astype(np.int32)
