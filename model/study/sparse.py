"""Sparse transfers: weights that are small get no pulse.  A network that is trained on the array gets them back.

Most weights are small, so most pulses of a transfer are theirs.  The hardware does this as it is: the host sends 0.
"""

import numpy as np

from model.study.methods import TRIES, Method, Settings, memory_bits, verify
from model.system import GoldenController
from model.system import run as golden
from model.training.prepare import shares
from model.training.trial import Outcome, Trial
from spec.run_file import RunSpec

LARGEST_SKIP = 0.6
"""Of those that are tried, as a share of what a pair can be."""


def hybrid_sparse(trial: Trial, settings: Settings) -> Outcome:
    """Sparse open-loop transfer, one online epoch."""
    skip = settings["skip"]

    def write(ctl: GoldenController) -> None:
        small = np.abs(shares(trial.run, trial.net)) < skip
        golden(ctl.transfer(np.where(small, 0, trial.job.counts)))

    job = trial.job_with("accumulate", settings["threshold"], settings["margin"])
    return trial.train(trial.start(("sparse", skip), write), job)


def skips(run: RunSpec, samples: int) -> list[Settings]:
    """Shares below which a weight is left out."""
    return [{"skip": round(LARGEST_SKIP * (k + 1) / TRIES, 4)} for k in range(TRIES)]


SPARSE = (
    Method("hybrid sparse", "small weights are not written, the epoch brings them back", hybrid_sparse, skips,
           settings_of="hybrid accumulate", bits=memory_bits("accumulate")),
    Method("verify pair sparse", "small weights stay erased pairs, no epoch", verify("pair"), skips,
           settings_of="verify pair"),
)  # fmt: skip
