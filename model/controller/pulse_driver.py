"""Operations to write lines, cycle by cycle."""

from collections.abc import Iterable
from typing import Any, NamedTuple


class Lines(NamedTuple):
    """The write lines of one cycle; the masks are whatever the operation had."""

    row: int
    up: Any
    down: Any
    depress: int
    strobe: int


def slot_cycles(width: int, guard: int, guard_min: int = 1) -> int:
    """Cycles that one operation takes on an array that never stretches: guard + width + guard."""
    return 2 * max(guard, guard_min) + max(width, 1)


def pulse_driver(
    operations: Iterable[tuple[int, Any, Any, int]], width: int, guard: int, guard_min: int = 1
) -> list[Lines]:
    """The write lines while `operations` (row, up, down, depress) follow each other without a gap.

    width, guard: of the registers PULSE and GUARD; a value below 1, or below guard_min, acts as that.  Returns one
    `Lines` per cycle, `slot_cycles` per operation: lines alone for `guard` cycles, strobe for `width`, lines alone
    for `guard`.
    """
    quiet, pulse = max(guard, guard_min), max(width, 1)
    shape = [0] * quiet + [1] * pulse + [0] * quiet
    return [Lines(*operation, strobe) for operation in operations for strobe in shape]
