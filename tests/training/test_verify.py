"""Program-verify as the strong baseline that it is: near the target, partners compensate, unresponsive cells end it."""

from dataclasses import replace

import numpy as np
import pytest

from model.device.array import GoldenArray
from model.device.compile import compile_device, nominal_codes
from model.device.verify import VerifySettings, verify_array
from spec.device_file import NonIdealities, load_device
from spec.errors import InputError
from spec.params import HwParams

ROWS, COLUMNS = 12, 8
PARAMS = HwParams(rows=ROWS, columns=COLUMNS, adc_channels=1, update_columns=1, macro_lanes=1)


def array(device: str, nonideal: NonIdealities, seed=1):
    """A small erased layer, its nominal range, and random targets that one cell of each pair carries."""
    spec = load_device(device)
    image = compile_device(spec, nonideal, PARAMS.state_bits, seed, 0.5)
    gmin, gmax = nominal_codes(spec, nonideal, PARAMS.state_bits)
    shares = np.random.default_rng(seed).uniform(-1, 1, (ROWS, COLUMNS))
    pair = np.stack([np.maximum(shares, 0), np.maximum(-shares, 0)], axis=2)
    targets = gmin + np.rint(pair * (gmax - gmin)).astype(np.int64)
    return GoldenArray(PARAMS, image), gmax - gmin, targets


def settings(tolerance: int, **changes) -> VerifySettings:
    return VerifySettings(
        **({"tolerance": tolerance, "movement": max(1, tolerance // 2), "pulse_cap": 1000} | changes)
    )


def difference(states) -> np.ndarray:
    states = np.asarray(states, np.int64)
    return states[..., 0] - states[..., 1]


@pytest.mark.parametrize("way", ["cell", "pair"])
def test_ends_within_tolerance(way):
    layer, span, targets = array("linear", NonIdealities.ideal())
    tolerance = span // 50
    cost, _ = verify_array(layer, targets, way, settings(tolerance))
    assert cost.given_up == 0
    # without read noise a cell ends where it was read
    error = np.abs(difference(layer.conductances()) - difference(targets))
    assert error.max() <= (tolerance if way == "pair" else 2 * tolerance)


@pytest.mark.parametrize("device", ["PCMO", "TaOx/HfOx", "extreme"])
def test_large_and_noisy_steps_mostly_end_within_tolerance(device):
    layer, span, targets = array(device, NonIdealities())
    cost, _ = verify_array(layer, targets, "pair", settings(span // 50, pulse_cap=500))
    assert cost.given_up < 0.15 * ROWS * COLUMNS


def test_every_pulse_is_followed_by_a_read():
    layer, span, targets = array("EpiRAM", NonIdealities())
    ((reads, strobes),) = layer.events.tolist()
    cost, _ = verify_array(layer, targets, "pair", settings(span // 50, averages=3))
    assert cost.reads == 3 * (cost.pulses + ROWS * COLUMNS)
    assert layer.events.tolist() == [[reads + cost.reads, strobes + cost.pulses]]


def test_nothing_to_do_costs_one_read_each():
    layer, span, _ = array("linear", NonIdealities.ideal())
    erased = layer.conductances().astype(np.int64)
    cost, _ = verify_array(layer, erased, "cell", settings(span // 50))
    assert (cost.pulses, cost.reads, cost.given_up) == (0, 2 * ROWS * COLUMNS, 0)


def test_stuck_cells_are_given_up_after_few_pulses():
    layer, span, targets = array(
        "linear", replace(NonIdealities.ideal(), stuck=1.0, stuck_low=1.0, stuck_high=0.0)
    )
    cost, _ = verify_array(layer, targets, "cell", settings(span // 50))
    missed = np.abs(targets - layer.conductances()) > span // 50
    assert cost.given_up == missed.sum() > ROWS * COLUMNS / 2
    assert cost.pulses == 8 * cost.given_up


def test_partners_compensate_stuck_cells():
    nonideal = replace(NonIdealities.ideal(), stuck=0.2, stuck_low=0.0, stuck_high=0.0)
    mean_error = {}
    for way in ("cell", "pair"):
        layer, span, targets = array("linear", nonideal)
        verify_array(layer, targets, way, settings(span // 50))
        mean_error[way] = np.abs(difference(layer.conductances()) - difference(targets)).mean() / span
    assert mean_error["pair"] < 0.7 * mean_error["cell"]


def test_pulse_cap_ends_a_search_for_the_impossible():
    layer, _, targets = array("TaOx/HfOx", NonIdealities())
    cost, _ = verify_array(layer, targets, "pair", settings(0, pulse_cap=30))
    assert cost.pulses <= 30 * ROWS * COLUMNS and cost.given_up > 0.9 * ROWS * COLUMNS


def test_unknown_way_is_refused():
    layer, _, targets = array("linear", NonIdealities())
    with pytest.raises(InputError, match="verify: 'row' is not one of cell, pair"):
        verify_array(layer, targets, "row", settings(1))
