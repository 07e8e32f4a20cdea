"""Experiments over several seeds: thresholds chosen on the validation split, methods compared on the test split."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from math import ceil
from typing import Any

import numpy as np

from model.data import Dataset
from model.system import GoldenController
from model.system import run as golden
from model.training.baselines import (
    Measurement,
    Method,
    hybrid_with,
    last_layer,
    open_loop,
    program_verify,
    software,
    software_of_kind,
    transferred,
    verify_then_hybrid,
)
from model.training.hybrid import HybridJob, code_step, largest_threshold
from model.training.offline import OfflineNet, train_offline
from model.training.prepare import on_split, prepare
from spec.choices import RULES
from spec.numerics import MASK32
from spec.params import HwParams
from spec.registers import Mode
from spec.run_file import AUTO, OFFLINE_KINDS, RunSpec

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
    margins = MARGINS if run.margin == AUTO else [float(run.margin)]
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
    trials = [_Trial(on_split(prepare(run, data, net, MASK32 - k), data.validation)) for k in range(count)]
    scores = []
    for k, candidate in enumerate(candidates):
        results = [trial.run(apply(trial.job, candidate)) for trial in trials]
        scores.append(tuple(sum(column) for column in zip(*results, strict=True)))
        if progress:
            progress(k + 1, len(candidates))
    return candidates[max(range(len(candidates)), key=lambda k: scores[k])]


def grid(params: HwParams, rule: str) -> list[int]:
    """The grid of a rule in the units of this hardware's update memory, as far as that can hold it."""
    narrower = 0
    if rule == "accumulate":  # counts products of an input code and a weight
        narrower = (8 - params.dac_bits) + (8 - params.weight_bits)
    most = largest_threshold(params, rule)
    return [t >> narrower for t in GRID[rule] if t >> narrower <= most] or [most]


class _Trial:
    """A device after its transfer, on which the online epoch can be repeated."""

    def __init__(self, job: HybridJob):
        self.job = job
        self.ctl = GoldenController(job.params, job.image)
        golden(transferred(self.ctl, job))
        arrays = [self.ctl.array, *([self.ctl.upper.array] if self.ctl.upper else [])]
        self.arrays = [(array, array.conductances(), array.events) for array in arrays]

    def run(self, job: HybridJob) -> tuple[int, int]:
        """Right predictions after the epoch, and minus its pulses; `job`: the trial's with other thresholds."""
        for array, states, events in self.arrays:
            array.load(states)
            array.reset(events)
        golden(self.ctl.clear_memory())
        step = code_step(self.ctl.registers)
        golden(self.ctl.configure(**job.settings(job.upper(step)), **job.upper_settings(step)))
        record = golden(self.ctl.run(Mode.TRAIN, job.train_pixels, job.train_labels))
        pulses = sum(s.pulses_up + s.pulses_down for s in (record.strobes, record.upper) if s is not None)
        predictions = golden(self.ctl.run(Mode.INFER, job.test_pixels, job.test_labels)).predictions
        return int((predictions == job.test_labels).sum()), -pulses


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


@dataclass(frozen=True, eq=False)
class Comparison:
    """Methods on the test split, the same seeds for each."""

    seeds: tuple[int, ...]
    measurements: dict[str, list[Measurement]]
    """By method, one per seed."""
    chosen: dict[str, tuple[int, float]]
    """Threshold and margin by rule."""

    def values(self, method: str, what: str = "accuracy") -> np.ndarray:
        """One field of `Measurement`, float64[seeds]."""
        return np.array([getattr(m, what) for m in self.measurements[method]], np.float64)

    def arrays(self) -> dict[str, np.ndarray]:
        """Accuracy by method, float64[seeds]."""
        return {method: self.values(method) for method in self.measurements}

    def gain(self, method: str, over: str) -> tuple[float, float]:
        """Mean and standard error of the difference in accuracy, seed by seed."""
        return mean_and_error(self.values(method) - self.values(over))


def mean_and_error(values: np.ndarray) -> tuple[float, float]:
    """Mean and standard error of the mean; the error of a single value is 0."""
    error = values.std(ddof=1) / len(values) ** 0.5 if len(values) > 1 else 0.0
    return float(values.mean()), float(error)


METHODS = (
    *(f"software {kind}" for kind in OFFLINE_KINDS),
    "software", "open loop", *(f"hybrid {rule}" for rule in RULES), "last layer", "verify cell", "verify pair",
    "verify pair + hybrid",
)  # fmt: skip
"""What `compare` knows; "software" is the network that the others start from."""


def _method(name: str, chosen: dict[str, tuple[int, float]], rule: str) -> Method:
    kind, _, detail = name.partition(" ")
    if name == "verify pair + hybrid":
        return verify_then_hybrid("pair", rule, *chosen[rule])
    if kind == "hybrid":
        return hybrid_with(detail, *chosen[detail])
    if kind == "verify":
        return program_verify(detail)
    if kind == "software":
        return software_of_kind(detail) if detail else software
    return {"open loop": open_loop, "last layer": last_layer}[name]


def compare(
    run: RunSpec,
    data: Dataset,
    methods: Iterable[str] = ("software", "open loop", "hybrid accumulate", "hybrid counter", "last layer"),
    progress: Callable[[str, int, int], None] | None = None,
) -> Comparison:
    """Measure methods on every seed of the run: each seed has its own network, device and order.

    Thresholds that are "auto" are chosen once per rule, with the first seed's network.  progress: called with a
    text, what is done and the total.  Raises `InputError`; an unknown method is a `KeyError`.
    """
    methods = tuple(methods)
    for name in methods:
        if name not in METHODS:
            raise KeyError(name)
    done, total = 0, len(run.seeds) * (1 + len(methods))

    def step(text: str) -> None:
        nonlocal done
        done += 1
        if progress:
            progress(text, done, total)

    measurements: dict[str, list[Measurement]] = {name: [] for name in methods}
    chosen: dict[str, tuple[int, float]] = {}
    for seed in run.seeds:
        net = train_offline(data, run.params, run.offline, seed)
        step("software network")
        if not chosen:
            chosen = {rule: _chosen(run, rule, data, net) for rule in _rules(methods, run)}
            if run.rule in chosen:
                threshold, margin = chosen[run.rule]
                own = _with_upper(replace(run, threshold=threshold, margin=margin), data, net)
                run = replace(run, upper_threshold=own.upper_threshold)
        for name in methods:
            measurements[name].append(_method(name, chosen, run.rule)(run, data, net, seed))
            step(name)
    return Comparison(run.seeds, measurements, chosen)


def _rules(methods: tuple[str, ...], run: RunSpec) -> list[str]:
    rules = [name.removeprefix("hybrid ") for name in methods if name.startswith("hybrid ")]
    return rules + [run.rule] * ("verify pair + hybrid" in methods and run.rule not in rules)


def _chosen(run: RunSpec, rule: str, data: Dataset, net: OfflineNet) -> tuple[int, float]:
    """The run's own threshold counts for its own rule only: the other rule's is in other units."""
    if rule != run.rule:
        run = replace(run, rule=rule, threshold=AUTO)
    return choose_thresholds(run, data, net)
