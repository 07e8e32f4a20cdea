"""Hybrid training towards the offline network's hidden codes instead of the labels.

The host knows what each hidden unit of the offline network says to a sample, and sends that along with it: a target for
every column where a label is one for the sample.  So every sample teaches something, also those that are classified well
anyway, and the array comes back to the network that it was to hold.  Labels are not needed.
"""

from collections.abc import Callable
from dataclasses import replace

from model.study.coarse import coarse_transfer
from model.study.methods import (
    TRIES,
    Candidates,
    Method,
    Settings,
    Transfer,
    analog,
    built_in,
    memory_bits,
    sparsity,
    thresholds,
    written_counts,
)
from model.study.sparse import QUIET
from model.training.trial import Outcome, Trial, open_loop
from spec.numerics import round_shift
from spec.run_file import RunSpec

DEAD = (0, 4)
"""Dead zones of the error that are tried, in codes."""
SHARES = (1 / 64, 1 / 16, 1 / 4)
"""Parts of the online epoch that are tried: each of its samples teaches every column."""
SKIPS = (0.1, 0.2, 0.3, 0.4)
"""Weights that are left out in `hybrid teacher sparse`, below these shares of what a pair can be."""
LARGE = 1 / 16, 1 / 8, 1 / 4
"""Errors that are large, of full scale."""
UPPER = (40, 80, 160)
"""Thresholds of an analog upper layer that are tried: errors of one code at the largest input code."""


def with_teacher(run: RunSpec) -> RunSpec:
    """Hardware that has the teacher."""
    return replace(run, params=replace(run.params, teacher=1))


def ruled(rule: str) -> Callable[[RunSpec], RunSpec]:
    """Hardware that has the teacher and this update rule."""
    return lambda run: with_teacher(built_in(rule)(run))


def hybrid_teacher(trial: Trial, settings: Settings) -> Outcome:
    """Open-loop transfer, one online epoch of open-loop pulses towards the teacher's codes."""
    job = trial.taught_job("accumulate", settings["threshold"], settings["dead"])
    return trial.train(trial.transferred(), job)


def sign_rule(rule: str) -> Callable[[Trial, Settings], Outcome]:
    """The same under a rule that looks at signs of large inputs and errors only."""

    def measure(trial: Trial, settings: Settings) -> Outcome:
        p = trial.job.params
        least = max(1, round(settings["delta"] * p.adc_limit))
        job = trial.taught_job(rule, settings["threshold"], least - 1)  # words of smaller errors take no time
        job = replace(job, x_threshold=round_shift(settings["x"], 8 - p.dac_bits), delta_threshold=least)
        return trial.train(trial.transferred(), job)

    return measure


def large_ones(rule: str, inputs: tuple[int, ...]) -> Candidates:
    """Thresholds of the rule, of inputs (of 255) and of errors (of full scale)."""

    def candidates(run: RunSpec, samples: int) -> list[Settings]:
        picked = thresholds(run, rule, TRIES // (len(inputs) * len(LARGE)), samples)
        return [{"threshold": t, "x": x, "delta": d} for t in picked for x in inputs for d in LARGE]

    return candidates


def part_of_epoch(transfer: Transfer) -> Callable[[Trial, Settings], Outcome]:
    """Transfer without the rows that are hardly driven (and the small weights, with a `skip`), and the first samples of
    that epoch; transfer: how it writes."""

    def measure(trial: Trial, settings: Settings) -> Outcome:
        key = transfer.__name__, *sparsity(settings)
        start = trial.start(key, lambda ctl: transfer(ctl, written_counts(trial, settings)))
        job = trial.taught_job("accumulate", settings["threshold"])
        n = max(1, round(settings["share"] * len(job.train_labels)))
        job = replace(job, train_pixels=job.train_pixels[:n], train_labels=job.train_labels[:n])
        return trial.train(start, job)

    return measure


def thresholds_and_shares(run: RunSpec, samples: int) -> list[Settings]:
    """Thresholds, and shares of the epoch."""
    picked = thresholds(run, "accumulate", TRIES // len(SHARES), samples)
    return [
        {"threshold": threshold, "share": share, "quiet": QUIET[-1]}
        for threshold in picked
        for share in SHARES
    ]


def skips_and_shares(run: RunSpec, samples: int) -> list[Settings]:
    """Small weights that are left out, and shares of the epoch, quarters of those that are tried otherwise."""
    return [{"skip": skip, "share": share / 4} for share in SHARES for skip in SKIPS]


def thresholds_and_dead(run: RunSpec, samples: int) -> list[Settings]:
    """Thresholds as of the update rule, and dead zones."""
    picked = thresholds(run, "accumulate", TRIES // len(DEAD), samples)
    return [{"threshold": threshold, "dead": dead} for threshold in picked for dead in DEAD]


def both_layers(trial: Trial, settings: Settings) -> Outcome:
    """The same of both layers of an analog network, each towards the codes that its own columns should give."""
    job = trial.taught_job("accumulate", settings["threshold"])
    upper = replace(job.analog_upper, threshold=settings["upper"])  # type: ignore[type-var]  # there is one
    return trial.train(trial.transferred(), replace(job, analog_upper=upper))


def analog_both(run: RunSpec) -> RunSpec:
    """An analog upper layer, too, of which both layers are trained."""
    return with_teacher(analog("both")(run))


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
           thresholds_and_dead, with_teacher, bits=memory_bits("accumulate")),
    Method("hybrid teacher counter", "the same, signs of large inputs and errors counted", sign_rule("counter"),
           large_ones("counter", (192, 224)), ruled("counter"), bits=memory_bits("counter")),
    Method("hybrid teacher manhattan", "the same, their pulses thinned; no memory", sign_rule("manhattan"),
           large_ones("manhattan", (192,)), ruled("manhattan")),
    Method("hybrid teacher short", "hybrid teacher with part of the epoch, rows that are hardly driven not written",
           part_of_epoch(open_loop), thresholds_and_shares, with_teacher, bits=memory_bits("accumulate")),
    Method("hybrid teacher coarse", "that, transferred by pulses of doubled widths", part_of_epoch(coarse_transfer),
           thresholds_and_shares, with_teacher, bits=memory_bits("accumulate"), model_only=True),
    Method("hybrid teacher sparse", "nor are small weights written", part_of_epoch(coarse_transfer), skips_and_shares,
           with_teacher, settings_of="hybrid teacher coarse", bits=memory_bits("accumulate"), model_only=True),
    Method("analog both teacher", "upper layer analog, both trained towards the codes that they should give", both_layers,
           both_thresholds, analog_both, bits=memory_bits("accumulate"), model_only=True, deep=False),
)  # fmt: skip
