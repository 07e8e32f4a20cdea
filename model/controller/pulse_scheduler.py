"""Rows with pulses to strobes."""

import numpy as np


def pulse_scheduler(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The strobes of one row in transfer, in order: masks (up, down), one pulse per device and strobe.

    counts: int[columns], pulses per pair, positive for G+, negative for G-.  Strobe k pulses the pairs whose
    |count| exceeds k, so a row takes max |count| strobes.  up, down: uint8[strobes, columns].
    In training the scheduler passes a queue entry on as one strobe.
    """
    k = np.arange(np.abs(counts).max(initial=0))[:, None]
    return (counts > k).view(np.uint8), (-counts > k).view(np.uint8)
