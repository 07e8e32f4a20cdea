"""Half-select disturb: cells on the row or on a column of a selected cell see part of its voltage.

With inhibition at V/2 every other cell of the row and of each selected column line (G+ and G- have lines of their own) moves a
little in the strobe's direction (measured in AND arrays: K. Ni et al., IEEE EDL 39(11):1656, 2018).  The mean move is a share
`disturb` of the cell's own step.  A strobe hits a half-selected cell with a chance of 16 `disturb`, by a sixteenth of a step.
"""

from model.device.cell import moves, nudge
from model.jit import kernel
from spec.effects import CHANCE_BITS, HIT_SHIFT
from spec.numerics import DOMAIN_DISTURB, cell_index, draw, event_key


@kernel
def _maybe(state, row, column, minus, polarity, key):
    h = draw(key, cell_index(row, column, minus, state.g.shape[1]))
    hit = (h & ((1 << CHANCE_BITS) - 1)) < state.effects.tables.disturb
    if hit and moves(state, row, column, minus):
        nudge(state, row, column, minus, polarity, HIT_SHIFT, h >> CHANCE_BITS)


@kernel
def half_select(effects, state, row, up, down, polarity, seed, event):
    """What a strobe does to the cells that it does not select; arguments as of `model.device.macro.strobe`."""
    if effects is None:
        return
    if effects.tables.disturb == 0:
        return
    key = event_key(seed, DOMAIN_DISTURB, event)
    for column in range(up.shape[0]):
        for minus in range(2):
            selected = up[column] if minus == 0 else down[column]
            if selected:
                for other in range(state.g.shape[0]):
                    if other != row:
                        _maybe(state, other, column, minus, polarity, key)
            else:
                _maybe(state, row, column, minus, polarity, key)
