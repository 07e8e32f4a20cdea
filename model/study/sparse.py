"""Sparse transfers: weights of little effect get no pulse.  A network that is trained on the array gets them back.

Most weights are small and some rows are hardly ever driven, so most pulses of a transfer are theirs.  The hardware does
this as it is: the host sends 0.
"""

from collections.abc import Callable

from model.study.methods import (
    TRIES,
    Method,
    Settings,
    Transfer,
    memory_bits,
    sparsity,
    verify,
    written_counts,
)
from model.training.trial import Outcome, Trial, open_loop
from spec.run_file import RunSpec

LARGEST_SKIP = 0.6
"""Of those that are tried, as a share of what a pair can be."""
QUIET = (1e-5, 1e-4, 1e-3)
"""Shares of the input's energy whose rows are left out: 18, 25 and 35 % of the rows of MNIST."""


def hybrid_sparse(transfer: Transfer = open_loop) -> Callable[[Trial, Settings], Outcome]:
    """Sparse transfer, one online epoch; transfer: how the counts are written."""

    def measure(trial: Trial, settings: Settings) -> Outcome:
        key = transfer.__name__, *sparsity(settings)
        start = trial.start(key, lambda ctl: transfer(ctl, written_counts(trial, settings)))
        job = trial.job_with("accumulate", settings["threshold"], settings["margin"])
        return trial.train(start, job)

    return measure


def skips(run: RunSpec, samples: int) -> list[Settings]:
    """Shares below which a weight is left out."""
    return [{"skip": round(LARGEST_SKIP * (k + 1) / TRIES, 4)} for k in range(TRIES)]


def skips_and_rows(run: RunSpec, samples: int) -> list[Settings]:
    """The same, coarser, with the rows that are left out."""
    coarse = TRIES // len(QUIET)
    return [
        {"skip": round(LARGEST_SKIP * k / coarse, 4), "quiet": quiet}
        for quiet in QUIET
        for k in range(coarse)
    ]


SPARSE = (
    Method("hybrid sparse", "small weights are not written, the epoch brings them back", hybrid_sparse(), skips,
           settings_of="hybrid accumulate", bits=memory_bits("accumulate")),
    Method("verify pair sparse", "small weights stay erased pairs, no epoch", verify("pair"), skips,
           settings_of="verify pair"),
    Method("hybrid skipped rows", "nor are rows that are hardly driven", hybrid_sparse(), skips_and_rows,
           settings_of="hybrid accumulate", bits=memory_bits("accumulate")),
    Method("verify pair skipped rows", "the same, no epoch", verify("pair"), skips_and_rows,
           settings_of="verify pair"),
)  # fmt: skip
