"""Hybrid training towards the offline network's hidden codes instead of the labels.  Model only.

The host knows what each hidden unit of the offline network says to a sample, and sends that along with it: a target for
every column where a label is one for the sample.  So every sample teaches something, also those that are classified well
anyway, and the array comes back to the network that it was to hold.  Labels are not needed.
"""

import numpy as np

from model.controller.teacher_delta import Teacher
from model.study.methods import TRIES, Method, Settings, memory_bits, thresholds
from model.training.hybrid import code_step
from model.training.transfer import preactivations
from model.training.trial import Outcome, Trial
from spec.run_file import RunSpec

DEAD = (0, 4)
"""Dead zones of the error that are tried, in codes."""
_AT_ONCE = 4096
"""Samples whose hidden values are worked out together."""


def teacher_of(trial: Trial, dead: int) -> Teacher:
    """The hidden codes of the offline network for the trial's online samples, at the range that the converters have."""
    params = trial.job.params
    full_scale, limit = trial.job.full_scale(code_step(trial.ctl.registers)), params.adc_limit
    pixels, codes = trial.job.train_pixels, []
    for first in range(0, len(pixels), _AT_ONCE):
        part = pixels[first : first + _AT_ONCE]
        hidden = preactivations(part, trial.net.hidden, np.inf, params).sum(axis=1)
        codes.append(np.clip(np.floor(hidden / full_scale * limit + 0.5), 0, limit).astype(np.int16))
    return Teacher(np.concatenate(codes), dead)


def hybrid_teacher(trial: Trial, settings: Settings) -> Outcome:
    """Open-loop transfer, one online epoch of open-loop pulses towards the teacher's codes."""
    start = trial.transferred()
    job = trial.job_with("accumulate", settings["threshold"], 0.0)
    return trial.train(start, job, teacher=teacher_of(trial, settings["dead"]))


def thresholds_and_dead(run: RunSpec, samples: int) -> list[Settings]:
    """Thresholds as of the update rule, and dead zones."""
    picked = thresholds(run, "accumulate", TRIES // len(DEAD), samples)
    return [{"threshold": threshold, "dead": dead} for threshold in picked for dead in DEAD]


TEACHER = (
    Method("hybrid teacher", "the online epoch towards the offline network's hidden codes, no labels", hybrid_teacher,
           thresholds_and_dead, bits=memory_bits("accumulate"), model_only=True),
)  # fmt: skip
