"""The methods that a study compares: what each does to an array, and the settings that are chosen for it.

Every method is `(trial, settings) -> Outcome`.  Settings are chosen on the validation split by the same number of
tries, `TRIES` at most, for each method.  A new method is a function here or in `model.study.controls`, and its line
in `METHODS` there.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from model.system import GoldenController
from model.system import run as golden
from model.training.experiments import grid
from model.training.hybrid import largest_threshold
from model.training.offline import OfflineNet
from model.training.prepare import left_out, state_targets
from model.training.trial import Outcome, Start, Trial, open_loop
from model.training.write_costs import load_loops, tune_settings, verify_settings
from spec.choices import CHANCE_RULES, MEMORY_RULES, RULES
from spec.errors import InputError
from spec.registers import Mode
from spec.run_file import ERRORS, RunSpec

Settings = dict[str, Any]
"""Values by name, of one candidate; as JSON has them."""

TRIES = 12
"""Candidates that are tried for a method."""
MARGINS = (4.0, 8.0, 16.0)
"""Larger ones unlearn: 32 was never the best of any device, 8 nearly always."""
GRID_STATES, GRID_SAMPLES = 64, 1_000
"""States of a device and samples of an epoch for which the least thresholds of `model.training.experiments.GRID` are."""
OCTAVES = {"counter": 2}
"""Least range of the thresholds that are tried, by rule."""
MOST_OCTAVES = 3
"""Of the rules that are not in `OCTAVES`."""
ITERATIONS = range(1, 11)
"""Pulses for one tuned update at most."""
TOLERANCES = (0.01, 0.02, 0.05, 0.1)
"""Of program-verify, as a share of the nominal range."""
AVERAGES = (1, 2, 4)
"""Readings of which one decision of program-verify takes the mean."""


def same(run: RunSpec) -> RunSpec:
    """The run's own hardware."""
    return run


def no_choice(run: RunSpec, samples: int) -> list[Settings]:
    """Of a method without settings."""
    return [{}]


def no_check(run: RunSpec) -> None:
    """Of a method that any run can have."""


Transfer = Callable[[GoldenController, np.ndarray], dict[str, int]]
"""Writes pulse counts, int[rows, columns], to the erased array; returns what is counted beside the controller's counters."""
Candidates = Callable[[RunSpec, int], list[Settings]]
"""Of a run on its hardware and the number of its online samples: what is tried."""


@dataclass(frozen=True)
class Method:
    """One line of the table."""

    name: str
    about: str
    measure: Callable[[Trial, Settings], Outcome]
    candidates: Candidates = no_choice
    hardware: Callable[[RunSpec], RunSpec] = same
    """The run with the hardware that the method needs."""
    network: Callable[[RunSpec, int], OfflineNet] | None = None
    """Run and seed of the array -> the network that the method begins with, where it is not the offline one."""
    offline: str = ""
    """Kind of the offline network, where it is not the run's."""
    settings_of: str = ""
    """Another method whose chosen settings are taken; the own ones come on top."""
    bits: Callable[[RunSpec], int] = lambda run: 0
    """Bits of update memory per weight."""
    model_only: bool = False
    """The hardware cannot do it."""
    deep: bool = True
    """It takes networks with further hidden layers (`offline.hidden`)."""
    extra: str = ""
    """A package that it needs beside the project's own; it counts no operations."""
    needs: Callable[[RunSpec], None] = no_check
    """Raises `InputError` for a run that it cannot have, its network aside."""

    def check(self, run: RunSpec) -> None:
        """Raise `InputError` for a run that the method does not take."""
        if run.offline.hidden and not self.deep:
            upper = f"a float upper layer by {self.extra}" if self.extra else "an analog upper layer"
            text = f"{self.name!r} has {upper}, right above the array, and no further hidden layers"
            raise InputError(f"{text}: take offline.hidden = []", key="method")
        if run.errors != ERRORS[0]:
            text = f"a method says itself what its epoch follows: take {ERRORS[0]!r}, and method 'hybrid teacher'"
            raise InputError(text, key="errors")
        self.needs(run)

    @property
    def remark(self) -> str:
        """What a list says of it beside `about`."""
        remarks = ["model only"] * self.model_only + [f"needs {self.extra}"] * bool(self.extra)
        return ", ".join(remarks)


def thresholds(run: RunSpec, rule: str, count: int, samples: int) -> list[int]:
    """At most `count` thresholds, a constant ratio apart, from a least one to the largest that the rule can act on.

    The least is in proportion to the device's mean step and to the root of the number of samples: a small threshold
    on a coarse device gives millions of pulses and unlearns what was transferred.  It is at least three octaves (of the
    counter, two) below the largest.
    """
    every, most = grid(run.params, rule), largest_threshold(run.params, rule)
    if rule in CHANCE_RULES:  # one that acts, but hardly ever, is no candidate
        most = min(most, every[-1])
    scaled = every[0] * GRID_STATES / run.device.states_up * (samples / GRID_SAMPLES) ** 0.5
    spaced = np.geomspace(max(1.0, min(scaled, most / 2 ** OCTAVES.get(rule, MOST_OCTAVES))), most, count)
    if rule in CHANCE_RULES:  # one in so many, a power of two
        spaced = 2.0 ** np.round(np.log2(spaced))
    return sorted({round(threshold) for threshold in spaced})


def online(rule: str) -> Candidates:
    """Thresholds and margins of an update rule."""

    def candidates(run: RunSpec, samples: int) -> list[Settings]:
        picked = thresholds(run, rule, TRIES // len(MARGINS), samples)
        return [{"threshold": t, "margin": m} for t in picked for m in MARGINS]

    return candidates


def loops(run: RunSpec, samples: int) -> list[Settings]:
    """Tolerances and readings of program-verify."""
    return [{"tolerance": t, "averages": n} for t in TOLERANCES for n in AVERAGES]


def nothing(ctl: GoldenController, counts: np.ndarray) -> dict[str, int]:
    """The array stays erased."""
    return {}


def transferred(trial: Trial, settings: Settings) -> Outcome:
    """Transfer and ranges, no more."""
    return untrained(trial, trial.transferred())


def untrained(trial: Trial, start: Start) -> Outcome:
    """The array as it was written."""
    return Outcome(trial.accuracy(), start.phases, int(start.pulses.max()))


def hybrid(rule: str) -> Callable[[Trial, Settings], Outcome]:
    """Open-loop transfer, one online epoch of open-loop pulses."""

    def measure(trial: Trial, settings: Settings) -> Outcome:
        job = trial.job_with(rule, settings["threshold"], settings["margin"])
        return trial.train(trial.transferred(), job)

    return measure


def tuned(trial: Trial, settings: Settings) -> Outcome:
    """The same epoch, each of its updates verified: the protocol that hybrid training does without.

    Settings may have a cap: `iterations`, pulses on a pair for one update, with a reading after each.
    """
    start = trial.transferred()
    loop, step = tune_settings(trial.run)
    cap = int(settings.get("iterations", loop.pulse_cap))
    golden(load_loops(trial.ctl, loop._replace(pulse_cap=cap)))
    golden(trial.ctl.configure(TUNE_UP=step, TUNE_DOWN=step))
    job = trial.job_with("accumulate", settings["threshold"], settings["margin"])
    return trial.train(start, job, Mode.TUNE)


def iterations(run: RunSpec, samples: int) -> list[Settings]:
    """Caps of tuned updates."""
    return [{"iterations": k} for k in ITERATIONS]


def verify(way: str, first: Transfer = nothing) -> Callable[[Trial, Settings], Outcome]:
    """Program-verify transfer, no online epoch; first: what is done to the erased array before."""

    def measure(trial: Trial, settings: Settings) -> Outcome:
        return untrained(trial, verified(trial, way, settings, first))

    return measure


def verified(trial: Trial, way: str, settings: Settings, first: Transfer = nothing) -> Start:
    """After a program-verify transfer, per cell or per pair, of all weights or of those that a sparse one writes."""
    tolerance, averages = settings["tolerance"], settings["averages"]

    def write(ctl: GoldenController) -> dict[str, int]:
        counted = first(ctl, written_counts(trial, settings))
        loop = verify_settings(trial.run, tolerance)._replace(averages=averages)
        golden(load_loops(ctl, loop))
        golden(ctl.verify(state_targets(trial.run, trial.net, unwritten(trial, settings)), way))
        return counted

    key = first.__name__, "verify", way, tolerance, averages, *sparsity(settings)
    return trial.start(key, write)


def sparsity(settings: Settings) -> tuple[float, float]:
    """`skip` and `quiet` of a sparse transfer, 0 of a full one."""
    return settings.get("skip", 0.0), settings.get("quiet", 0.0)


def unwritten(trial: Trial, settings: Settings) -> np.ndarray:
    """Weights that stay erased pairs, bool[rows, columns]."""
    return left_out(trial.run, trial.net, trial.job.train_pixels, *sparsity(settings))


def written_counts(trial: Trial, settings: Settings) -> np.ndarray:
    """Pulses of the open-loop transfer, int32[rows, columns], 0 where a sparse one gives none."""
    return np.where(unwritten(trial, settings), 0, trial.job.counts)


def verify_hybrid(trial: Trial, settings: Settings) -> Outcome:
    """Program-verify transfer of pairs, then the online epoch."""
    start = verified(trial, "pair", settings)
    job = trial.job_with("accumulate", settings["threshold"], settings["margin"])
    return trial.train(start, job)


def built_in(rule: str) -> Callable[[RunSpec], RunSpec]:
    """Hardware that has this rule."""

    def hardware(run: RunSpec) -> RunSpec:
        rules = tuple(dict.fromkeys([*run.params.rules, rule]))
        return replace(run, params=replace(run.params, rules=rules))

    return hardware


def calibrated(run: RunSpec) -> RunSpec:
    """Hardware that corrects offset and gain of its converters, from unlabelled reads."""
    return replace(run, params=replace(run.params, calibration=1))


def analog(trained: str):
    """Hardware whose upper layer is a second array, of which these layers are trained."""

    def hardware(run: RunSpec) -> RunSpec:
        params = replace(run.params, upper_layer="analog")
        return replace(run, params=params, trained=trained, backward="copy")

    return hardware


def memory_bits(rule: str) -> Callable[[RunSpec], int]:
    """Width of the update memory that a rule needs."""
    return lambda run: getattr(
        run.params, {"accumulate": "accumulator_bits", "counter": "counter_bits"}[rule]
    )


_ABOUT = {
    "accumulate": "products of input and error, summed",
    "counter": "large ones counted",
    "manhattan": "their signs, thinned; no memory",
    "stochastic": "coincidences by chance; no memory",
}

HARDWARE = (
    Method("open loop", "pulses by the nominal curve, nothing read back", transferred),
    Method("calibration", "the same, columns corrected from unlabelled reads", transferred, hardware=calibrated),
    *(
        Method(
            f"hybrid {rule}", f"one online epoch: {_ABOUT[rule]}", hybrid(rule), online(rule),
            hardware=built_in(rule), bits=memory_bits(rule) if rule in MEMORY_RULES else lambda run: 0,
        )
        for rule in RULES
    ),
    Method(
        "tuned online", "the epoch of hybrid accumulate, each update verified", tuned,
        settings_of="hybrid accumulate", bits=memory_bits("accumulate"),
    ),
    Method(
        "tuned online capped", f"the same, at most {ITERATIONS[0]} to {ITERATIONS[-1]} pulses on a pair for each update",
        tuned, iterations, settings_of="hybrid accumulate", bits=memory_bits("accumulate"),
    ),
    Method("verify cell", "program-verify of each cell", verify("cell"), loops),
    Method("verify pair", "program-verify of each pair's difference", verify("pair"), loops),
    Method("open loop + verify pair", "the same after the open-loop transfer", verify("pair", open_loop), loops),
    Method(
        "verify pair + hybrid", "the online epoch after it", verify_hybrid, online("accumulate"),
        settings_of="verify pair", bits=memory_bits("accumulate"),
    ),
)  # fmt: skip
"""Methods that the controller itself runs, with a digital upper layer."""
