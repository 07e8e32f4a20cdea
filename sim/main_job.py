"""The main job: the hybrid method on one data set, from the offline network to the RTL, and what it is compared with.

Order: offline networks, thresholds on the validation split, the method and its baselines on the golden model for
every seed, then the first seed's job on the RTL.  Nothing here computes an update: it only says what runs when.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import cast

import numpy as np

from model.controller.teacher_delta import Teacher
from model.cost import Operations
from model.cost import operations as operations_of
from model.data import Dataset, load_data
from model.device.compile import CompileReport, compile_with_report, read_power
from model.device.laws import nominal_curve
from model.device.response import pulse_response
from model.record import RunRecord, Tally
from model.study.controls import METHODS as STUDIED
from model.study.methods import hybrid as hybrid_with
from model.study.points import best_settings
from model.system import GoldenController, Watch
from model.system import run as golden
from model.training.experiments import resolve
from model.training.hybrid import HybridJob, HybridResult, Progress, hybrid
from model.training.kept import kept_net
from model.training.offline import OfflineNet, net_of
from model.training.prepare import check_fit, prepare
from model.training.transfer import weight_limit
from model.training.trial import Outcome, Trial
from model.training.write_costs import VERIFY_TOLERANCE
from sim.cosim import CosimResult, run_cosim
from sim.stimulus import ENOUGH_PULSES
from spec.device_file import NonIdealities
from spec.registers import Mode
from spec.run_file import RunSpec, refuse_without_model

WHOLE_EPOCH = 2_000
"""Online samples up to which the RTL runs the whole epoch; beyond, a window from its start."""
WINDOW_TESTS = 100
"""Test samples of a window, before and after."""

METHODS = ("software", "open_loop", "hybrid", "last_layer", "program_verify")
"""What is compared, as result.json names it."""

VERIFY = {"tolerance": VERIFY_TOLERANCE, "averages": 1}
"""Program-verify tunes the difference of a pair, the stronger of its two ways."""


@dataclass(frozen=True, eq=False)
class Marks:
    """What a golden controller had done when each chunk of the online epoch ended, and when all was committed."""

    samples: np.ndarray
    """int64[n + 1], the last one twice."""
    pulses: np.ndarray
    """On all G+ and on all G-, int64[n + 1, 2]."""


class WatchedController(GoldenController):
    """A golden controller that remembers what the report shows of the online epoch, in place of its strobes.

    Those of MNIST would be most of what the job has in memory.
    """

    before: np.ndarray
    """States when the epoch began, uint16[rows, columns, 2]."""
    given: np.ndarray
    """Pulses of the epoch on each cell, uint32[rows, columns, 2]."""
    marks: Marks
    online_seconds: float

    async def run(
        self,
        mode: Mode,
        pixels: np.ndarray,
        labels: np.ndarray,
        *,
        trace: bool = False,
        watch: Watch | None = None,
        tally: bool = False,
        teacher: Teacher | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> RunRecord:
        if mode is not Mode.TRAIN:
            return await super().run(
                mode, pixels, labels, trace=trace, watch=watch, tally=tally, progress=progress
            )
        self.before = await self.conductances()
        first, done, samples, given = self.array.pulses(), 0, [], []

        def note() -> None:
            tally = cast(Tally, self.tally)
            samples.append(done)
            given.append((tally.pulses_up, tally.pulses_down))

        def mark(count: int) -> None:
            nonlocal done
            done += count
            note()
            if progress:
                progress(count)

        started = time.perf_counter()
        record = await super().run(
            mode, pixels, labels, trace=trace, watch=watch, tally=True, teacher=teacher, progress=mark
        )
        self.online_seconds = time.perf_counter() - started
        note()
        self.given = self.array.pulses() - first
        self.marks = Marks(np.array(samples), np.array(given))
        return record


@dataclass(frozen=True)
class MainSettings:
    """What the main job is asked for beside its run."""

    simulator: str = "verilator"
    rtl: bool = True


@dataclass(frozen=True, eq=False)
class FirstSeed:
    """The golden model's run of the first seed, the one that the RTL repeats."""

    job: HybridJob
    result: HybridResult
    before: np.ndarray
    given: np.ndarray
    marks: Marks
    """As of `WatchedController`."""
    samples_per_s: float
    compiled: CompileReport
    """What became of the device on its way to integers."""


@dataclass(eq=False)
class MainResult:
    """All of the main job."""

    run: RunSpec
    """With the thresholds that were chosen."""
    data: Dataset
    accuracies: dict[str, list[float]]
    """Test accuracy by method, one per seed."""
    first: FirstSeed
    program_verify: Operations
    """Of the first seed."""
    simulator: str | None = None
    rtl_job: HybridJob | None = None
    rtl: CosimResult | None = None


def main_job(run: RunSpec, settings: MainSettings, progress: Progress) -> MainResult:
    """Run everything.  Raises `InputError` before any work when the data do not fit, `SimulationError` from the RTL."""
    if settings.rtl:
        refuse_without_model(run, "the RTL")
    data = load_data(run.data)
    check(run, data)
    nets = _offline(run, data, progress)
    run = resolve(run, data, nets[0], lambda done, total: progress("thresholds", done, total))
    first, accuracies = _golden_seeds(run, data, nets, progress)
    operations = _baselines(run, data, nets, accuracies, progress)
    result = MainResult(run, data, accuracies, first, operations)
    if settings.rtl:
        _rtl(result, settings, progress)
    return result


def check(run: RunSpec, data: Dataset) -> None:
    """Raise `InputError` for whatever would stop the job later: prepares it with a network of random weights."""
    check_fit(data, run.params)
    rng = np.random.default_rng(0)
    layers = [rng.standard_normal(shape).astype(np.float32) for shape in run.offline.shapes(run.params)]
    prepare(run, data, net_of(layers), run.seeds[0])


def _offline(run: RunSpec, data: Dataset, progress: Progress) -> list[OfflineNet]:
    """One network per seed."""
    epochs = run.offline.epochs
    nets: list[OfflineNet] = []
    for k, seed in enumerate(run.seeds):

        def step(done: int, _: int, before: int = k * epochs) -> None:
            progress("offline training", before + done, len(run.seeds) * epochs)

        nets.append(kept_net(data, run.params, run.offline, seed, step))
    return nets


def _golden_seeds(
    run: RunSpec, data: Dataset, nets: list[OfflineNet], progress: Progress
) -> tuple[FirstSeed, dict[str, list[float]]]:
    """The method on every seed: what to keep of the first, and the accuracies of all."""
    accuracies: dict[str, list[float]] = {name: [] for name in METHODS}
    kept: list[FirstSeed] = []
    for k, (seed, net) in enumerate(zip(run.seeds, nets, strict=True)):
        job = prepare(run, data, net, seed)
        controller = WatchedController(job.params, job.image)
        result = golden(hybrid(controller, job))
        accuracies["software"].append(net.test_accuracy)
        accuracies["open_loop"].append(result.open_loop_accuracy)
        accuracies["hybrid"].append(result.hybrid_accuracy)
        if not kept:
            speed = len(job.train_labels) / controller.online_seconds
            compiled = compile_report(run, net, seed)
            watched = controller.before, controller.given, controller.marks
            kept.append(FirstSeed(job, result, *watched, speed, compiled))
        progress("golden seeds", k + 1, len(run.seeds))
    return kept[0], accuracies


def compile_report(run: RunSpec, net: OfflineNet, seed: int) -> CompileReport:
    """What became of the device on its way to integers, as in `prepare`."""
    power = read_power(run.device, net.hidden, weight_limit(net.hidden, run.clip))
    bits = run.params.state_bits, run.params.read_bits
    return compile_with_report(run.device, run.nonideal, bits[0], seed, power, bits[1])[1]


def _baselines(
    run: RunSpec,
    data: Dataset,
    nets: list[OfflineNet],
    accuracies: dict[str, list[float]],
    progress: Progress,
) -> Operations:
    """Adds the baselines' accuracies; returns what program-verify did on the first seed."""
    operations = []
    last = _last_layer(run, data, nets[0])
    for k, (seed, net) in enumerate(zip(run.seeds, nets, strict=True)):
        accuracies["last_layer"].append(last(seed, net).accuracy)
        verified = STUDIED["verify pair"].measure(Trial(run, data, net, seed), VERIFY)
        accuracies["program_verify"].append(verified.accuracy)
        operations.append(operations_of(verified.phases["transfer"]))
        progress("baselines", k + 1, len(run.seeds))
    return operations[0]


def _last_layer(run: RunSpec, data: Dataset, net: OfflineNet) -> Callable[[int, OfflineNet], Outcome]:
    """How a seed is measured with only the last layer trained: in software, or by the hardware where it is analog.

    The learning rate is that of the first seed.
    """
    if run.params.analog_upper:
        only = replace(run, trained="last", backward="copy", errors="labels")
        chosen = {"threshold": run.threshold, "margin": run.margin}
        return lambda seed, net: hybrid_with(run.rule)(Trial(only, data, net, seed), chosen)
    method = STUDIED["last layer"]
    rate = best_settings(method, Trial(run, data, net, run.seeds[0]))
    return lambda seed, net: method.measure(Trial(run, data, net, seed), rate)


def rtl_window(first: FirstSeed) -> HybridJob:
    """The job that the RTL runs: the whole epoch, or for a long one its first samples.

    A window ends where `ENOUGH_PULSES` have been applied in each direction, and keeps the epoch's registers, so that
    it is the beginning of the golden run to the bit; fewer test samples are read.
    """
    job, marks = first.job, first.marks
    if len(job.train_labels) <= WHOLE_EPOCH:
        return job
    enough = (marks.pulses >= ENOUGH_PULSES).all(axis=1)
    samples = int(marks.samples[enough.argmax() if enough.any() else -1])
    whole = {name: first.result.registers[name] for name in ("DOUBLE_FIRST", "DOUBLE_SECOND")}
    return replace(
        job,
        train_pixels=job.train_pixels[:samples],
        train_labels=job.train_labels[:samples],
        test_pixels=job.test_pixels[:WINDOW_TESTS],
        test_labels=job.test_labels[:WINDOW_TESTS],
        registers=whole | dict(job.registers),
    )


def _rtl(result: MainResult, settings: MainSettings, progress: Progress) -> None:
    """Run the first seed on the RTL; every operation is compared with the golden model on the way."""
    result.rtl_job = rtl_window(result.first)
    result.simulator = settings.simulator

    def step(phase: str, done: int, total: int) -> None:
        progress(f"RTL {phase}", done, total)

    result.rtl = run_cosim(result.rtl_job, settings.simulator, progress=step)


def response_curves(result: MainResult) -> dict[str, np.ndarray]:
    """Pulse responses in uS: nominal (float), devices with pulse-to-pulse spread only, devices of this array."""
    run, params = result.run, result.run.params
    up, down = run.device.states_up, run.device.states_down
    quiet, compiled = compile_with_report(
        run.device, NonIdealities.ideal(), params.state_bits, run.seeds[0], 0.0, params.read_bits
    )
    g_max, share = run.device.g_max_uS, run.device.g_min_share

    def absolute(x: np.ndarray) -> np.ndarray:
        return g_max * (share + (1 - share) * x)

    return {
        "nominal_up": absolute(nominal_curve(run.device, 0)),
        "nominal_down": absolute(nominal_curve(run.device, 1)),
        "noise": pulse_response(params, quiet, up, down) * compiled.uS_per_code,
        "cells": pulse_response(params, result.first.job.image, up, down) * result.first.compiled.uS_per_code,
    }
