"""A layer on a grid of macros: which macro holds what, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest

from spec.choices import MOST_TILES
from spec.device_image import SECTIONS, DeviceImage, offset
from spec.errors import InputError
from spec.grid import macro_image, macro_seed, tiles
from spec.params import INSTANCES

TINY = INSTANCES["TINY"]
SHAPES = [(9, 6, 1024, 1024), (9, 6, 8, 4), (13, 7, 4, 2), (16, 8, 4, 2), (9, 6, 9, 6), (9, 7, 1024, 6)]


def grid(rows, columns, macro_rows, macro_columns):
    sizes = {"rows": rows, "columns": columns, "macro_rows": macro_rows, "macro_columns": macro_columns}
    return replace(TINY, **sizes)


@pytest.mark.parametrize("shape", SHAPES)
def test_every_pair_is_on_one_macro(shape):
    p = grid(*shape)
    held = np.zeros((p.rows, p.columns), int)
    for tile in tiles(p):
        held[tile.rows, tile.columns] += 1
        assert tile.params.rows <= p.macro_rows and tile.params.columns <= p.macro_columns
        assert tile.params.macros == 1
    assert (held == 1).all()
    assert len(tiles(p)) == p.macros == p.grid_rows * p.grid_columns


def test_a_macro_alone_is_the_hardware_itself():
    (alone,) = tiles(TINY)
    assert (alone.params, alone.name, alone.place) == (TINY, "macro", 0)


@pytest.mark.parametrize("shape", SHAPES)
def test_every_column_is_in_one_group(shape):
    p = grid(*shape)
    groups = [p.group_columns(group) for group in range(p.adc_groups)]
    assert sorted(c for group in groups for c in group if c is not None) == list(range(p.columns))
    assert {len(group) for group in groups} == {p.group_channels}
    flat = [c for group in groups for c in group]
    assert [flat[place] for place in p.column_places] == list(range(p.columns))


def test_macros_along_the_columns_convert_at_the_same_time():
    assert grid(9, 6, 1024, 1024).adc_groups == 3
    assert grid(9, 6, 8, 2).adc_groups == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rows": 17, "macro_rows": 4}, "macro_rows: 4 makes 5 macros of 17 rows, 4 at most: 5 or more"),
        ({"columns": 9, "macro_columns": 2}, "macro_columns: 2 makes 5 macros of 9 columns, 4 at most: 3 or more"),
        ({"macro_rows": 6}, "macro_rows: 6 is no multiple of dac_load_lanes"),
        ({"macro_columns": 1, "columns": 4}, "adc_channels: 2 is more than macro_columns"),
        ({"macro_rows": 0}, "macro_rows: 0 is outside 1..1024"),
    ],
)  # fmt: skip
def test_an_illegal_grid_is_refused(changes, message):
    with pytest.raises(InputError, match=message):
        replace(TINY, **changes)


def test_each_macro_is_a_chip_of_its_own():
    places = range(MOST_TILES * MOST_TILES)
    assert len({macro_seed(seed, place) for seed in range(50) for place in places}) == 50 * len(places)
    image = DeviceImage(16, tuple(range(sum(section.depth for section in SECTIONS))))
    assert macro_image(image, 0) == image
    other = macro_image(image, 5)
    assert [k for k, word in enumerate(other.words) if word != image.words[k]] == [offset("seed")]
