"""Where a strobe of the layer goes in a grid of macros."""

from model.jit import kernel


@kernel
def pulse_route(row, up, down, first_row, rows):
    """Whether a macro gets the strobe: it has the row, and a cell of its columns is selected.

    row: of the layer; up, down: masks of the macro's own columns, uint8[columns]; first_row, rows: those of the macro.
    """
    if row < first_row or row >= first_row + rows:
        return False
    for column in range(up.shape[0]):
        if up[column] | down[column]:
            return True
    return False
