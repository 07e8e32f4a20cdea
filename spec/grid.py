"""A layer on a grid of macros: the part of it that each macro holds, and what makes each a chip of its own."""

from dataclasses import dataclass, replace
from functools import cache

from spec.choices import MOST_TILES
from spec.device_image import DeviceImage, offset
from spec.numerics import GOLDEN_RATIO, MASK32
from spec.params import HwParams


@dataclass(frozen=True)
class Tile:
    """One macro: its place in the grid, and the rows and columns of the layer that it holds."""

    row: int
    column: int
    first_row: int
    first_column: int
    params: HwParams
    """Those of this macro alone: its own rows and columns, no more converters and lanes than columns."""
    name: str
    """Of its port: `macro` when it is alone, else `macro_<row>_<column>`."""

    @property
    def place(self) -> int:
        """Its number, the same in every grid."""
        return self.row * MOST_TILES + self.column

    @property
    def rows(self) -> slice:
        return slice(self.first_row, self.first_row + self.params.rows)

    @property
    def columns(self) -> slice:
        return slice(self.first_column, self.first_column + self.params.columns)


@cache
def tiles(params: HwParams) -> tuple[Tile, ...]:
    """The macros of a layer, row by row; those at the edges may be smaller."""
    p = params
    if p.macros == 1:
        return (Tile(0, 0, 0, 0, p, "macro"),)
    found = []
    for row in range(p.grid_rows):
        for column in range(p.grid_columns):
            first_row, first_column = row * p.macro_rows, column * p.macro_columns
            columns = min(p.macro_columns, p.columns - first_column)
            own = replace(
                p,
                name=f"{p.name}-{row}-{column}",
                rows=min(p.macro_rows, p.rows - first_row),
                columns=columns,
                adc_channels=min(p.adc_channels, columns),
                update_columns=min(p.update_columns, columns),
                bank_columns=1,
                macro_lanes=min(p.macro_lanes, columns),
            )
            found.append(Tile(row, column, first_row, first_column, own, f"macro_{row}_{column}"))
    return tuple(found)


@cache
def upper_tile(params: HwParams) -> Tile:
    """The macro of an analog upper layer; its place follows those of the largest grid."""
    return Tile(MOST_TILES, 0, 0, 0, params.upper, "upper_macro")


def macro_seed(seed, place):
    """The seed of the macro at a place of the grid, from that of the layer's image; place 0 has the image's own."""
    return (seed + place * GOLDEN_RATIO) & MASK32


def macro_image(image: DeviceImage, place: int) -> DeviceImage:
    """The image of the macro at a place: the layer's, with a seed of its own."""
    words = list(image.words)
    words[offset("seed")] = macro_seed(words[offset("seed")], place)
    return replace(image, words=tuple(words))
