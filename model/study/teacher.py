"""Hybrid training towards the offline network's hidden codes instead of the labels.  Model only.

The host knows what each hidden unit of the offline network says to a sample, and sends that along with it: a target for
every column where a label is one for the sample.  So every sample teaches something, also those that are classified well
anyway, and the array comes back to the network that it was to hold.  Labels are not needed.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

import numpy as np

from model.controller.teacher_delta import Teacher
from model.study.coarse import coarse_transfer
from model.study.methods import (
    TRIES,
    Method,
    Settings,
    Transfer,
    analog,
    memory_bits,
    sparsity,
    thresholds,
    written_counts,
)
from model.study.sparse import QUIET
from model.training.hybrid import code_step
from model.training.offline import with_bias
from model.training.transfer import hidden_codes, preactivations
from model.training.trial import Outcome, Trial, open_loop
from spec.run_file import TRAINED, RunSpec

DEAD = (0, 4)
"""Dead zones of the error that are tried, in codes."""
SHARES = (1 / 64, 1 / 16, 1 / 4)
"""Parts of the online epoch that are tried: each of its samples teaches every column."""
UPPER = (40, 80, 160)
"""Thresholds of an analog upper layer that are tried: errors of one code at the largest input code."""
_AT_ONCE = 4096
"""Samples whose hidden values are worked out together."""


def teacher_of(trial: Trial, dead: int = 0, samples: int | None = None) -> Teacher:
    """The offline network's codes for the trial's online samples, at the ranges that the converters have.

    dead: as of `Teacher`; samples: how many of them, all if None.  Output codes too where the run trains an analog upper layer.
    """
    registers = trial.ctl.registers
    samples = len(trial.job.train_pixels) if samples is None else samples
    return Teacher(*_codes(trial, code_step(registers), registers.get("UPPER_LSB", 0), samples), dead)


@lru_cache(maxsize=1)
def _codes(trial: Trial, step: int, upper_lsb: int, samples: int) -> tuple[np.ndarray, np.ndarray]:
    """`Teacher.hidden` and `Teacher.outputs`, kept for further settings on the same array; step: of `code_step`."""
    job = trial.job
    full_scale, above = job.full_scale(step), job.analog_upper
    codes, outputs = [], [np.zeros((0, job.params.classes), np.int16)]
    for first in range(0, samples, _AT_ONCE):
        part = job.train_pixels[first : min(first + _AT_ONCE, samples)]
        hidden = np.maximum(preactivations(part, trial.net.hidden, np.inf, job.params).sum(axis=1), 0)
        codes.append(hidden_codes(hidden, full_scale, job.params).astype(np.int16))
        if above and "last" in TRAINED[above.trained]:
            given = job.upper_weights, full_scale, upper_lsb, job.params
            outputs.append(above.output_codes(with_bias(hidden) @ job.upper_weights, *given))
    return np.concatenate(codes), np.concatenate(outputs)


def hybrid_teacher(trial: Trial, settings: Settings) -> Outcome:
    """Open-loop transfer, one online epoch of open-loop pulses towards the teacher's codes."""
    start = trial.transferred()
    job = trial.job_with("accumulate", settings["threshold"], 0.0)
    return trial.train(start, job, teacher=teacher_of(trial, settings["dead"]))


def part_of_epoch(transfer: Transfer) -> Callable[[Trial, Settings], Outcome]:
    """Transfer without the rows that are hardly driven, and the first samples of that epoch; transfer: how it writes."""

    def measure(trial: Trial, settings: Settings) -> Outcome:
        key = transfer.__name__, *sparsity(settings)
        start = trial.start(key, lambda ctl: transfer(ctl, written_counts(trial, settings)))
        job = trial.job_with("accumulate", settings["threshold"], 0.0)
        n = max(1, round(settings["share"] * len(job.train_labels)))
        job = replace(job, train_pixels=job.train_pixels[:n], train_labels=job.train_labels[:n])
        return trial.train(start, job, teacher=teacher_of(trial, samples=n))

    return measure


def thresholds_and_shares(run: RunSpec, samples: int) -> list[Settings]:
    """Thresholds, and shares of the epoch."""
    picked = thresholds(run, "accumulate", TRIES // len(SHARES), samples)
    return [
        {"threshold": threshold, "share": share, "quiet": QUIET[-1]}
        for threshold in picked
        for share in SHARES
    ]


def thresholds_and_dead(run: RunSpec, samples: int) -> list[Settings]:
    """Thresholds as of the update rule, and dead zones."""
    picked = thresholds(run, "accumulate", TRIES // len(DEAD), samples)
    return [{"threshold": threshold, "dead": dead} for threshold in picked for dead in DEAD]


def both_layers(trial: Trial, settings: Settings) -> Outcome:
    """The same of both layers of an analog network, each towards the codes that its own columns should give."""
    start = trial.transferred()
    job = trial.job_with("accumulate", settings["threshold"], 0.0)
    upper = replace(job.analog_upper, threshold=settings["upper"])  # type: ignore[type-var]  # there is one
    return trial.train(start, replace(job, analog_upper=upper), teacher=teacher_of(trial))


def both_thresholds(run: RunSpec, samples: int) -> list[Settings]:
    """Thresholds of both layers; errors of the few outputs are small."""
    picked = thresholds(run, "accumulate", TRIES // len(UPPER), samples)
    return [
        {"threshold": threshold, "upper": share * run.params.adc_limit}
        for threshold in picked
        for share in UPPER
    ]


TEACHER = (
    Method("hybrid teacher", "the online epoch towards the offline network's hidden codes, no labels", hybrid_teacher,
           thresholds_and_dead, bits=memory_bits("accumulate"), model_only=True),
    Method("hybrid teacher short", "the same with part of the epoch, rows that are hardly driven not written",
           part_of_epoch(open_loop), thresholds_and_shares, bits=memory_bits("accumulate"), model_only=True),
    Method("hybrid teacher coarse", "that, transferred by pulses of doubled widths", part_of_epoch(coarse_transfer),
           thresholds_and_shares, bits=memory_bits("accumulate"), model_only=True),
    Method("analog both teacher", "upper layer analog, both trained towards the codes that they should give", both_layers,
           both_thresholds, analog("both"), bits=memory_bits("accumulate"), model_only=True, deep=False),
)  # fmt: skip
