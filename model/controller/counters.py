"""The counters whose value does not depend on time."""

import numpy as np

from model.record import Strobes, Tally

COUNTERS = (
    "SAMPLES_DONE", "CORRECT", "UPDATES", "CLIPPED", "INTEGRATES", "STROBES", "PULSES_UP", "PULSES_DOWN", "VERIFY_READS",
    "PLANES_CLIPPED", "GIVEN_UP", "UPPER_INTEGRATES", "UPPER_CLIPPED", "UPPER_STROBES", "UPPER_PULSES_UP", "UPPER_PULSES_DOWN",
)  # fmt: skip
"""Equal in the golden model and in the RTL."""
TIMES = ("CYCLES", "ELAPSED", "STRETCH")
"""The RTL's too; the golden model has them where it is told to predict them."""


def counters(
    predictions: np.ndarray,
    labels: np.ndarray,
    updates: np.ndarray,
    clipped: int,
    strobes: Strobes | Tally,
    planes: int = 1,
    planes_clipped: int = 0,
) -> dict[str, int]:
    """What one run adds.  predictions, labels, updates: int[samples]; clipped, planes_clipped: codes at Q.

    planes: integrates of a read.
    """
    samples = len(predictions)
    return {
        "SAMPLES_DONE": samples,
        "CORRECT": int((predictions == labels).sum()),
        "UPDATES": int(updates.sum()),
        "CLIPPED": clipped,
        "INTEGRATES": samples * planes,
        "STROBES": len(strobes),
        "PULSES_UP": strobes.pulses_up,
        "PULSES_DOWN": strobes.pulses_down,
        "VERIFY_READS": 0,
        "PLANES_CLIPPED": planes_clipped,
        "GIVEN_UP": 0,
    }


def upper_counters(strobes: Strobes, integrates: int = 0, clipped: int = 0) -> dict[str, int]:
    """What one run adds on the array of an analog upper layer.  clipped: output codes at a limit."""
    return {
        "UPPER_INTEGRATES": integrates,
        "UPPER_CLIPPED": clipped,
        "UPPER_STROBES": len(strobes),
        "UPPER_PULSES_UP": strobes.pulses_up,
        "UPPER_PULSES_DOWN": strobes.pulses_down,
    }
