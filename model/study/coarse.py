"""Coarse pulses: a transfer by pulses of 1, 2, 4 .. widths, and the program-verify that may come after it.  Model only.

The controller has what it takes, register PULSE and one transfer for each width.  The device's half is an assumption, and
no array but the golden one makes it: a pulse of w widths moves a cell as w pulses do, noise included.
"""

from collections import Counter

import numpy as np

from model.study.methods import TOLERANCES, Method, Settings, memory_bits, verify
from model.study.sparse import QUIET, hybrid_sparse, skips_and_rows
from model.system import GoldenController
from model.system import run as golden
from spec.registers import reset_value
from spec.run_file import RunSpec

WIDTHS = (32, 16, 8, 4, 2, 1)
"""Of the pulses, in those of the device file, in the order in which a cell gets them; the widest as often as is needed."""


def pulses_of_width(counts: np.ndarray, width: int) -> np.ndarray:
    """How many pulses of this width stand for the counts, with their sign; int[rows, columns]."""
    times = np.abs(counts) // width
    return np.sign(counts) * (times if width == WIDTHS[0] else times & 1)


def coarse_transfer(ctl: GoldenController, counts: np.ndarray) -> dict[str, int]:
    """Open-loop transfer, a run for each width; returns the widths of its slots and pulses beyond one each."""
    pulse = ctl.registers.get("PULSE", reset_value("PULSE"))
    further: Counter[str] = Counter()
    for width in WIDTHS:
        wanted = pulses_of_width(counts, width)
        if not wanted.any():
            continue
        before = golden(ctl.counters())
        ctl.array.pulse_width = width
        golden(ctl.configure(PULSE=width * pulse))
        golden(ctl.transfer(wanted))
        added = {name: count - before[name] for name, count in golden(ctl.counters()).items()}
        further["WIDE_STROBES"] += (width - 1) * added["STROBES"]
        further["WIDE_PULSES"] += (width - 1) * (added["PULSES_UP"] + added["PULSES_DOWN"])
    ctl.array.pulse_width = 1
    golden(ctl.configure(PULSE=pulse))
    return dict(further)


def loops_and_rows(run: RunSpec, samples: int) -> list[Settings]:
    """Tolerances, and the rows that are left out."""
    return [
        {"tolerance": tolerance, "averages": 1, "quiet": quiet} for tolerance in TOLERANCES for quiet in QUIET
    ]


COARSE = (
    Method("hybrid coarse", "hybrid skipped rows, transferred by pulses of doubled widths", hybrid_sparse(coarse_transfer), skips_and_rows,
           settings_of="hybrid accumulate", bits=memory_bits("accumulate"), model_only=True),
    Method("verify pair coarse", "the same transfer, then program-verify, no epoch", verify("pair", coarse_transfer),
           loops_and_rows, model_only=True),
)  # fmt: skip
