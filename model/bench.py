"""How fast the golden model is, beside a plain numpy loop measured in the same run on the same machine."""

import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context

import numpy as np

from model.data import Dataset, Split
from model.system import GoldenController, run
from model.training.hybrid import HybridJob, HybridResult, hybrid
from model.training.offline import train_offline
from model.training.prepare import prepare
from spec.params import HwParams
from spec.registers import Mode
from spec.run_file import OfflineSettings, default_run

NONZERO_SHARE = 0.19
"""Share of the inputs that are not zero, as in MNIST."""
_TEST_SAMPLES = 50


@dataclass(frozen=True)
class Speed:
    """Online samples per second on the same samples."""

    params: str
    golden: float
    numpy: float
    first_s: float
    """Seconds of the first call, in which the kernels are compiled or taken from numba's cache."""

    @property
    def ratio(self) -> float:
        return self.golden / self.numpy


def bench_job(params: HwParams, samples: int, seed: int = 0) -> HybridJob:
    """A job on synthetic data of the hardware's size: noisy copies of one random image per class."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (params.classes, params.inputs)) * (
        rng.random((params.classes, params.inputs)) < NONZERO_SHARE
    )

    def draw(count: int) -> Split:
        labels = rng.integers(0, params.classes, count)
        noisy = images[labels] * rng.uniform(0.3, 1.0, (count, params.inputs))
        return Split(noisy.astype(np.uint8), labels)

    data = Dataset("synthetic", draw(samples), draw(_TEST_SAMPLES), draw(_TEST_SAMPLES), {})
    net = train_offline(data, params, OfflineSettings(epochs=1), seed)
    run_spec = replace(default_run("digits"), params=params, rule=params.rules[0])
    return prepare(run_spec, data, net, seed)


def speed(params: HwParams, samples: int) -> Speed:
    """Golden model and numpy loop on one online epoch of `samples`."""
    job = bench_job(params, samples)
    golden, first, trained = golden_speed(job)
    weights = np.subtract(*np.asarray(trained.conductances, np.float64).transpose(2, 0, 1))
    started = time.perf_counter()
    numpy_epoch(job, weights, trained.upper_weights.astype(np.float64), trained.registers)
    return Speed(params.name, golden, samples / (time.perf_counter() - started), first)


def golden_speed(job: HybridJob) -> tuple[float, float, HybridResult]:
    """Online samples/s of the golden model, seconds of the first call, and the run up to there.

    The first call compiles the kernels, and leaves an array that was trained on one sample.
    """
    short = replace(job, train_pixels=job.train_pixels[:1], train_labels=job.train_labels[:1])
    started = time.perf_counter()
    controller = GoldenController(job.params, job.image)
    trained = run(hybrid(controller, short))
    first = time.perf_counter() - started
    started = time.perf_counter()
    run(controller.run(Mode.TRAIN, job.train_pixels, job.train_labels))
    return len(job.train_labels) / (time.perf_counter() - started), first, trained


@dataclass(frozen=True)
class Scaling:
    """One process, and as many as there are cores, each with a run of its own."""

    processes: int
    alone: float
    """Online samples/s of one process, the others idle."""
    together: float
    """Of all of them at once."""

    @property
    def ratio(self) -> float:
        return self.together / self.alone


def scaling(params: HwParams, samples: int, processes: int) -> Scaling:
    """Golden runs side by side, as in a study: how much faster several processes are than one."""
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        list(pool.map(_one_of_several, [(params, 1, 0.0)] * processes))  # start them, load the kernels
        # one after the other, each alone on the machine
        alone = np.mean(
            [pool.submit(_one_of_several, (params, samples, 0.0)).result() for _ in range(processes)]
        )
        together = sum(pool.map(_one_of_several, [(params, samples, time.time() + _TOGETHER_S)] * processes))
    return Scaling(processes, float(alone), float(together))


_TOGETHER_S = 8.0
"""After so many seconds all have their job and begin."""


def _one_of_several(task: tuple[HwParams, int, float]) -> float:
    """Online samples/s; the epoch begins at the time that the task says."""
    params, samples, begin = task
    job = bench_job(params, samples)
    short = replace(job, train_pixels=job.train_pixels[:1], train_labels=job.train_labels[:1])
    controller = GoldenController(job.params, job.image)
    run(hybrid(controller, short))
    time.sleep(max(0.0, begin - time.time()))
    started = time.perf_counter()
    run(controller.run(Mode.TRAIN, job.train_pixels, job.train_labels))
    return len(job.train_labels) / (time.perf_counter() - started)


def numpy_epoch(job: HybridJob, weights: np.ndarray, upper: np.ndarray, registers: dict[str, int]) -> int:
    """The online epoch as one would write it in numpy: floats, one sample after the other, ideal devices.

    weights: float[rows, columns], changed in place; upper: float[columns + 1, classes].  Returns the pulses given.
    """
    q, rng = job.params.adc_limit, np.random.default_rng(0)
    full_scale = registers["LSB"] << (job.params.state_bits - job.params.read_bits)
    memory, pulses, step = np.zeros_like(weights), 0, weights.max() / 40
    for pixels, label in zip(job.train_pixels, job.train_labels, strict=True):
        x = np.append(pixels, job.params.dac_full_scale).astype(np.float64)
        noise = rng.standard_normal(weights.shape[1]) * np.sqrt(x @ x)
        hidden = np.clip((x @ weights + noise) / full_scale, 0, q)
        logits = (np.append(hidden, q) @ upper) / (1 << registers["LOGIT_SHIFT"])
        others = np.where(np.arange(len(logits)) == label, -np.inf, logits)
        rival = int(others.argmax())
        if logits[label] - logits[rival] >= registers["MARGIN"]:
            continue
        delta = (upper[:-1, label] - upper[:-1, rival]) * ((hidden > 0) & (hidden < q))
        memory += np.outer(x, delta)
        sign = np.trunc(memory / registers["THRESHOLD"])
        memory -= sign * registers["THRESHOLD"]
        weights += sign * step
        pulses += int(np.abs(sign).sum())
    return pulses
