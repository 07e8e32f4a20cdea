"""The compiled macro equals the slow reference to the bit, and behaves like an array."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.device.macro import Events, GoldenMacro, integrate
from spec.device_image import QUANTILES
from spec.numerics import GAUSS
from spec.params import INSTANCES, HwParams
from tests.device.reference_macro import ReferenceMacro, images, simple_image

ROWS, COLUMNS = 3, 5


def small(image, read_bits=8):
    params = HwParams(rows=ROWS, columns=COLUMNS, macro_lanes=1, update_columns=1, adc_channels=1,
                      state_bits=image.state_bits, read_bits=min(read_bits, image.state_bits))  # fmt: skip
    return GoldenMacro(params, image), ReferenceMacro(image, ROWS, COLUMNS, params.read_bits)


masks = st.lists(st.integers(0, 1), min_size=COLUMNS, max_size=COLUMNS)
operations = st.lists(
    st.one_of(
        st.tuples(st.just("strobe"), st.integers(0, ROWS - 1), masks, masks, st.integers(0, 1)),
        st.tuples(st.just("integrate"), st.lists(st.integers(0, 255), min_size=ROWS, max_size=ROWS)),
        st.just(("erase",)),
    ),
    max_size=12,
)
events = st.one_of(st.just(0), st.integers(0, 2**32 - 1), st.just(2**32 - 1))


@settings(max_examples=60)  # each example runs up to a dozen operations
@given(images(), st.integers(6, 12), events, operations)
def test_equals_reference(image, read_bits, event, steps):
    golden, reference = small(image, read_bits)
    golden.reset(Events(event, event))
    reference.integrates = reference.strobes = event
    assert golden.conductances().tolist() == reference.g
    for name, *arguments in steps:
        got, want = getattr(golden, name)(*arguments), getattr(reference, name)(*arguments)
        assert golden.conductances().tolist() == reference.g
        assert got is None or got.tolist() == want
    assert golden.events == (reference.integrates, reference.strobes)


@settings(max_examples=40)
@given(
    images(),
    st.integers(1, COLUMNS),
    st.lists(st.integers(0, 1), min_size=ROWS, max_size=ROWS),
    st.sampled_from([1, 255]),
)
def test_erring_converters_equal_reference(image, channels, bits, full):
    params = HwParams(rows=ROWS, columns=COLUMNS, macro_lanes=1, update_columns=1, adc_channels=channels,
                      converter_errors=1, state_bits=image.state_bits, read_bits=8)  # fmt: skip
    golden, reference = GoldenMacro(params, image), ReferenceMacro(image, ROWS, COLUMNS, 8, channels)
    for codes in (bits, [0] * ROWS):
        codes = [bit * full for bit in codes]
        assert golden.integrate(codes, full).tolist() == reference.integrate(codes, full)


@settings(max_examples=40)
@given(
    images(),
    st.integers(1, COLUMNS),
    st.integers(1, 8),
    events,
    st.lists(st.tuples(*(st.integers(0, n - 1) for n in (COLUMNS, COLUMNS, ROWS)), masks), max_size=6),
)
def test_transposed_reads_equal_reference(image, converters, dac_bits, event, reads):
    params = HwParams(rows=ROWS, columns=COLUMNS, macro_lanes=1, update_columns=1, adc_channels=converters,
                      dac_bits=dac_bits, transposed=1, state_bits=image.state_bits, read_bits=8)  # fmt: skip
    golden, reference = GoldenMacro(params, image), ReferenceMacro(image, ROWS, COLUMNS, 8)
    golden.reset(Events(event, 0))
    reference.integrates = event
    for raised, lowered, first_row, mask in reads:
        for macro in (golden, reference):
            macro.strobe(first_row, mask, mask[::-1], 0)
        want = reference.integrate_transposed(raised, lowered, first_row, converters, params.dac_full_scale)
        assert golden.integrate_transposed(raised, lowered, first_row).tolist() == want
    codes = [1] * ROWS  # the two kinds of reads share one count of events
    assert golden.integrate(codes).tolist() == reference.integrate(codes)
    assert golden.events.integrates == reference.integrates


def test_a_transposed_read_is_the_difference_of_two_columns():
    macro = GoldenMacro(INSTANCES["TINY"].upper, simple_image())  # 7 rows, 3 columns, a converter for each
    rng = np.random.default_rng(5)
    for _ in range(40):
        up, down = rng.integers(0, 2, (2, 3))
        macro.strobe(int(rng.integers(7)), up, down, int(rng.random() < 0.3))
    read = macro.conductances().astype(np.int64) >> 4
    weights = 31 * (read[:, :, 0] - read[:, :, 1])
    swing = weights[:, 2] - weights[:, 0]
    assert macro.integrate_transposed(2, 0, 0).tolist() == swing[:3].tolist()
    assert macro.integrate_transposed(2, 0, 3).tolist() == swing[3:6].tolist()
    assert macro.integrate_transposed(2, 0, 6).tolist() == [swing[6], 0, 0]
    assert macro.integrate_transposed(0, 2, 0).tolist() == (-swing[:3]).tolist()
    assert macro.integrate_transposed(1, 1, 0).tolist() == [0, 0, 0]
    assert macro.events.integrates == 5


@pytest.mark.parametrize("polarity", [0, 1])
@pytest.mark.parametrize("noise", [0, 1])
@pytest.mark.parametrize("table", [0, (1 << 28) - 1])
@pytest.mark.parametrize("span", [2048, 65535])
@pytest.mark.parametrize("low", [0, 65535])
def test_extreme_images_equal_reference(polarity, noise, table, span, low):
    image = simple_image(
        up_table=[table, (1 << 28) - 1 - table] * 32 + [table], down_table=[table] * 65,
        scale_up=[65535] * QUANTILES, scale_down=[65535] * QUANTILES,
        span=[span] * QUANTILES, low=[low] * QUANTILES,
        noise_add=noise * ((1 << 28) - 1), noise_rel=noise * 65535, read_noise=noise * ((1 << 19) - 1),
        stuck_threshold=6000, stuck_low=60, stuck_high=100, seed=0xFFFF_FFFF,
    )  # fmt: skip
    golden, reference = small(image)
    for row in (0, 2, 1, 0):
        for macro in (golden, reference):
            macro.strobe(row, [1] * COLUMNS, [1, 0] * 2 + [1], polarity)
        assert golden.conductances().tolist() == reference.g
        assert golden.integrate([255] * ROWS).tolist() == reference.integrate([255] * ROWS)


def test_the_largest_sum_fits_32_bits():
    full = replace(INSTANCES["MNIST"], rows=1024, columns=1024)
    image = simple_image(span=[65535] * QUANTILES, low=[0] * QUANTILES, read_noise=(1 << 19) - 1, seed=3)
    macro = GoldenMacro(full, image)
    macro.state.diff[:] = 4095
    sums = macro.integrate(np.full(1024, 255)).astype(np.int64)
    signal = 1024 * 255 * 4095
    assert sums.min() > 0, "wrapped"
    assert signal + ((max(GAUSS) * 255 * 32 * ((1 << 19) - 1)) >> 12) < 2**31
    assert sums.max() > 1.5 * signal  # the noise did reach its upper tail


def test_sums_follow_strobes_and_skip_zero_codes():
    macro = GoldenMacro(INSTANCES["DIGITS"], simple_image())
    rng = np.random.default_rng(5)
    for _ in range(40):
        up, down = rng.integers(0, 2, (2, 32))
        macro.strobe(int(rng.integers(65)), up, down, int(rng.random() < 0.3))
    codes = np.where(rng.random(65) < 0.2, rng.integers(1, 256, 65), 0)
    read = macro.conductances().astype(np.int64) >> 4
    assert (macro.integrate(codes) == codes @ (read[:, :, 0] - read[:, :, 1])).all()


def test_same_seed_same_bits_other_seed_other_bits():
    outcomes = []
    for seed in (1, 1, 2):
        image = simple_image(noise_add=1 << 22, read_noise=500, stuck_threshold=3000, seed=seed)
        macro = GoldenMacro(INSTANCES["TINY"], image)
        for row in range(9):
            macro.strobe(row, np.ones(6), np.zeros(6), 0)
        outcomes.append((macro.conductances().tobytes(), macro.integrate(np.full(9, 100)).tobytes()))
    assert outcomes[0] == outcomes[1]
    assert outcomes[0][0] != outcomes[2][0] and outcomes[0][1] != outcomes[2][1]


def test_events_count_through_erase_and_wrap():
    macro = GoldenMacro(INSTANCES["TINY"], simple_image())
    macro.strobe(0, np.ones(6), np.ones(6), 0)
    macro.integrate(np.zeros(9, int))
    macro.erase()
    assert macro.events == (1, 1)
    macro.reset(Events(2**32 - 1, 5))
    macro.integrate(np.zeros(9, int))
    assert macro.events == (0, 5)
    macro.reset()
    assert macro.events == (0, 0)


def test_erase_and_stuck_shares():
    # 20 % stuck, of these half low and a quarter high
    image = simple_image(stuck_threshold=13107, stuck_low=128, stuck_high=64)
    macro = GoldenMacro(INSTANCES["MNIST"], image)
    stuck, g = macro.state.stuck == 1, macro.conductances()
    lo, span = 65535 // 8, 65535 // 2
    # shares of 401,920 cells: five standard deviations are 0.003 of all cells and 0.009 of the stuck ones
    assert abs(stuck.mean() - 0.2) < 0.003
    assert (g[~stuck] == lo).all()
    assert abs((g[stuck] == lo + span).mean() - 0.25) < 0.009
    assert abs((g[stuck] == lo).mean() - 0.5) < 0.009
    held = g[stuck & (g > lo) & (g < lo + span)]
    assert abs(held.mean() - (lo + span / 2)) < 0.02 * span
    macro.strobe(3, np.ones(256), np.ones(256), 0)
    moved = macro.conductances() != g
    assert moved[3][~stuck[3]].all() and not moved[3][stuck[3]].any() and not moved[[0, 1, 2, 4]].any()
    macro.erase()
    assert (macro.conductances() == g).all()


@pytest.mark.parametrize("state_bits", [9, 16])
def test_rails_do_not_freeze(state_bits):
    """A mean step of 1/100 code moves a cell once in a hundred pulses, on average."""
    step = round((1 << 28) * 0.01 / ((1 << state_bits) // 2))
    image = simple_image(state_bits, up_table=[step] * 65)
    params = replace(INSTANCES["MNIST"], state_bits=state_bits, read_bits=9)
    macro = GoldenMacro(params, image)
    start = macro.conductances().astype(int)
    for _ in range(100):
        macro.strobe(0, np.ones(256), np.ones(256), 0)
    moved = (macro.conductances().astype(int) - start)[0]
    # 512 cells, binomial with mean 1 and sigma 1; the image's step is rounded to 1/4096 code
    assert abs(moved.mean() - 1) < 5 / 512**0.5 + 100 / 4096


def test_read_noise_sigma():
    constant = 16 * 30  # sigma of 30 read codes per unit of sqrt(sum x**2)
    macro = GoldenMacro(INSTANCES["MNIST"], simple_image(read_noise=constant))
    codes = np.where(np.arange(785) % 5 == 0, 200, 0).astype(np.uint8)
    sums, noise = np.empty(256, np.int32), []
    for event in range(200):
        integrate(macro.state, codes, 255, event, sums)
        noise.append(sums.copy())
    expected = 30 * np.sqrt((codes.astype(float) ** 2).sum())
    noise = np.array(noise) / expected
    assert abs(noise.std() - 1) < 0.01  # the 1024-entry table's own sigma is 0.998; 51,200 draws
    assert abs(noise.mean()) < 5 / 51200**0.5
    columns, events_axis = noise.std(axis=0), noise.std(axis=1)
    assert columns.min() > 0.7 and events_axis.min() > 0.7  # noise in each column and in each read


def test_load_restores_a_snapshot_and_keeps_the_rules():
    macro = GoldenMacro(INSTANCES["TINY"], simple_image(stuck_threshold=6000))
    macro.strobe(2, np.ones(6), np.zeros(6), 0)
    snapshot, first = macro.conductances(), macro.integrate(np.full(9, 100))
    macro.erase()
    macro.load(snapshot)
    assert (macro.conductances() == snapshot).all() and (macro.integrate(np.full(9, 100)) == first).all()
    macro.load(np.full((9, 6, 2), -5))
    free = macro.state.stuck == 0
    assert (macro.conductances()[free] == 65535 // 8).all()
    assert (macro.conductances()[~free] == snapshot[~free]).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: m.strobe(9, [0] * 6, [0] * 6, 0), "no row 9 of 9"),
        (lambda m: m.strobe(0, [0] * 6, [0] * 6, 2), "polarity 2"),
        (lambda m: m.strobe(0, [0] * 5, [0] * 6, 0), "masks of shape"),
        (lambda m: m.integrate([0] * 8), "codes of shape"),
        (lambda m: m.integrate([256] + [0] * 8), "leave 0..255"),
        (lambda m: m.integrate_transposed(6, 0, 0), "no column 6 or 0 of 6"),
        (lambda m: m.integrate_transposed(0, -1, 0), "no column 0 or -1 of 6"),
        (lambda m: m.integrate_transposed(0, 1, 9), "no row 9 of 9"),
        (lambda m: m.load(np.zeros((9, 6))), "states of shape"),
        (lambda m: GoldenMacro(INSTANCES["ULX3S"], m.image), "16-bit states, the hardware 9"),
    ],
)
def test_misuse_is_named(call, message):
    macro = GoldenMacro(INSTANCES["TINY"], simple_image())
    with pytest.raises(ValueError, match=message):
        call(macro)
