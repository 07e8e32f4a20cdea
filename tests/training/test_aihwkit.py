"""The methods of aihwkit: our devices in its terms, and training by it where it is installed (scripts/aihwkit.sh)."""

import importlib.util
import json
import sys
from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from model.device.laws import nominal_curve, steps
from model.study.aihwkit import OPTIONAL, PREFIX, Layer, _inputs, check, modules, single
from model.study.aihwkit_device import peer_device, symmetry_point
from model.study.compare import MAIN, REFERENCE, Line, Plan, compare
from model.study.controls import LISTED, METHODS, method_named
from model.study.methods import TRIES
from model.study.stats import Interval
from model.training.transfer import preactivations, weight_limit
from model.training.trial import Trial
from sim.report.compare_page import COLUMNS, SHORT, render, row
from sim.report.page import DASH
from spec.device_file import NonIdealities, load_device
from spec.device_law import Law
from spec.errors import InputError

needs_aihwkit = pytest.mark.skipif(
    importlib.util.find_spec("aihwkit") is None, reason="aihwkit is not installed: scripts/aihwkit.sh"
)
needs_aihwkit_warnings = pytest.mark.filterwarnings("default")  # what torch and aihwkit deprecate is not ours

PUBLISHED = {
    "ECRAM-Li": {"dw_min": 0.002, "w_max": 1.1724, "w_min": -0.8276, "gamma_up": 0.1153, "gamma_down": 0.5085, "dw_min_std": 0.3},
    "ECRAM-MO": {"dw_min": 2.8214e-4, "w_max": 1.1714, "w_min": -0.8286, "gamma_up": 0.4152, "gamma_down": 0.7342, "dw_min_std": 2.0},
    "ReRAM-SB": {"dw_min": 0.002, "w_max": 1.25, "w_min": -0.75, "w_max_dtod": 0.3 / 1.25, "w_min_dtod": 0.3 / 0.75, "dw_min_std": 3.75},
    "Gokmen-Vlasov": {"dw_min": 0.0016, "w_max": 1.0, "w_min": -1.0, "w_max_dtod": 0.3, "dw_min_std": 0.3},
}  # fmt: skip
"""aihwkit's own presets, from which these devices are."""
LAWS = {
    "linear": {},
    "neurosim": {"nl_ltp": 2.4, "nl_ltd": -4.88},
    "exponential": {"a_ltp": 0.5, "a_ltd": 0.8},
    "soft_bounds": {"a_up": 0.04, "a_down": 0.07},
    "linear_step": {"a_up": 0.02, "a_down": 0.03, "slope_up": 0.4, "slope_down": -0.3},
    "exp_step": {"a_up": 0.01, "a_down": 0.006, "amp_up": -1.2, "amp_down": -0.1, "rate_up": -5.0, "rate_down": 5.0},
    "pow_step": {"a_up": 0.05, "a_down": 0.06, "pow_up": 1.7, "pow_down": 0.6},
}  # fmt: skip


def device_of(kind: str, **changes):
    values = {"kind": kind} | LAWS[kind]
    device = replace(
        load_device("linear"), name=kind, law=Law.from_dict(values), states_up=40, states_down=30
    )
    return replace(device, c2c_sigma=0.0, nonideal=NonIdealities.ideal(), **changes)


@pytest.fixture(scope="module")
def soft_run(digits_run):
    """The run of the tests on soft bounds, whose stuck cells are anywhere."""
    device = load_device("ReRAM-OM")
    return replace(digits_run, device=device, nonideal=replace(device.nonideal, step_sigma=0.3, stuck=0.02))


@pytest.mark.parametrize("name", PUBLISHED)
def test_devices_from_aihwkit_come_back_as_it_publishes_them(name):
    device = load_device(name)
    fields = peer_device(device, device.nonideal).fields
    for key, value in PUBLISHED[name].items():
        assert fields[key] == pytest.approx(value, rel=2e-3), key
    assert fields["up_down"] == pytest.approx(0, abs=1e-5)


def test_a_lognormal_spread_keeps_the_mean_step():
    device = load_device("ReRAM-OM")
    fields = peer_device(device, device.nonideal).fields
    assert fields["dw_min"] * np.exp(fields["dw_min_dtod"] ** 2 / 2) == pytest.approx(device.law["a_up"])
    assert fields["dw_min_std"] * device.law["a_up"] == pytest.approx(2 * device.c2c_sigma)


def test_the_reference_is_where_both_steps_are_equal():
    assert symmetry_point(load_device("ReRAM-SB")) == pytest.approx(1.25 / 2 - 0.25, abs=1e-5)
    assert symmetry_point(device_of("linear")) == 0.5  # nowhere: the middle


@pytest.mark.parametrize(
    ("device", "changes", "message"),
    [
        ("AND/GSD-like", {}, "AND/GSD-like: law.kind: aihwkit has no log law; there are linear, neurosim,"),
        ("ReRAM-OM", {"stuck_low": 0.5}, "nonideal.stuck_low: aihwkit's stuck cells are anywhere"),
        ("ReRAM-OM", {"wire_ohm": 1.0}, "nonideal: wire_ohm: only the golden model has this, aihwkit does not"),
    ],
)  # fmt: skip
def test_what_aihwkit_cannot_have_is_refused_by_name(device, changes, message):
    spec = load_device(device)
    with pytest.raises(InputError) as refused:
        peer_device(spec, replace(spec.nonideal, **changes))
    assert message in str(refused.value)


def test_additive_noise_on_powers_is_refused():
    device = replace(device_of("pow_step"), c2c_kind="additive", c2c_sigma=0.01)
    with pytest.raises(InputError, match=r"c2c\.kind: aihwkit's PowStepDevice"):
        peer_device(device, device.nonideal)


def test_without_the_package_a_method_says_what_to_install(monkeypatch, soft_run):
    monkeypatch.setitem(sys.modules, "aihwkit.simulator.configs", None)
    for method in OPTIONAL:
        with pytest.raises(
            InputError, match=r"^method: the methods of aihwkit need it .*scripts/aihwkit\.sh"
        ):
            method.check(soft_run)
    with pytest.raises(InputError, match="need it and torch"):
        method_named("aihwkit:EcRamPreset").check(soft_run)


def test_methods_of_the_package_come_only_by_name(soft_run):
    names = {method.name for method in OPTIONAL}
    assert names.isdisjoint(MAIN) and names.isdisjoint(METHODS) and names < set(LISTED)
    for method in OPTIONAL:
        assert method.remark == "model only, needs aihwkit"
        assert 1 <= len(method.candidates(soft_run, 1000)) <= TRIES


@needs_aihwkit
@needs_aihwkit_warnings
def test_a_grid_of_macros_is_refused(soft_run):
    params = replace(soft_run.params, macro_rows=40, macro_columns=20)
    with pytest.raises(InputError, match="macro_rows: aihwkit's tile is one array"):
        check(replace(soft_run, params=params))


CELLS = 20_000


def rms(values) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def both_ways(device) -> tuple[np.ndarray, np.ndarray]:
    """How far one pulse up, and one down, moves each of CELLS cells from the reference; both positive."""
    torch, _ = modules()
    tile, _, pulse = tile_of(device, CELLS)
    found = []
    for down in (False, True):
        tile.set_weights(torch.zeros(CELLS, 1))
        found.append(pulse(down) * (-1 if down else 1))
    return found[0], found[1]


def tile_of(device, cells: int):
    """A column of cells, and a pulse on each of them: aihwkit's own update, one slot, certain to coincide."""
    torch, aihwkit = modules()
    from aihwkit.simulator.configs import UpdateParameters

    peer = peer_device(device, device.nonideal)
    made = getattr(aihwkit.simulator.configs.devices, peer.name)(**peer.fields, construction_seed=5)
    update = UpdateParameters(desired_bl=1, update_bl_management=False, update_management=False)
    config = aihwkit.simulator.configs.SingleRPUConfig(device=made, update=update)
    tile = config.tile_class(cells, 1, config, bias=False)
    tile.set_learning_rate(10 * peer.fields["dw_min"])  # above 1 a chance is certain

    def pulse(down: bool) -> np.ndarray:
        tile.update(torch.ones(1, 1), torch.full((1, cells), 1.0 if down else -1.0))
        return tile.get_weights()[0].numpy()[:, 0]

    return tile, peer, pulse


@needs_aihwkit
@needs_aihwkit_warnings
@pytest.mark.parametrize("kind", LAWS)
def test_pulses_of_aihwkit_walk_along_our_curve(kind):
    """Without spread and noise both are the same formula: what is left is float32, half a unit of 2**-23 in w a pulse at most, w below 2."""
    torch, _ = modules()
    device = device_of(kind)
    tile, peer, pulse = tile_of(device, 1)
    zero = symmetry_point(device)
    for down in (False, True):
        curve = nominal_curve(device, int(down))
        tile.set_weights(torch.tensor([[peer.fields["w_max" if down else "w_min"]]]))
        walked = [curve[0], *(float(pulse(down)[0]) / 2 + zero for _ in curve[1:])]
        assert np.abs(curve - walked).max() < len(curve) * 2.0**-24


@needs_aihwkit
@needs_aihwkit_warnings
@pytest.mark.parametrize("kind", ["linear", "linear_step", "exp_step", "soft_bounds"])
@pytest.mark.parametrize("noise", ["relative", "additive"])
def test_steps_of_aihwkit_spread_and_scatter_as_ours(kind, noise):
    """20,000 cells: a deviation is known to half a percent, five times that is allowed."""
    sigma = 0.2 if noise == "relative" else 0.004
    device = replace(device_of(kind), c2c_kind=noise, c2c_sigma=sigma)
    means = [2 * float(step[0]) for step in steps(device, np.array([symmetry_point(device)]))]
    moved = both_ways(device)
    for way, mean in zip(moved, means, strict=True):
        assert way.mean() == pytest.approx(mean, rel=0.02)
        if noise == "relative":
            assert way.std() == pytest.approx(sigma * mean, rel=0.025)
    if noise == "additive":
        assert rms([way.std() for way in moved]) == pytest.approx(2 * sigma, rel=0.025)

    spread = replace(device, c2c_sigma=0.0, nonideal=replace(device.nonideal, step_sigma=0.2))
    moved = both_ways(spread)
    assert rms([way.std() / way.mean() for way in moved]) == pytest.approx(0.2, rel=0.025)
    assert abs(np.corrcoef(*moved)[0, 1]) < 5 / np.sqrt(CELLS)


@needs_aihwkit
@needs_aihwkit_warnings
def test_the_layer_reads_as_the_network_without_noise(soft_run, digits, net):
    """Ideal cells, ideal reads: what is left is the width of the converters and what the range cuts off."""
    ideal = replace(soft_run, device=replace(soft_run.device, c2c_sigma=0.0), nonideal=NonIdealities.ideal())
    trial = Trial(ideal, digits, net, 1)
    layer = Layer(trial, single(trial))
    limit = weight_limit(net.hidden, ideal.clip)
    wanted = preactivations(trial.job.calibration, net.hidden, limit, ideal.params).sum(axis=1)
    wanted = np.clip(wanted, 0, layer.full_scale)
    found = layer.hidden(_inputs(trial.job.calibration, ideal.params))
    step = layer.full_scale / (2 ** (ideal.params.adc_bits - 1) - 1)
    assert np.abs(found - wanted).max() < 0.51 * step


@needs_aihwkit
@needs_aihwkit_warnings
def test_training_by_aihwkit_repairs_what_was_written(soft_run, digits, net):
    trial = Trial(soft_run, digits, net, 1)
    reached = {
        method.name: max(
            method.measure(trial, settings).accuracy for settings in method.candidates(soft_run, 1000)
        )
        for method in OPTIONAL
    }
    written = reached["aihwkit as written"]
    assert METHODS["open loop"].measure(trial, {}).accuracy < reached["aihwkit pulsed SGD"]
    for name, accuracy in reached.items():
        assert accuracy >= written - 0.01, name


@needs_aihwkit
@needs_aihwkit_warnings
def test_a_preset_of_aihwkit_is_a_method(soft_run, digits, net):
    trial = Trial(soft_run, digits, net, 1)
    for preset in ("EcRamPreset", "TTv2IdealizedPreset", "PCMPreset", "MixedPrecisionReRamSBPreset"):
        assert method_named(PREFIX + preset).measure(trial, {"rate": 0.01}).accuracy > 0.5, preset
    with pytest.raises(InputError, match="'NoPreset' is no preset of aihwkit's: AGADCapacitorPreset,"):
        method_named("aihwkit:NoPreset").measure(trial, {"rate": 0.01})


def test_networks_of_more_layers_are_refused(soft_run):
    deep = replace(soft_run, offline=replace(soft_run.offline, hidden=(20,)))
    for name in (*(method.name for method in OPTIONAL), "aihwkit:EcRamPreset"):
        with pytest.raises(
            InputError, match=r"has a float upper layer by aihwkit, .*: take offline\.hidden = \[\]"
        ):
            method_named(name).check(deep)


def test_costs_that_nobody_counted_are_dashes():
    plan = cast(Plan, SimpleNamespace(runs={"one": {"data": "digits"}}, reference=REFERENCE))
    accuracy = Interval(0.9, 0.8, 1.0)
    line = Line("one", "aihwkit pulsed SGD", {"rate": 0.1}, accuracy, accuracy, {"accuracy": 0.9}, 0, [])
    texts = dict(zip(COLUMNS, row(plan, line), strict=True))
    assert texts.pop("method") == line.method
    shown = [text for text in texts.values() if text != DASH]
    assert shown == ["90.00 [80.00, 100.00]", "+90.00 [+80.00, +100.00]"]


@pytest.mark.slow
@needs_aihwkit
@needs_aihwkit_warnings
def test_a_comparison_has_its_methods_beside_ours(tmp_path):
    names = ("hybrid accumulate", "aihwkit pulsed SGD")
    plan = Plan({"one": {"data": "digits", "device": "ReRAM-OM"}}, names, nets=1, arrays=1, tries_on=1)
    found = compare(plan, tmp_path, workers=1)
    assert [line.failed for line in found] == [0, 0]
    assert min(line.accuracy.mean for line in found) > 0.8
    page = json.loads(render(plan, found).figures)
    ours, theirs = page["lines"]
    assert ours["costs"]["all"]["pulses"] > 0 and theirs["costs"] == {} and len(theirs["tried"]) == TRIES
    equal = page["equal_accuracy"]["one"][names[1]]
    assert equal.get(SHORT) or set(equal.values()) == {None}
