"""Measurements of devices that are known: the project's own array, read with noise, holes and outliers."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from model.device.compile import compile_with_report
from model.device.fit.data import DOWN, UP, Response, Sweep
from model.device.response import pulse_response
from spec.device_file import DeviceSpec, NonIdealities
from spec.params import INSTANCES

CLEAN = NonIdealities.ideal()
SPREAD = replace(NonIdealities(), step_sigma=0.2, range_sigma=0.05, low_sigma=0.05, stuck=0.0)


def measure(
    spec: DeviceSpec,
    nonideal: NonIdealities = CLEAN,
    *,
    cells: int = 8,
    read: float = 0.0,
    reads: int = 1,
    missing: float = 0.0,
    outliers: float = 0.0,
    ways: tuple[int, ...] = (UP, DOWN),
    seed: int = 1,
) -> Response:
    """Up over the range and down again, once for each cell; `missing` and `outliers` are shares of the points."""
    params = INSTANCES["DIGITS"]
    image, report = compile_with_report(spec, nonideal, params.state_bits, seed, 0.1)
    states = pulse_response(params, image, spec.states_up, spec.states_down)[:, :cells] * report.uS_per_code
    rng = np.random.default_rng(seed)
    sweeps = []
    for cell in range(cells):
        for way in ways:
            part = slice(spec.states_up, None) if way == DOWN else slice(0, spec.states_up + 1)
            g = np.repeat(states[part, cell], reads)
            n = np.repeat(np.arange(len(g) // reads), reads)
            g = g * (1 + read * rng.standard_normal(len(g)))
            g = np.where(rng.random(len(g)) < outliers, rng.uniform(0, 1.2 * spec.g_max_uS, len(g)), g)
            keep = rng.random(len(g)) >= missing
            sweeps.append(Sweep(str(cell), way, n[keep], g[keep]))
    return Response(tuple(sweeps))


def save(path: Path, response: Response) -> Path:
    """As a table that `crosstrain fit` reads."""
    lines = ["cell,polarity,pulse,conductance_uS"]
    for sweep in response.sweeps:
        sign = "-" if sweep.polarity == DOWN else "+"
        lines += [f"{sweep.cell},{sign},{n},{g:.6g}" for n, g in zip(sweep.pulses, sweep.g, strict=True)]
    path.write_text("\n".join(lines) + "\n")
    return path
