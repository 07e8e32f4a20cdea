"""The serial link to an array over pins: which frames there are, and what is in them.  Both ends read this file.

A frame is `frame` high while beats of `BEAT_BITS` bits pass on `data`, each taken at a rising edge of `clock`.  It
acts when `frame` falls behind as many beats as its operation has; a shorter one is forgotten.  Its bits, the lowest of the
first beat first: the operation, then the fields in the order given here.  Signed fields are two's complement.

Beside the frames are levels: `strobe` and `select` to the array, `ready`, `compare` and `answer` from it.
"""

from enum import IntEnum
from math import ceil

from spec.params import HwParams
from spec.registers import BY_NAME

BEAT_BITS = 8
OPERATION_BITS = 3
BEAT_CYCLES = 2
"""Clock cycles of the controller per beat: `clock` low with new data, then high."""
SYNC_CYCLES = 2
"""Flip-flops behind each pin that comes from the array."""
TURNAROUND_CYCLES = 8
"""Cycles after a frame or a strobe before the controller looks at `ready`: by then the array must have let it fall."""
DECODE_CYCLES = 5
"""Cycles of the far end from the end of a frame to its effect, with its own flip-flops behind the pins."""


class Op(IntEnum):
    """Operation of a frame, and what it does at the far end."""

    CODES = 0  # one word of row codes into the shadow register
    INTEGRATE = 1  # as MacroPort
    TRIAL = 2  # what the converters compare with
    LSB = 3  # their reference
    MASK = 4  # one word of the masks, with row, polarity and amplitude
    ERASE = 5
    READOUT = 6  # the states of a pair come by ANSWER, after ready
    ANSWER = 7  # a beat each shifts one bit of the states out on `answer`, the lowest of G+ first


def _bits(register: str, field: str = "value") -> int:
    """Of a field whose value goes to the array as it is."""
    return next(f.bits for f in BY_NAME[register].fields if f.name == field)


def fields(params: HwParams) -> dict[Op, dict[str, int]]:
    """Bits of each field, by the names of the port's members; arrays as they are there, the first element lowest."""
    p = params
    return {
        Op.CODES: {"dac_word": max(1, (p.row_words - 1).bit_length()), "dac_codes": p.dac_bits * p.dac_load_lanes},
        Op.INTEGRATE: {"integrate_cycles": _bits("INTEGRATE")},
        Op.TRIAL: {"group": max(1, (p.adc_groups - 1).bit_length()), "trial": p.adc_bits * p.converters},
        Op.LSB: {"lsb": _bits("LSB")},
        Op.MASK: {
            "first": 1, "depress": 1, "row": p.row_bits, "amplitude": _bits("WRITE", "amplitude"), "word": p.update_word_bits,
            "up": p.update_columns, "down": p.update_columns,
        },
        Op.ERASE: {},
        Op.READOUT: {"readout_row": p.row_bits, "readout_column": p.column_bits},
        Op.ANSWER: {},
    }  # fmt: skip


def beats(params: HwParams) -> dict[Op, int]:
    """Beats of each frame."""
    found = {
        op: ceil((OPERATION_BITS + sum(widths.values())) / BEAT_BITS) for op, widths in fields(params).items()
    }
    return found | {Op.ANSWER: 2 * params.state_bits}


def trial_cycles(params: HwParams) -> int:
    """Cycles from a new trial code on the port to the comparators' answer on it, the comparators themselves apart.

    Before it may be a frame that is cut short.  A new LSB goes before the trial code, in `lsb_cycles` more.
    """
    return 3 * BEAT_CYCLES + beats(params)[Op.TRIAL] * BEAT_CYCLES + DECODE_CYCLES + SYNC_CYCLES


def lsb_cycles(params: HwParams) -> int:
    """Cycles of the frame of a new LSB, with the pause behind it."""
    return (beats(params)[Op.LSB] + 2) * BEAT_CYCLES
