"""Cycles of each operation of the behavioural macro: how many `ready` is low.  Pure Python, for predictions of time.

The constants of this file are held against the RTL when it is elaborated, the formulas by a test.
"""

from collections.abc import Sequence

from spec.params import HwParams

KEYS_CYCLES = 26
"""Generator keys of an operation; of an array whose converters err, one more."""
STATE_STAGES = 4
"""Stages from the address of a word of states to the word."""
LANE_STAGES = 57
"""Stages of the pulse arithmetic."""
CELL_STAGES = 3
"""Stages from a word's selected devices to one device's state."""
SUM_STAGES = 9
"""Stages from a row's code to the accumulators."""
NOISE_STAGES = 23
"""Stages from a column's number, or that of a row read transposed, to its read noise."""
ERROR_STAGES = 30
"""Stages from a converter's number to what it sees."""
WALK_START_CYCLES = 8
"""Cycles from the start of a read until the first word of codes is walked over."""
WORD_CYCLES = LANE_STAGES + CELL_STAGES + STATE_STAGES + 3
"""Cycles of a write for each word of columns: it is read, and stored when its last cell has its new state."""
READOUT_CYCLES = STATE_STAGES + 1
"""Cycles of a readout from the first word of columns."""
READING_STAGES = 23
"""Stages from a pair's column to the noise of its reading."""


def keys_cycles(params: HwParams) -> int:
    """Cycles of the generator's keys."""
    return KEYS_CYCLES + params.converter_errors


def power_bits(params: HwParams) -> int:
    """Width of the sum of the squares of all input codes."""
    return (params.rows * params.dac_full_scale**2).bit_length()


def root_cycles(params: HwParams) -> int:
    """Cycles of the square root: one for each bit of it."""
    return (power_bits(params) + 1) // 2


def scan_stages(params: HwParams) -> int:
    """Stages from a word of codes to the sum of their squares."""
    return 5 + (params.dac_load_lanes - 1).bit_length()


def integrate_latency(params: HwParams, integrate_cycles: int, codes: Sequence[int] | None = None) -> int:
    """Cycles of an integrate of `codes` (rows); without codes, of all rows non-zero, the longest there is.

    Words of `dac_load_lanes` codes are scanned, one per cycle.  Those with a code that is not zero are walked over:
    `macro_words` cycles for each non-zero row.  The noise needs the sum over all codes, then one cycle per column; it is
    added a word of columns per cycle.  The array is busy for the programmed time at least.
    """
    lanes = params.dac_load_lanes
    codes = [1] * params.rows if codes is None else list(codes)
    words = [sum(code != 0 for code in codes[k : k + lanes]) for k in range(0, params.rows, lanes)]
    walked = 0
    for word, rows in enumerate(words):
        if rows:
            walked = max(walked, WALK_START_CYCLES + word) + rows * params.macro_words
    rooted = len(words) + scan_stages(params) + 1 + root_cycles(params)
    columns = params.macro_words * params.macro_lanes
    noise = max(rooted, keys_cycles(params)) + columns + NOISE_STAGES + 2
    computed = max(walked + SUM_STAGES + 2, noise) + 1 + params.macro_words
    if params.converter_errors:
        computed += columns + ERROR_STAGES
    return max(integrate_cycles, computed)


def transposed_latency(params: HwParams, integrate_cycles: int) -> int:
    """Cycles of a transposed read: one for each word of the converters' rows, those beyond the last row as well."""
    words = params.adc_channels * params.macro_words
    return max(integrate_cycles, keys_cycles(params) + words + NOISE_STAGES)


def strobe_latency(params: HwParams, width: int, up: Sequence[int], down: Sequence[int]) -> int:
    """Cycles of a strobe of `width` cycles on the devices `up` and `down` (columns, non-zero selects).

    It depends on them: one cycle per device, and `WORD_CYCLES` per word of `macro_lanes` columns that has any.
    """
    selected = [int(u != 0) + int(d != 0) for u, d in zip(up, down, strict=True)]
    lanes = params.macro_lanes
    words = sum(any(selected[k : k + lanes]) for k in range(0, params.columns, lanes))
    return max(width, keys_cycles(params) + words * WORD_CYCLES + sum(selected) + 1)


def erase_latency(params: HwParams) -> int:
    """Cycles of an erase: like a strobe of all devices on one row after the other."""
    row = params.macro_words * WORD_CYCLES + 2 * params.columns + 1
    return keys_cycles(params) + params.rows * row


def readout_latency(params: HwParams, column: int) -> int:
    """Cycles of a readout: one more for each word of `macro_lanes` columns before the column's own.

    An array that gives readings takes their time for every readout.
    """
    reading = keys_cycles(params) + READING_STAGES + 1 if params.verify else 0
    return READOUT_CYCLES + column // params.macro_lanes + reading
