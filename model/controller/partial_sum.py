"""Column codes of the layer from those of its macros along the rows."""

import numpy as np

from model.jit import kernel


@kernel
def partial_sum(codes, grid_rows, adc_bits):
    """The sum over the rows of macros, clipped to -Q..Q, per column; and how many columns are clipped.

    A column is clipped if its sum reaches Q, or if a partial code may be why it is wrong: one at Q always, one at -Q
    where the sum is positive all the same.
    codes: int32[grid_rows * columns], one row of macros after the other.  Returns int32[columns], a number.
    """
    limit = (1 << (adc_bits - 1)) - 1
    clipped = 0
    if grid_rows == 1:  # nothing to add
        for j in range(codes.shape[0]):
            clipped += 1 if codes[j] == limit else 0
        return codes, clipped
    columns = codes.shape[0] // grid_rows
    out = np.empty(columns, np.int32)
    for j in range(columns):
        total, high, low = 0, False, False
        for row in range(grid_rows):
            code = codes[row * columns + j]
            total += code
            high |= code == limit
            low |= code == -limit
        clipped += high or total >= limit or (low and total > 0)
        out[j] = min(max(total, -limit), limit)
    return out, clipped
