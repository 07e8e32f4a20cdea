"""What the ring of samples hands on for an update."""

import numpy as np


def input_buffer(codes: np.ndarray, update: bool) -> list[tuple[int, int, bool]]:
    """(row, code, last) of the non-zero rows of one sample in row order, none if it does not update.

    codes: int32[rows]; the bias row, never zero, is the last.
    """
    if not update:
        return []
    return [(int(row), int(codes[row]), bool(row == len(codes) - 1)) for row in np.flatnonzero(codes)]
