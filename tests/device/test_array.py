"""The golden array is its macros, each with its part of the layer and its own events."""

from dataclasses import replace

import numpy as np
import pytest

from model.controller.partial_sum import partial_sum
from model.device.array import GoldenArray, array_strobes_pair
from model.device.compile import compile_device
from model.device.macro import GoldenMacro
from model.device.verify import VerifySettings, verify_array
from spec.device_file import load_device
from spec.device_image import offset
from spec.grid import macro_image, tiles
from spec.params import INSTANCES

TINY = INSTANCES["TINY"]
GRID = replace(TINY, name="GRID", rows=14, columns=7, macro_rows=4, macro_columns=2)
SETTINGS = VerifySettings(tolerance=200, movement=100, pulse_cap=40)


@pytest.fixture(scope="module")
def image():
    spec = load_device("AlOx/HfO2")
    return compile_device(spec, spec.nonideal, TINY.state_bits, 3, 0.3, TINY.read_bits)


def operate(array, macros, rng):
    """A read and two strobes, on the array and, cut by hand, on its macros."""
    p = array.params
    codes = rng.integers(0, 256, p.rows)
    sums = np.zeros((p.grid_rows, p.columns), np.int32)
    for tile, macro in macros:
        sums[tile.row, tile.columns] = macro.integrate(codes[tile.rows])
    assert np.array_equal(array.integrate(codes), sums)
    for polarity in (0, 1):
        row, up = int(rng.integers(p.rows)), rng.random(p.columns) < 0.3
        down = ~up & (rng.random(p.columns) < 0.3)
        array.strobe(row, up, down, polarity)
        for tile, macro in macros:
            own = up[tile.columns], down[tile.columns]
            if tile.rows.start <= row < tile.rows.stop and (len(macros) == 1 or np.any(own)):
                macro.strobe(row - tile.first_row, *own, polarity)


@pytest.mark.parametrize("params", [TINY, GRID], ids=lambda p: p.name)
def test_an_array_is_its_macros(params, image):
    array, rng = GoldenArray(params, image), np.random.default_rng(1)
    macros = [(tile, GoldenMacro(tile.params, macro_image(image, tile.place))) for tile in tiles(params)]
    for _ in range(40):
        operate(array, macros, rng)
    assert array.events.tolist() == [list(macro.events) for _, macro in macros]
    states = array.conductances()
    for tile, macro in macros:
        assert np.array_equal(states[tile.rows, tile.columns], macro.conductances())
    array.erase()
    assert not np.array_equal(array.conductances(), states)
    array.load(states)
    assert np.array_equal(array.conductances(), states)


def test_macros_without_a_selected_cell_get_no_strobe(image):
    array = GoldenArray(GRID, image)
    up = np.zeros(GRID.columns, np.uint8)
    up[6] = 1
    array.strobe(5, up, np.zeros_like(up), 0)
    strobes = dict(zip([tile.name for tile in array.tiles], array.events[:, 1].tolist(), strict=True))
    assert strobes.pop("macro_1_3") == 1
    assert not any(strobes.values())


@pytest.mark.parametrize("params", [TINY, GRID], ids=lambda p: p.name)
def test_strobes_of_one_pair_are_those_of_masks_with_one_column(params, image):
    masked, paired, rng = GoldenArray(params, image), GoldenArray(params, image), np.random.default_rng(2)
    events = paired.events
    for plus, minus in [(1, 0), (0, 1), (1, 1)] * 20:
        row, column, polarity = (
            int(rng.integers(params.rows)),
            int(rng.integers(params.columns)),
            plus ^ minus,
        )
        up, down = (np.zeros(params.columns, np.uint8) for _ in range(2))
        up[column], down[column] = plus, minus
        times = int(rng.integers(4))
        for _ in range(times):
            masked.strobe(row, up, down, polarity)
        first = paired.macros[0].state
        array_strobes_pair(paired.state, first, row, column, plus, minus, polarity, times, events)
    assert np.array_equal(events, masked.events)
    assert np.array_equal(paired.conductances(), masked.conductances())
    assert np.array_equal(paired.pulses(), masked.pulses())


def test_strobes_of_a_row_are_given_one_after_the_other(image):
    one, all_at_once = GoldenArray(GRID, image), GoldenArray(GRID, image)
    up, down = (np.random.default_rng(k).integers(0, 2, (9, GRID.columns)).astype(np.uint8) for k in (3, 4))
    for k in range(len(up)):
        one.strobe(5, up[k], down[k], 0)
    all_at_once.strobes(5, up, down, 0)
    assert np.array_equal(one.conductances(), all_at_once.conductances())
    assert np.array_equal(one.events, all_at_once.events)


def test_macros_do_not_repeat_each_other(image):
    array = GoldenArray(replace(TINY, rows=8, columns=4, macro_rows=4, macro_columns=2), image)
    first, *others = (macro.state.quantiles for macro in array.macros)
    assert all((first != other).any() for other in others)


def test_what_does_not_fit_is_refused(image):
    array, none = GoldenArray(GRID, image), np.zeros(GRID.columns, np.uint8)
    with pytest.raises(ValueError, match="shape"):
        array.integrate(np.zeros(GRID.rows + 1, int))
    with pytest.raises(ValueError, match="shape"):
        array.load(np.zeros((GRID.rows, GRID.columns), int))
    with pytest.raises(ValueError, match="masks"):
        array.strobe(0, none[1:], none[1:], 0)
    with pytest.raises(ValueError, match="row"):
        array.strobe(GRID.rows, none, none, 0)


@pytest.mark.parametrize("way", ["cell", "pair"])
def test_program_verify_of_a_grid_is_that_of_its_macros(way, image):
    array = GoldenArray(GRID, image)
    targets = np.random.default_rng(0).integers(20_000, 40_000, (GRID.rows, GRID.columns, 2))
    cost, strobes = verify_array(array, targets, way, SETTINGS, logged=True)
    single = [GoldenArray(tile.params, macro_image(image, tile.place)) for tile in array.tiles]
    costs = [
        verify_array(macro, targets[tile.rows, tile.columns], way, SETTINGS)[0]
        for tile, macro in zip(array.tiles, single, strict=True)
    ]
    for figure in ("pulses", "pulses_up", "reads", "capped", "unresponsive"):
        assert getattr(cost, figure) == sum(getattr(c, figure) for c in costs)
    assert cost.pulses > GRID.rows * GRID.columns
    assert array.events.tolist() == [macro.events[0].tolist() for macro in single]
    for tile, macro in zip(array.tiles, single, strict=True):
        assert np.array_equal(array.conductances()[tile.rows, tile.columns], macro.conductances())
    pairs = strobes.row * GRID.columns + np.argmax(strobes.up | strobes.down, axis=1)
    assert (np.diff(pairs) >= 0).all()  # of the layer, in row order
    assert len(set(pairs.tolist())) > 0.9 * GRID.rows * GRID.columns


def test_converters_of_each_macro_err_in_their_own_way(image):
    params = replace(GRID, converter_errors=1, macro_columns=3)  # the last macros have one converter
    words = list(image.words)
    words[offset("converter_offset")], words[offset("converter_gain")] = 1 << 12, 1 << 10
    erring = replace(image, words=tuple(words))
    array = GoldenArray(params, erring)
    errors = [macro.state.errors for macro in array.macros]
    assert [each.shape[1] for each in errors] == [2, 2, 1] * 4
    assert len({each.tobytes() for each in errors}) == len(errors)
    macros = [(tile, GoldenMacro(tile.params, macro_image(erring, tile.place))) for tile in tiles(params)]
    operate(array, macros, np.random.default_rng(2))


@pytest.mark.parametrize(
    ("partial", "column", "clipped"),
    [
        ([[5], [7]], 12, 0),
        ([[20], [20]], 31, 1),
        ([[31], [-20]], 11, 1),  # more may hide behind full scale
        ([[31], [-31]], 0, 1),
        ([[-31], [-3]], -31, 0),  # a negative code is 0 to the layer above, whatever it is
        ([[-31], [30]], -1, 0),
        ([[-31], [16], [17]], 2, 1),
        ([[31]], 31, 1),
        ([[-31]], -31, 0),
    ],
)
def test_a_column_is_clipped_where_a_partial_code_may_make_it_wrong(partial, column, clipped):
    codes = np.array(partial, np.int32).ravel()
    found, count = partial_sum(codes, len(partial), 6)
    assert (found.tolist(), count) == ([column], clipped)
