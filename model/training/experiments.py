"""Thresholds of the online epoch, chosen on the validation split."""

from collections.abc import Callable
from dataclasses import replace
from math import ceil
from typing import Any

import numpy as np

from model.cost import operations
from model.data import Dataset
from model.training.hybrid import HybridJob, largest_threshold
from model.training.offline import OfflineNet
from model.training.trial import Trial
from spec.numerics import MASK32
from spec.params import HwParams
from spec.run_file import AUTO, RunSpec

GRID = {
    "accumulate": tuple(1 << k for k in range(14, 20)),
    "counter": (2, 3, 4, 6, 8, 12, 16),
    "manhattan": tuple(1 << k for k in range(1, 12)),
    "stochastic": tuple(1 << k for k in range(1, 12)),
}
"""Thresholds that are tried, by rule; those of `accumulate` are for 8-bit inputs and weights."""

UPPER_FINER = 3
"""Octaves by which the thresholds that are tried for an analog upper layer are smaller: few rows, few updates each."""

MARGINS = (12.0, 20.0)

CHOICE_TESTS = 2000
"""Least number of validation predictions for each candidate: a small split is used on several devices."""


def choose_thresholds(
    run: RunSpec, data: Dataset, net: OfflineNet, progress: Callable[[int, int], None] | None = None
) -> tuple[int, float]:
    """Threshold and margin of the run's rule with the best mean accuracy on the validation split.

    Whatever the run states is kept; only what is "auto" is chosen.  Each candidate is a whole online epoch on each
    of a few devices, whose seeds no run is likely to use; among equals the one with fewer online pulses wins.
    """
    thresholds = [int(run.threshold)] if run.threshold != AUTO else grid(run.params, run.rule)
    margins = list(MARGINS) if run.margin == AUTO else [float(run.margin)]
    if run.errors == "codes":  # the margin does nothing
        margins = margins[:1]
    candidates = [(t, m) for t in thresholds for m in margins]
    if len(candidates) == 1:
        return candidates[0]
    if run.trained == "last":  # the first layer's threshold does nothing
        candidates = candidates[-len(margins) :]
    return _best(
        run, data, net, candidates, lambda job, c: replace(job, threshold=c[0], margin_127=c[1]), progress
    )


def choose_upper_threshold(
    run: RunSpec, data: Dataset, net: OfflineNet, progress: Callable[[int, int], None] | None = None
) -> int:
    """The same of an analog upper layer's threshold, for a run whose others are chosen."""
    candidates = [max(1, t >> UPPER_FINER) for t in grid(run.params, run.rule)]

    def apply(job: HybridJob, threshold: int) -> HybridJob:
        upper = replace(job.analog_upper, threshold=threshold)  # type: ignore[type-var]  # there is one
        return replace(job, analog_upper=upper)

    return _best(run, data, net, candidates, apply, progress)


def _best(
    run: RunSpec,
    data: Dataset,
    net: OfflineNet,
    candidates: list,
    apply: Callable[[HybridJob, Any], HybridJob],
    progress: Callable[[int, int], None] | None,
) -> Any:
    """The candidate with the best sum of scores on a few devices; `apply` puts one into a job."""
    count = ceil(CHOICE_TESTS / len(data.validation))
    trials = [Trial(run, data, net, MASK32 - k, data.validation) for k in range(count)]
    scores = []
    for k, candidate in enumerate(candidates):
        results = [_score(trial, apply(trial.job, candidate)) for trial in trials]
        scores.append(tuple(sum(column) for column in zip(*results, strict=True)))
        if progress:
            progress(k + 1, len(candidates))
    return candidates[max(range(len(candidates)), key=lambda k: scores[k])]


def _score(trial: Trial, job: HybridJob) -> tuple[int, int]:
    """Right predictions after an epoch of the job, and minus its pulses."""
    outcome = trial.train(trial.transferred(), job)
    pulses = operations(outcome.phases["online"]).pulses
    return round(outcome.accuracy * len(job.test_labels)), -round(pulses)


def grid(params: HwParams, rule: str) -> list[int]:
    """The grid of a rule in the units of this hardware's update memory, as far as that can hold it."""
    narrower = 0
    if rule == "accumulate":  # counts products of an input code and a weight
        narrower = (8 - params.dac_bits) + (8 - params.weight_bits)
    most = largest_threshold(params, rule)
    return [t >> narrower for t in GRID[rule] if t >> narrower <= most] or [most]


def resolve(
    run: RunSpec, data: Dataset, net: OfflineNet, progress: Callable[[int, int], None] | None = None
) -> RunSpec:
    """The run with its threshold and margin chosen."""
    threshold, margin = choose_thresholds(run, data, net, progress)
    return _with_upper(replace(run, threshold=threshold, margin=margin), data, net, progress)


def _with_upper(run: RunSpec, data: Dataset, net: OfflineNet, progress=None) -> RunSpec:
    """The run with the threshold of an analog upper layer, which a control trains where the run does not."""
    if not run.params.analog_upper or run.upper_threshold != AUTO:
        return run
    trains = replace(run, trained="last") if run.trained == "first" else run
    return replace(run, upper_threshold=choose_upper_threshold(trains, data, net, progress))


def mean_and_error(values: np.ndarray) -> tuple[float, float]:
    """Mean and standard error of the mean; the error of a single value is 0."""
    error = values.std(ddof=1) / len(values) ** 0.5 if len(values) > 1 else 0.0
    return float(values.mean()), float(error)
