"""Sparse transfers: weights that are small get no pulse.  A network that is trained on the array gets them back.

Most weights are small, so most pulses of a transfer are theirs.  The hardware does this as it is: the host sends 0.
"""

import numpy as np

from model.study.methods import TRIES, Method, Settings, loop_of, memory_bits, untrained
from model.system import GoldenController
from model.system import run as golden
from model.training.prepare import state_targets
from model.training.transfer import weight_limit
from model.training.trial import Outcome, Trial
from model.training.write_costs import load_loops
from spec.run_file import RunSpec

LARGEST_SKIP = 0.6
"""Of those that are tried: as a share of the range that weights have."""


def left_out(trial: Trial, skip: float) -> np.ndarray:
    """Which weights of the first layer are not written, bool[rows, columns]."""
    hidden = trial.net.hidden
    return np.abs(hidden) < skip * weight_limit(hidden, trial.run.clip_sigmas)


def hybrid_sparse(trial: Trial, settings: Settings) -> Outcome:
    """Sparse open-loop transfer, one online epoch."""
    skip = settings["skip"]

    def write(ctl: GoldenController) -> None:
        golden(ctl.transfer(np.where(left_out(trial, skip), 0, trial.job.counts)))

    job = trial.job_with("accumulate", settings["threshold"], settings["margin"])
    return trial.train(trial.start(("sparse", skip), write), job)


def verify_sparse(trial: Trial, settings: Settings) -> Outcome:
    """Sparse program-verify of pairs, no online epoch: targets of what is left out are those of an erased pair."""
    skip, loop = settings["skip"], loop_of(trial, settings)

    def write(ctl: GoldenController) -> None:
        golden(load_loops(ctl, loop))
        golden(ctl.verify(state_targets(trial.run, trial.net, left_out(trial, skip)), "pair"))

    return untrained(trial, trial.start(("verify sparse", skip, loop), write))


def skips(run: RunSpec, samples: int) -> list[Settings]:
    """Shares of the range below which a weight is left out."""
    return [{"skip": round(LARGEST_SKIP * (k + 1) / TRIES, 4)} for k in range(TRIES)]


SPARSE = (
    Method("hybrid sparse", "small weights are not written, the epoch brings them back", hybrid_sparse, skips,
           settings_of="hybrid accumulate", bits=memory_bits("accumulate")),
    Method("verify pair sparse", "the same transfer, verified, no epoch", verify_sparse, skips, settings_of="verify pair"),
)  # fmt: skip
