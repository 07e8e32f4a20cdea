"""Rows with pulses to strobes."""

import numpy as np


def pulse_scheduler(row: int, counts: np.ndarray) -> list[tuple[int, np.ndarray, np.ndarray]]:
    """The strobes of one row in transfer: (row, up, down), one pulse per device and strobe, in order.

    counts: int[columns], pulses per pair, positive for G+, negative for G-.  Strobe k pulses the pairs whose
    |count| exceeds k, so a row takes max |count| strobes.  up, down: uint8[columns].
    In training the scheduler passes a queue entry on as one strobe.
    """
    return [
        (row, (counts > k).astype(np.uint8), (-counts > k).astype(np.uint8))
        for k in range(int(np.abs(counts).max(initial=0)))
    ]
