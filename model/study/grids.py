"""What it costs to split a layer over a grid of macros: partial sums are rounded one by one, then added."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from model.data import Dataset
from model.system import GoldenController
from model.system import run as golden
from model.training.experiments import resolve
from model.training.hybrid import hybrid
from model.training.offline import OfflineNet, train_offline
from model.training.prepare import prepare
from model.training.transfer import input_codes
from model.training.trial import Trial
from spec.device_file import NonIdealities
from spec.params import HwParams
from spec.registers import Mode
from spec.run_file import RunSpec


@dataclass(frozen=True, eq=False)
class GridCost:
    """One hardware on every seed of a run, float64[seeds] each."""

    software: np.ndarray
    open_loop: np.ndarray
    hybrid: np.ndarray
    code_error: np.ndarray
    """Root mean square of hidden code minus exact hidden value, in codes, on cells without spread and noise."""


def compare_grids(
    run: RunSpec,
    data: Dataset,
    hardware: Mapping[str, HwParams],
    progress: Callable[[str, int, int], None] | None = None,
) -> dict[str, GridCost]:
    """The same run on each hardware, by its name: same networks and orders; each macro is a device of its own.

    Thresholds that are "auto" are chosen once, with the first seed on the first hardware.  Raises `InputError`.
    """
    found: dict[str, list[tuple[float, ...]]] = {name: [] for name in hardware}
    first = next(iter(hardware.values()))
    for k, seed in enumerate(run.seeds):
        net = train_offline(data, first, run.offline, seed)
        if k == 0:
            run = resolve(replace(run, params=first), data, net)
        for name, params in hardware.items():
            on = replace(run, params=params)
            job = prepare(on, data, net, seed)
            result = golden(hybrid(GoldenController(params, job.image), job, read_out=False))
            accuracies = net.test_accuracy, result.open_loop_accuracy, result.hybrid_accuracy
            found[name].append((*accuracies, code_error(on, data, net, seed)))
        if progress:
            progress("seeds", k + 1, len(run.seeds))
    return {name: GridCost(*np.array(rows, np.float64).T) for name, rows in found.items()}


def code_error(run: RunSpec, data: Dataset, net: OfflineNet, seed: int) -> float:
    """Root mean square error of the hidden codes of the calibration samples, in codes, on ideal cells."""
    trial = Trial(replace(run, nonideal=NonIdealities.ideal()), data, net, seed)
    trial.transferred()
    job, ctl = trial.job, trial.ctl
    labels = np.zeros(len(job.calibration), np.int64)
    codes = golden(ctl.run(Mode.INFER, job.calibration, labels, trace=True)).trace["hidden"]
    rows = input_codes(job.calibration, job.params.dac_bits)
    sums = np.array([ctl.array.integrate(row).sum(axis=0) for row in rows])
    exact = np.clip(sums / ctl.registers["LSB"], 0, job.params.adc_limit)
    return float(np.sqrt(np.mean((np.array(codes) - exact) ** 2)))
