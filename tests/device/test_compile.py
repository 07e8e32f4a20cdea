"""Compiled devices against the float formulas they come from."""

from dataclasses import replace
from math import pi, sqrt

import numpy as np
import pytest

from model.device.compile import compile_device, compile_with_report, nominal_codes, read_power
from model.device.laws import nominal_curve, pulses_to_reach, steps
from model.device.macro import GoldenMacro, integrate
from spec.device_file import ConverterSpread, NonIdealities, device_from_dict, load_device, preset_names
from spec.errors import InputError
from spec.params import HwParams

IDEAL = NonIdealities.ideal()
LEVELS, COLUMNS = 33, 64
PARAMS = HwParams(rows=LEVELS, columns=COLUMNS, macro_lanes=8)
ALL = np.ones(COLUMNS)


def device(name):
    """A preset, or a measured curve that saturates."""
    if name != "measured":
        return load_device(name)
    n = np.arange(81)
    law = {
        "kind": "measured",
        "up_uS": list(9 - 8 * np.exp(-n / 25)),
        "down_uS": list(1 + 8 * np.exp(-n / 30)),
    }
    return device_from_dict({"name": "m", "source": "s", "law": law})


def ideal(name):
    """A device without any spread or noise, and its macro."""
    spec = replace(device(name), c2c_sigma=0.0)
    return spec, GoldenMacro(PARAMS, compile_device(spec, IDEAL, 16, seed=11, read_power=0.0))


def load_levels(macro, gmin, gmax):
    """Row i to the relative state i / 32; returns the states."""
    states = np.rint(gmin + (gmax - gmin) * np.arange(LEVELS) / (LEVELS - 1)).astype(int)
    macro.load(np.broadcast_to(states[:, None, None], (LEVELS, COLUMNS, 2)))
    return states


@pytest.mark.parametrize("polarity", [0, 1])
@pytest.mark.parametrize("name", [*preset_names(), "measured"])
def test_mean_pulse_is_the_float_step(name, polarity):
    spec, macro = ideal(name)
    gmin, gmax = nominal_codes(spec, IDEAL, 16)
    moved, repeats = np.zeros(LEVELS), 20
    for _ in range(repeats):
        states = load_levels(macro, gmin, gmax)
        for row in range(LEVELS):
            macro.strobe(row, ALL, ALL, polarity)
        moved += (macro.conductances() - states[:, None, None]).mean(axis=(1, 2)) / repeats
    x = (states - gmin) / (gmax - gmin)
    room = x if polarity else 1 - x
    expected = np.minimum(steps(spec, x)[polarity], room) * (gmax - gmin)
    # rounding to whole codes by chance: sigma of at most 1/2 code over 2560 draws (five of them); and 64
    # linear pieces: 0.5 % of the step (b^2 / 8 / 64^2 for the log law, nothing for the affine ones)
    tolerance = 5 * 0.5 / sqrt(repeats * 2 * COLUMNS) + 0.005 * expected
    assert (np.abs(np.abs(moved) - expected) < tolerance).all()
    assert (moved[1:] <= 0).all() if polarity else (moved[:-1] >= 0).all()


@pytest.mark.parametrize("name", [*preset_names(), "measured"])
def test_open_loop_lands_within_a_pulse_step(name):
    spec, macro = ideal(name)
    gmin, gmax = nominal_codes(spec, IDEAL, 16)
    targets = np.linspace(0, 1, LEVELS)
    counts = pulses_to_reach(spec, targets)
    for row in range(LEVELS):
        for _ in range(counts[row]):
            macro.strobe(row, ALL, ALL, 0)
    reached = (macro.conductances() - gmin) / (gmax - gmin)
    curve = nominal_curve(spec)
    step = np.diff(curve, append=curve[-1])[np.maximum(counts - 1, 0)]
    # half a step by choice of the count, half for the rest; and because a step may be less than one code,
    # rounding by chance walks sqrt(n) / 2 codes in n pulses (eight sigma, 67,584 cells), here 64 or more
    walk = 4 * np.sqrt(np.maximum(counts, 256)) / 65535
    off = np.abs(reached - np.minimum(targets, curve[-1])[:, None, None]).max(axis=(1, 2))
    assert (off < step + walk).all()


@pytest.mark.parametrize(("kind", "unit"), [("additive", 1.0), ("relative", 1 / 256)])
def test_pulse_to_pulse_sigma(kind, unit):
    spec = replace(load_device("linear"), c2c_kind=kind, c2c_sigma=0.03)
    macro = GoldenMacro(PARAMS, compile_device(spec, IDEAL, 16, seed=2, read_power=0.0))
    gmin, gmax = nominal_codes(spec, IDEAL, 16)
    states = load_levels(macro, gmin, gmax)
    for row in range(LEVELS):
        macro.strobe(row, ALL, ALL, 0)
    steps_taken = ((macro.conductances() - states[:, None, None]) / (gmax - gmin))[8:25]  # the rails are far
    spread = steps_taken.std()
    # 2176 draws: sigma of a sigma is 1.5 %; rounding by chance adds its own 0.4 code
    assert abs(spread / sqrt((0.03 * unit) ** 2 + (0.4 / (gmax - gmin)) ** 2) - 1) < 0.075
    assert abs(steps_taken.mean() - 1 / 256) < 5 * spread / sqrt(2176)


def test_additive_noise_pulls_inward_at_a_rail():
    """The known bias of cutting noise off: a Gaussian's mean below 0 is sigma / sqrt(2 pi)."""
    spec = replace(load_device("extreme"), c2c_sigma=0.05)
    macro = GoldenMacro(PARAMS, compile_device(spec, IDEAL, 16, seed=2, read_power=0.0))
    gmin, gmax = nominal_codes(spec, IDEAL, 16)
    macro.load(np.full((LEVELS, COLUMNS, 2), gmax))
    for row in range(LEVELS):
        macro.strobe(row, ALL, ALL, 0)
    pulled = (gmax - macro.conductances().mean()) / (gmax - gmin)
    assert abs(pulled / (0.05 / sqrt(2 * pi)) - 1) < 0.1  # 4224 draws, relative sigma 2.3 %


@pytest.mark.parametrize("state_bits", [8, 9, 12, 16])
@pytest.mark.parametrize("name", preset_names())
def test_every_preset_compiles(name, state_bits):
    spec = load_device(name)
    image, report = compile_with_report(spec, spec.nonideal, state_bits, 1, 0.1, min(12, state_bits))
    top = max(image.section("low")) + max(image.section("span"))
    assert (
        0.98 * ((1 << state_bits) - 1) - 2 < top <= (1 << state_bits)
    )  # the headroom is used, nothing is cut
    assert image.section("seed") != (1,) and report.uS_per_code * report.gmax_code == pytest.approx(
        spec.g_max_uS
    )
    assert compile_device(spec, spec.nonideal, state_bits, 1, 0.1, min(12, state_bits)) == image


DIGESTS = {
    "linear": "7e84cf80e4b92729",
    "Ag:a-Si": "320d20029deb245a",
    "AND/GSD-like": "053c2639c23276bd",
    "ReRAM-OM-approx": "9a4a0802d431a488",
}


@pytest.mark.parametrize("name", DIGESTS)
def test_images_are_the_same_on_every_platform(name):
    spec = load_device(name)
    assert compile_with_report(spec, spec.nonideal, 16, 1, 0.1)[1].digest == DIGESTS[name]


@pytest.mark.parametrize(
    ("distribution", "sigma", "mean", "spread"),
    # normal at 78 %: what is below 0.1 is raised, so the mean is 1.045 and the spread 0.69 (numerically)
    [("normal", 0.2, 1.0, 0.2), ("lognormal", 0.78, 1.0, 0.78), ("normal", 0.78, 1.045, 0.69)],
)
def test_step_spread(distribution, sigma, mean, spread):
    nonideal = replace(IDEAL, step_sigma=sigma, step_distribution=distribution)
    factors = np.array(compile_device(load_device("linear"), nonideal, 16, 1, 0.0).section("scale_up")) / 4096
    # 256 quantiles leave the tails out: 1 % of a normal's sigma, 6 % of this log-normal's
    assert abs(factors.mean() / mean - 1) < 0.01 and abs(factors.std() / spread - 1) < 0.07
    assert (np.diff(factors) >= 0).all() and factors.min() > 0


def test_spread_reaches_the_cells():
    spec = load_device("linear")
    nonideal = replace(IDEAL, step_sigma=0.2, range_sigma=0.05, low_sigma=0.1)
    macro = GoldenMacro(PARAMS, compile_device(spec, nonideal, 16, 1, 0.0))
    gmin, gmax = nominal_codes(spec, nonideal, 16)
    cells = LEVELS * COLUMNS * 2
    low = macro.conductances() / gmin
    for row in range(LEVELS):
        for _ in range(64):  # a quarter of the range: no cell reaches a rail
            macro.strobe(row, ALL, ALL, 0)
    quarter = (macro.conductances() - low * gmin) / (gmax - gmin) * 4
    macro.load(np.full((LEVELS, COLUMNS, 2), 65535))
    span = (macro.conductances() - low * gmin) / (gmax - gmin)
    for factor, sigma in ((low, 0.1), (span, 0.05), (quarter / span, 0.2)):
        assert abs(factor.mean() - 1) < 5 * sigma / sqrt(cells)
        assert (
            abs(factor.std() / sigma - 1) < 0.065
        )  # 4224 cells: 1.1 % sigma, five of it; 1 % of the tails missing
    assert abs(np.corrcoef(span.ravel(), (quarter / span).ravel())[0, 1]) < 5 / sqrt(cells)


def test_read_noise_is_that_of_independent_cells():
    rng = np.random.default_rng(3)
    spec, nonideal = load_device("linear"), replace(IDEAL, read_sigma=0.05)
    weights = np.clip(rng.normal(0, 0.4, (LEVELS, COLUMNS)), -1, 1)
    power = read_power(spec, weights, 1.0)
    macro = GoldenMacro(PARAMS, compile_device(spec, nonideal, 16, 5, power))
    gmin, gmax = nominal_codes(spec, nonideal, 16)
    g = gmin + (gmax - gmin) * np.stack([np.maximum(weights, 0), np.maximum(-weights, 0)], axis=2)
    macro.load(g)
    codes, sums, noise = rng.integers(0, 256, LEVELS).astype(np.uint8), np.empty(COLUMNS, np.int32), []
    for event in range(400):
        integrate(macro.state, codes, 255, event, sums)
        noise.append(sums.copy())
    lumped = np.std(noise, axis=0)
    cells = (
        0.05 * np.sqrt(codes.astype(float) ** 2 @ (g**2).sum(axis=2)) / 16
    )  # every cell's own noise, read codes
    assert abs(lumped.mean() / cells.mean() - 1) < 0.03  # columns differ by +-10 %, their mean does not


def test_read_power_of_zero_and_full_weights():
    spec = load_device("linear")  # on/off 10
    assert read_power(spec, np.zeros(5), 1.0) == pytest.approx(0.02)
    assert read_power(spec, np.array([-3.0, 3.0]), 1.0) == pytest.approx(1.01)


def test_what_is_cut_is_reported():
    wide = replace(IDEAL, range_sigma=1.0)
    assert any(
        "span: " in w for w in compile_with_report(load_device("TaOx/TiO2"), wide, 16, 1, 0)[1].warnings
    )
    noisy = compile_with_report(load_device("TaOx/HfOx"), IDEAL, 16, 1, 0)[1].warnings
    assert any("4.7 mean steps" in w for w in noisy)
    coarse = compile_with_report(load_device("linear"), IDEAL, 8, 1, 0, 8)[1].warnings
    assert any("0.89 state codes" in w for w in coarse)
    tail = replace(IDEAL, step_sigma=2.0, step_distribution="lognormal")
    assert compile_with_report(load_device("linear"), tail, 16, 1, 0)[1].warnings[0].startswith("scale_up: ")
    assert compile_with_report(load_device("linear"), IDEAL, 16, 1, 0)[1].warnings == ()


@pytest.mark.parametrize(
    ("change", "arguments", "message"),
    [
        ({"on_off": 1.01}, {}, "linear: on_off: on/off ratio 1.01 leaves a range of 649 state codes, 2048"),
        ({}, {"seed": -1}, "seed: -1 is outside"),
        ({}, {"seed": 1 << 32}, "seed: 4294967296 is outside"),
        ({}, {"state_bits": 17}, "state_bits: 17 is outside 8..16"),
    ],
)
def test_what_cannot_be_compiled_is_named(change, arguments, message):
    arguments = {"state_bits": 16, "seed": 1, "read_power": 0.1} | arguments
    with pytest.raises(InputError, match=message):
        compile_device(replace(load_device("linear"), **change), IDEAL, **arguments)


def test_converter_spread_is_in_column_sum_units():
    spec = replace(load_device("linear"), converter=ConverterSpread(offset_spread=0.5, gain_spread=0.1))
    image, report = compile_with_report(spec, NonIdealities.ideal(), 12, 1, 0.1)
    assert image.section("converter_offset") == (report.gmax_code * 16 // 2,)  # read codes, 4 fraction bits
    assert image.section("converter_gain") == (round(0.1 * 4096),)
    quiet = compile_device(replace(spec, converter=ConverterSpread()), NonIdealities.ideal(), 12, 1, 0.1)
    assert (quiet.section("converter_offset"), quiet.section("converter_gain")) == ((0,), (0,))
