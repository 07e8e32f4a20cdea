"""IR drop: what the resistance of rows and columns leaves of each cell's conductance.

A row is driven at its left end, a column ends in a virtual ground at its bottom; between neighbours, and to the source and
the ground, a wire has resistance r.  G+ and G- of pair j have the column lines 2 j and 2 j + 1.  The network is linear, so what column l gets from
row i at 1 V is a matrix H that does not depend on the inputs, and the attenuation of a cell is H / G.

- exact: nodal analysis (A. Chen, IEEE TED 60(4):1318, 2013), a sparse LU of all 2 R L nodes, one solution for each line: with
  the ground of a line at 1 V and the sources at 0 the potentials of its cells' rows give H by reciprocity.
- ladder: H = G a b with a the potential along each row if the columns were ideal, and b that of each line, driven from its
  ground, if the rows were: two tridiagonal systems.  Exact to first order in r, and where only one kind of wire resists.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_matrix
from scipy.sparse.linalg import splu

from model.jit import kernel
from spec.errors import InputError

Floats = NDArray[np.float64]

FRACTION_BITS = 16
MOST = 2 << FRACTION_BITS
"""Largest attenuation that is kept: of a cell that barely conducts, other paths may weigh more than its own."""
NODE_LIMIT = 60_000
"""Nodes up to which the exact solver is let loose: beyond, its memory and time are those of another machine."""


def _ladder(conductances: Floats, wire: float) -> Floats:
    """Potential at each load of ladders that are driven with 1 from their first end; axis 0 runs along them.

    conductances: of the loads to ground, float64[n, ladders]; wire: conductance of a segment.
    """
    n = len(conductances)
    # from the far end: seen[k] is the conductance of node k and of all behind it, as node k - 1 sees it by its segment
    total = np.empty_like(conductances)
    total[-1] = conductances[-1]
    for k in range(n - 2, -1, -1):
        behind = total[k + 1]
        total[k] = conductances[k] + wire * behind / (wire + behind)
    share = wire / (wire + total)
    return np.cumprod(share, axis=0, dtype=np.float64)


def ladder(conductances: Floats, wire: float) -> Floats:
    """H of a network, float64[rows, lines], by the approximation; conductances likewise; wire: conductance of a segment."""
    rows = _ladder(conductances.T, wire).T
    lines = _ladder(conductances[::-1], wire)[::-1]
    return conductances * rows * lines


def exact(conductances: Floats, wire: float) -> Floats:
    """H of a network, float64[rows, lines], by nodal analysis; conductances likewise; wire: conductance of a segment.

    Raises `InputError` for a network of more than `NODE_LIMIT` nodes.
    """
    rows, lines = conductances.shape
    cells = rows * lines
    if 2 * cells > NODE_LIMIT:
        text = (
            f"{rows} x {lines} lines have {2 * cells} nodes, the exact solver takes {NODE_LIMIT}; take ladder"
        )
        raise InputError(text, key="nonideal.wire_solver")
    top = np.arange(cells).reshape(rows, lines)  # nodes of the rows; those of the lines follow
    bottom = top + cells
    pairs = (
        (top, bottom, conductances),
        (top[:, :-1], top[:, 1:], np.full((rows, lines - 1), wire)),
        (bottom[:-1], bottom[1:], np.full((rows - 1, lines), wire)),
    )
    first, second, values = (np.concatenate([p[k].ravel() for p in pairs]) for k in range(3))
    ends = np.concatenate([top[:, 0], bottom[-1]])
    places = (
        np.concatenate([first, second, first, second, ends]),
        np.concatenate([first, second, second, first, ends]),
    )
    entries = np.concatenate([values, values, -values, -values, np.full(len(ends), wire)])
    matrix = csc_matrix((entries, places), shape=(2 * cells, 2 * cells))
    driven = np.zeros((2 * cells, lines))
    driven[bottom[-1], np.arange(lines)] = wire
    # current into the source of row i, which is the current into the ground of the line from that source
    return (
        wire
        * splu(matrix, permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True}).solve(driven)[top[:, 0]]
    )


def attenuations(states: np.ndarray, solver: str, wire_ohm: float, siemens_per_code: float) -> np.ndarray:
    """Share of each cell's conductance that its column sees, 16 fraction bits, int32[rows, columns, 2].

    states: state codes of a macro, [rows, columns, 2].  solver: of `spec.effects.WIRE_SOLVERS`.
    """
    rows, columns, _ = states.shape
    g = states.reshape(rows, 2 * columns).astype(np.float64)
    wire = 1.0 / (wire_ohm * siemens_per_code)  # in state codes
    seen_codes = (exact if solver == "exact" else ladder)(g, wire)
    share = np.divide(seen_codes, g, out=np.ones_like(g), where=g > 0)
    codes = np.clip(np.rint(share * (1 << FRACTION_BITS)), 0, MOST)
    return codes.astype(np.int32).reshape(rows, columns, 2)


@kernel
def seen(effects, row, column, minus, g):
    """What a read sees of a cell's state code `g`, in state codes."""
    if effects is None:
        return g
    if effects.tables.wired == 0:
        return g
    return (g * effects.attenuation[row, column, minus]) >> FRACTION_BITS
