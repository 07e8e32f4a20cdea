"""Counts reproduce the weights on an ideal device; the upper layer's integers mean what its floats meant."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from model.device.compile import nominal_codes
from model.device.laws import pulses_to_reach
from model.system import GoldenController, run
from model.training.offline import with_bias
from model.training.prepare import check_fit, prepare
from model.training.transfer import (
    check_counts,
    hidden_codes,
    input_codes,
    open_loop_counts,
    preactivations,
    quantise_upper,
    weight_limit,
)
from spec.device_file import load_device
from spec.errors import InputError
from spec.params import INSTANCES


def test_counts_on_an_ideal_device_reproduce_the_weights(digits, net, ideal_run):
    job = prepare(ideal_run, digits, net, 0)
    ctl = GoldenController(job.params, job.image)
    run(ctl.transfer(job.counts))
    states = ctl.array.conductances().astype(np.int64)
    gmin, gmax = nominal_codes(ideal_run.device, ideal_run.nonideal, job.params.state_bits)
    limit = weight_limit(net.hidden, ideal_run.clip)
    wanted = np.clip(net.hidden, -limit, limit) / limit
    got = (states[..., 0] - states[..., 1]) / (gmax - gmin)
    # half a pulse, and the stochastic rounding of up to 256 pulses by one state code each
    assert np.abs(got - wanted).max() <= 0.5 / 256 + 256 / (gmax - gmin)
    assert np.abs(got - wanted).mean() < 0.3 / 256


def test_only_one_device_of_a_pair_is_pulsed(make_job, net):
    counts = make_job().counts
    assert counts.dtype == np.int32
    assert np.array_equal(np.sign(counts), np.sign(net.hidden) * (counts != 0))


@pytest.mark.parametrize("device", ["Ag:a-Si", "PCMO", "FeFET", "AND/GSD-like", "extreme", "ReRAM-OM-approx"])
def test_counts_rise_with_the_weight_to_the_devices_states(device):
    spec = load_device(device)
    weights = np.linspace(-1.5, 1.5, 301).reshape(1, -1)
    counts = open_loop_counts(weights, 1.0, partial(pulses_to_reach, spec))[0]
    assert (np.diff(counts) >= 0).all()
    assert counts[0] == -counts[-1] and abs(counts[-1] - spec.states_up) <= 1
    assert counts[150] == 0


def test_limit_is_at_most_the_largest_weight(net):
    assert weight_limit(net.hidden, 100.0) == pytest.approx(np.abs(net.hidden).max())
    assert weight_limit(net.hidden, 1.0) == pytest.approx(net.hidden[:-1].std())


def test_counts_that_do_not_fit_the_stream_are_refused(digits, net, digits_run):
    narrow = replace(digits_run.params, count_bits=6)
    with pytest.raises(InputError, match=r"count_bits: a transfer of 40 pulses .*at most 31"):
        check_counts(np.array([[40, -3]]), narrow)
    with pytest.raises(InputError, match="count_bits"):
        prepare(replace(digits_run, params=narrow), digits, net, 0)


@pytest.mark.parametrize("dac_bits", [1, 4, 8])
def test_input_codes_are_those_of_the_controller(digits, dac_bits):
    from model.controller.dac_encode import dac_encode

    pixels = digits.train.pixels[:5]
    assert np.array_equal(input_codes(pixels, dac_bits), [dac_encode(p, dac_bits) for p in pixels])


def test_integer_upper_layer_agrees_with_the_float_one(digits, net, digits_run):
    params, pixels = digits_run.params, digits.train.pixels[:300]
    limit = weight_limit(net.hidden, digits_run.clip)
    hidden = preactivations(pixels, net.hidden, limit, params).sum(axis=1)
    full_scale = float(np.quantile(hidden, 0.999))
    codes = hidden_codes(hidden, full_scale, params)
    upper = quantise_upper(net.upper, full_scale, codes, params)
    q, most = params.adc_limit, (1 << (params.weight_bits - 1)) - 1
    assert np.abs(upper.weights).max() <= most and np.abs(upper.weights[:-1]).max() == most
    sums = codes @ upper.weights[:-1] + q * upper.weights[-1]
    exact = with_bias(np.clip(hidden, 0, full_scale)) @ net.upper
    scale = np.abs(sums).max() / np.abs(exact).max()
    # 7-bit weights and codes over 33 inputs
    assert np.abs(sums / scale - exact).max() < 0.05 * np.abs(exact).max()
    assert (sums.argmax(axis=1) == exact.argmax(axis=1)).mean() > 0.98
    # outputs use the upper half of their codes without reaching the end
    largest = np.abs(sums).max() / 2**upper.logit_shift
    assert params.logit_limit / 2.5 - 1 <= largest <= params.logit_limit / 1.25
    assert upper.margin(127) == round(upper.logit_range) <= params.logit_limit


def test_data_that_do_not_fit_the_hardware_are_refused(digits):
    with pytest.raises(InputError, match="rows: 9 rows take 8 inputs, digits has 64"):
        check_fit(digits, INSTANCES["TINY"])
    with pytest.raises(InputError, match="classes: 9 classes are fewer than the 10 of digits"):
        check_fit(digits, replace(INSTANCES["DIGITS"], classes=9))
