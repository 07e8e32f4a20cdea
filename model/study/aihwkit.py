"""Methods of IBM's aihwkit, trained by aihwkit itself: pulsed SGD, Tiki-Taka, and its presets.  Optional: scripts/aihwkit.sh.

Only the first layer is on its tile, one cell less a reference for each weight; the upper layer is the offline network's, in
floats, and is not trained.  Same network, data, order of samples, input codes, converter width and read noise as elsewhere in
a study, and the device as `model.study.aihwkit_device` says it; a preset has its own device and periphery instead.  The
weights are written by `set_weights`: exactly, within what each cell can reach, which an open-loop transfer is not.  Then one
epoch of stochastic gradient descent on the cross-entropy, batch 1, every sample.  aihwkit draws its pulses anew each time: a
seed fixes devices and order, not the result; and counts no pulses on a CPU, so that a cost is a dash.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from model.data import Split
from model.study.aihwkit_device import peer_device, read_noise
from model.study.methods import TRIES, Candidates, Method, Settings, no_choice
from model.training.offline import softmax_error, with_bias
from model.training.range_search import CLIPPED_PER_MILLE
from model.training.transfer import input_codes, weight_limit
from model.training.trial import Outcome, Trial
from spec.errors import InputError
from spec.params import HwParams
from spec.run_file import RunSpec

EXTRA = "aihwkit"
PREFIX = "aihwkit:"
"""Before a preset's name in that of a method."""
RATES = tuple(float(f"{rate:.2g}") for rate in np.geomspace(3e-5, 0.1, TRIES))
"""Learning rates, of weights as the offline network has them."""
_TEST_BATCH = 500


class Peer(NamedTuple):
    """A configuration of a tile, and the weight there that stands for the largest of the offline network's."""

    config: Any
    reach: float


Build = Callable[[Trial], Peer]


def modules() -> tuple[Any, Any]:
    """torch and aihwkit.  Raises `InputError` with what to do where they are not there."""
    try:
        import aihwkit.simulator.configs
        import aihwkit.simulator.presets
        import torch
    except ImportError as error:
        text = f"the methods of aihwkit need it and torch ({error}): scripts/aihwkit.sh installs them"
        raise InputError(text, key="method") from None
    return torch, aihwkit


def check(run: RunSpec) -> None:
    """Raise `InputError` where the run's device or hardware, or aihwkit itself, is not to be had."""
    modules()
    peer_device(run.device, run.nonideal)
    if run.params.grid_rows * run.params.grid_columns > 1:
        raise InputError("aihwkit's tile is one array, not a grid of macros", key="macro_rows")


def _seed(trial: Trial, cell: int) -> int:
    """Of the cell-th device of a unit: aihwkit takes 31 bits, and draws one itself for 0."""
    return 1 + int(np.random.SeedSequence((trial.seed, cell)).generate_state(1)[0]) % (2**31 - 1)


def _mapped(trial: Trial, name: str = "") -> tuple[Any, float]:
    """A maker of the run's device in aihwkit, and its reach."""
    run = trial.run
    check(run)
    _, aihwkit = modules()
    peer = peer_device(run.device, run.nonideal)
    make = getattr(aihwkit.simulator.configs.devices, peer.name)

    def device(cell: int, **fields):
        """The cell-th device of a unit; each unit of one array is drawn by itself."""
        return make(**peer.fields, **fields, construction_seed=_seed(trial, cell))

    return device, peer.reach


def _forward(trial: Trial, reach: float):
    """The run's converters and read noise; inputs come as codes, outputs are not bounded yet."""
    from aihwkit.simulator.parameters import (
        BoundManagementType,
        IOParameters,
        NoiseManagementType,
        WeightNoiseType,
    )

    run, net = trial.run, trial.net
    limit = weight_limit(net.hidden, run.clip)
    return IOParameters(
        inp_bound=1.0, inp_res=-1, inp_noise=0.0, out_noise=0.0, out_bound=-1.0, out_res=-1,
        noise_management=NoiseManagementType.NONE, bound_management=BoundManagementType.NONE,
        w_noise=read_noise(run.device, run.nonideal, net.hidden, limit, reach),
        w_noise_type=WeightNoiseType.ADDITIVE_CONSTANT,
    )  # fmt: skip


def single(trial: Trial) -> Peer:
    """One device for each weight, updated by pulses in place, with the pulse trains of aihwkit's presets."""
    _, aihwkit = modules()
    device, reach = _mapped(trial)
    presets = aihwkit.simulator.presets
    config = aihwkit.simulator.configs.SingleRPUConfig(
        device=device(0), forward=_forward(trial, reach), update=presets.PresetUpdateParameters()
    )
    return Peer(config, reach)


def tiki_taka(preset: str) -> Build:
    """The run's device in the place of that of a preset of two devices: a fast one and that of the weight."""

    def build(trial: Trial) -> Peer:
        _, aihwkit = modules()
        device, reach = _mapped(trial)
        config = getattr(aihwkit.simulator.presets, preset)()
        cells = [device(cell) for cell in range(2)]
        for cell in cells:
            if hasattr(cell, "subtract_symmetry_point"):  # as the preset has it
                cell.subtract_symmetry_point = True
        config.device.unit_cell_devices = cells
        config.forward = _forward(trial, reach)
        return Peer(config, reach)

    return build


def of_preset(name: str) -> Build:
    """A preset of aihwkit as it is.  Raises `InputError` for a name that is none of them."""

    def build(trial: Trial) -> Peer:
        _, aihwkit = modules()
        presets = aihwkit.simulator.presets
        known = sorted(n for n in vars(presets.configs) if n.endswith("Preset"))
        if name not in known:
            raise InputError(f"{name!r} is no preset of aihwkit's: {', '.join(known)}", key="method")
        config = getattr(presets, name)()
        cells = _cells(config.device)
        for k, cell in enumerate(cells):
            cell.construction_seed = _seed(trial, k)
        reach = min(abs(bound) for bound in (cells[-1].w_max, cells[-1].w_min) if bound)
        return Peer(config, reach)

    return build


def _cells(device) -> list[Any]:
    """The single devices of a unit, which may be of units itself."""
    inner = getattr(device, "unit_cell_devices", None) or [getattr(device, "device", None)]
    return [device] if inner == [None] else [cell for part in inner for cell in _cells(part)]


class Layer:
    """The first layer on a tile, written with the offline network's weights."""

    def __init__(self, trial: Trial, peer: Peer):
        self.torch, _ = modules()
        self.trial, params = trial, trial.run.params
        self.limit = weight_limit(trial.net.hidden, trial.run.clip)
        self.scale = self.limit / peer.reach
        """Weight of the network that 1 on the tile stands for."""
        self.upper = trial.net.upper
        self.full_scale = np.inf
        self.tile = self._tile(peer)
        if peer.config.forward.out_bound < 0:
            bound = self._range()
            forward = replace(peer.config.forward, out_bound=bound, out_res=1 / (2**params.adc_bits - 2))
            self.tile = self._tile(peer._replace(config=replace(peer.config, forward=forward)))
            self.full_scale = bound * self.scale

    def _tile(self, peer: Peer):
        rows, columns = self.trial.net.hidden.shape
        tile = peer.config.tile_class(columns, rows, peer.config, bias=False)
        clipped = np.clip(self.trial.net.hidden, -self.limit, self.limit) / self.scale
        tile.set_weights(self.torch.from_numpy(np.ascontiguousarray(clipped.T, np.float32)))
        return tile

    def _range(self) -> float:
        """Output at which the converters end: a thousandth of those of unlabelled samples is beyond, as in `search_lsb`."""
        found = self._read(_inputs(self.trial.job.calibration, self.trial.run.params))
        return float(np.quantile(np.abs(found), 1 - CLIPPED_PER_MILLE / 1000))

    def _read(self, inputs: np.ndarray) -> np.ndarray:
        """Outputs of the tile, float32[n, columns]; inputs float32[n, rows]."""
        with self.torch.no_grad():
            return self.tile.joint_forward(self.torch.from_numpy(inputs)).numpy()

    def hidden(self, inputs: np.ndarray) -> np.ndarray:
        """Hidden values after the activation, float32[n, columns]."""
        return np.maximum(self._read(inputs) * np.float32(self.scale), 0)

    def accuracy(self, split: Split) -> float:
        """Share of right predictions."""
        right = 0
        for first in range(0, len(split), _TEST_BATCH):
            part = slice(first, first + _TEST_BATCH)
            hidden = self.hidden(_inputs(split.pixels[part], self.trial.run.params))
            right += int(((with_bias(hidden) @ self.upper).argmax(axis=1) == split.labels[part]).sum())
        return right / len(split)

    def train(self, pixels: np.ndarray, labels: np.ndarray, rate: float) -> None:
        """One epoch, batch 1."""
        params, torch = self.trial.run.params, self.torch
        targets = np.eye(self.upper.shape[1], dtype=np.float32)
        self.tile.set_learning_rate(
            rate / self.scale
        )  # as the gradient below is of the network's hidden values
        for k in range(len(pixels)):
            x = _inputs(pixels[k : k + 1], params)
            hidden = self.hidden(x)
            error = softmax_error(with_bias(hidden) @ self.upper, targets[labels[k : k + 1]])
            passes = (hidden > 0) & (hidden < self.full_scale * 0.999)
            delta = (error @ self.upper[:-1].T) * passes
            with torch.no_grad():
                self.tile.update(torch.from_numpy(x), torch.from_numpy(delta.astype(np.float32)))
                self.tile.post_update_step()


def _inputs(pixels: np.ndarray, params: HwParams) -> np.ndarray:
    """Row inputs 0..1 as the DACs make them, bias last, float32[n, rows]."""
    return (input_codes(pixels, params.dac_bits) / params.dac_full_scale).astype(np.float32)


def _measure(build: Build) -> Callable[[Trial, Settings], Outcome]:
    def measure(trial: Trial, settings: Settings) -> Outcome:
        torch, _ = modules()
        torch.set_num_threads(1)
        job = trial.job
        layer = Layer(trial, build(trial))
        if "rate" in settings:
            layer.train(job.train_pixels, job.train_labels, settings["rate"])
        return Outcome(layer.accuracy(Split(job.test_pixels, job.test_labels)))

    return measure


def rates(run: RunSpec, samples: int) -> list[Settings]:
    """Learning rates."""
    return [{"rate": rate} for rate in RATES]


def _method(name: str, about: str, build: Build, candidates: Candidates = rates, checked=check) -> Method:
    return Method(
        name, about, _measure(build), candidates, model_only=True, extra=EXTRA, deep=False, needs=checked
    )


OPTIONAL = (
    _method("aihwkit as written", "one cell and a reference per weight, written exactly", single, no_choice),
    _method("aihwkit pulsed SGD", "then an epoch of stochastic pulse trains", single),
    _method("aihwkit Tiki-Taka", "an epoch on a second array, carried over by columns", tiki_taka("TikiTakaReRamSBPreset")),
    _method("aihwkit TTv2", "the same through a digital buffer", tiki_taka("TTv2ReRamSBPreset")),
)  # fmt: skip
"""Methods that need aihwkit, on the run's device."""


def preset_method(name: str) -> Method:
    """The method `PREFIX` + the name of a class of `aihwkit.simulator.presets`, on its own device and periphery."""
    preset = name.removeprefix(PREFIX)
    about = f"aihwkit's {preset}, its own device and periphery"
    return _method(name, about, of_preset(preset), checked=lambda run: modules() and None)
