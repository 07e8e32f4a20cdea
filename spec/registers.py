"""The register map: the only place where a register, a field, an address or a reset value is written.

RTL (`hw/register_file.py`), host driver (`sim/host.py`), golden register view and docs/registers.md read it.
Addresses count 32-bit words.  A field wider than 32 bits does not exist: counters wrap at 2**32.
"""

from dataclasses import dataclass, field
from enum import Enum, IntEnum

from spec.params import HwParams

MAGIC = 0x4352_5354  # "CRST"
VERSION = 2
NEVER = 0xFFFF_FFFF


class Mode(IntEnum):
    """What a run does; value of the field MODE.mode."""

    INFER = 0
    TRAIN = 1
    TRANSFER = 2
    DEBUG = 3
    VERIFY = 4
    TUNE = 5
    CALIBRATE = 6


VERIFY_WAYS = ("cell", "pair")
"""What program-verify brings near a target, in the order of VERIFY_WAY: each cell, or each pair's difference."""


class Fault(IntEnum):
    """Bit numbers of FAULT.cause."""

    UP_AND_DOWN = 0
    BUSY_ARRAY = 1
    WIDTH = 2
    REPEAT = 3
    COUNT_CAP = 4
    STROBE_CAP = 5
    GUARD = 6
    WATCHDOG = 7
    ABORT = 8
    DEVICES = 9
    READOUT = 10


FAULT_DOC = {
    Fault.UP_AND_DOWN: "a strobe was asked to pulse both devices of one pair",
    Fault.BUSY_ARRAY: "a strobe, integrate or erase was asked for while the array was in use",
    Fault.WIDTH: "a strobe was held longer than the pulse width allows; it was cut",
    Fault.REPEAT: "a strobe outside its turn: outside a run or a sample's commit, a row (in verify and tune: a pair) again or out of order, depressing in training; or a bit plane behind a strobe",
    Fault.COUNT_CAP: "in transfer, more strobes of one row than COUNT_CAP; in verify and tune, of one pair",
    Fault.STROBE_CAP: "the strobes of the run reached STROBE_CAP",
    Fault.GUARD: "a strobe came closer to the last one, or to a line change, than the guard time",
    Fault.WATCHDOG: "an array operation did not end in time",
    Fault.ABORT: "the host aborted the run",
    Fault.DEVICES: "in verify and tune, a strobe that does not pulse exactly one device",
    Fault.READOUT: "cells were to be read out in an infer, train or transfer run",
}


class Access(Enum):
    RO = "ro"  # hardware writes, host reads
    RW = "rw"  # host writes and reads, hardware reads
    TRIGGER = "trigger"  # writing 1 gives one cycle of 1; reads 0
    PORT = "port"  # every write is an event of its own with the data; reads 0


@dataclass(frozen=True)
class Field:
    name: str
    bits: int
    doc: str
    reset: int = 0


@dataclass(frozen=True)
class Register:
    name: str
    access: Access
    doc: str
    fields: tuple[Field, ...] = field(default_factory=tuple)
    needs: str = ""
    """A property of the parameters without which the register is not there: it reads 0, a write does nothing."""

    def built_in(self, params: HwParams) -> bool:
        return not self.needs or bool(getattr(params, self.needs))


def _value(name: str, access: Access, bits: int, doc: str, reset: int = 0, needs: str = "") -> Register:
    """A register with the one field `value`."""
    return Register(name, access, doc, (Field("value", bits, doc, reset),), needs)


_CORRECTION = (
    Field("offset", 10, "offset in codes, signed"),
    Field("gain", 14, "gain, 12 fraction bits"),
)
_RO, _RW, _TRIGGER, _PORT = Access.RO, Access.RW, Access.TRIGGER, Access.PORT

REGISTERS: tuple[Register, ...] = (
    _value("MAGIC", _RO, 32, "identity: the letters CRST"),
    _value("VERSION", _RO, 32, "version of this map"),
    _value("PARAMS_HASH", _RO, 32, "hash of the hardware parameters; the driver refuses another one"),
    Register("CONTROL", _TRIGGER, "commands; all but abort and clear_fault are ignored while busy or in a fault", (
        Field("start", 1, "start a run in MODE"),
        Field("erase", 1, "bring every cell of the array to its erased state"),
        Field("clear_memory", 1, "clear the update memory"),
        Field("clear_counters", 1, "clear the counters"),
        Field("rewind_weights", 1, "the next WEIGHT_DATA is hidden unit 0, class 0"),
        Field("abort", 1, "end the run and any strobe at once; latches the fault ABORT"),
        Field("clear_fault", 1, "clear the latched faults; ignored while a run is active"),
    )),
    Register("STATUS", _RO, "what the controller is doing", (
        Field("busy", 1, "a run or a command is active"),
        Field("fault", 1, "a fault is latched: no strobe until it is cleared"),
    )),
    _value("FAULT", _RO, len(Fault), "latched fault causes, one bit each (see Fault)"),
    _value("MODE", _RW, 3, "mode of the next run (see Mode); writes are ignored while busy"),
    _value("RULE", _RW, 2, "update rule, by its place in RULES; must be built in"),
    _value("SAMPLES", _RW, 32, "samples of the next infer or train run"),
    _value("LSB", _RW, 24, "reference of the column converters: one code, in column-sum units; 0 acts as 1", 1),
    _value("LOGIT_SHIFT", _RW, 5, "rounding shift from upper-layer sums to output codes"),
    _value("MARGIN", _RW, 17, "a sample updates when code[target] - code[best rival] is below this", 12),
    _value("THRESHOLD", _RW, 31, "update-memory value that gives a pulse; rules manhattan, stochastic: of so many chances one, rounded up to a power of two; 0 acts as 1", 1 << 18),
    _value("DOUBLE_FIRST", _RW, 32, "sample of the run from which the threshold is doubled", NEVER),
    _value("DOUBLE_SECOND", _RW, 32, "sample of the run from which the threshold is doubled once more", NEVER),
    _value("X_THRESHOLD", _RW, 8, "rules counter, manhattan: least input code that counts", 128),
    _value("DELTA_THRESHOLD", _RW, 10, "rules counter, manhattan: least |delta| that counts; 0 acts as 1", 16),
    _value("PULSE", _RW, 16, "strobe width in cycles; 0 acts as 1", 5),
    _value("GUARD", _RW, 8, "cycles between a strobe and line changes; at least guard_min_cycles", 1),
    _value("INTEGRATE", _RW, 16, "integration time in cycles, for pulse_width of one code unit; 0 acts as 1", 10),
    Register("WRITE", _RW, "how the cells are pulsed", (
        Field("depress", 1, "polarity: 0 potentiates, 1 depresses (transfer only; training potentiates)"),
        Field("amplitude", 8, "amplitude code of the pulse"),
    )),
    _value("STROBE_CAP", _RW, 32, "strobes allowed in a run; reaching it is a fault", NEVER),
    _value("COUNT_CAP", _RW, 16, "strobes allowed on one row in a transfer run, on one pair in verify and tune", 2048),
    _value("ENCODING", _RW, 2, "input encoding, by its place in ENCODINGS; one that is not built in acts as the first that is",
           needs="choose_encoding"),
    _value("SERIAL_SHIFT", _RW, 5, "bit-serial: rounding shift from the sum of the planes' codes to column codes", needs="bit_serial"),
    _value("VERIFY_WAY", _RW, 1, "verify: 0 tunes each cell to its own target, 1 the difference of each pair", 0, "verify"),
    _value("VERIFY_TOLERANCE", _RW, 16, "verify, tune: state codes from the target that are good enough", 655, "verify"),
    _value("VERIFY_MOVEMENT", _RW, 16, "verify, tune: a reading this near to where it was has not moved", 328, "verify"),
    _value("VERIFY_PULSES", _RW, 16, "verify, tune: pulses on one cell or pair after which it is given up", 256, "verify"),
    _value("VERIFY_AVERAGES", _RW, 4, "verify, tune: reads of which one decision takes the mean; 0 acts as 1", 1, "verify"),
    _value("VERIFY_GIVE_UP", _RW, 8, "verify, tune: pulses without movement after which a device is given up", 8, "verify"),
    _value("TUNE_UP", _RW, 16, "tune: state codes by which a pair is to rise where training pulses its G+", 655, "verify"),
    _value("TUNE_DOWN", _RW, 16, "tune: state codes by which a pair is to fall where training pulses its G-", 655, "verify"),
    _value("UPDATE_SEED", _RW, 32, "rules manhattan, stochastic: seed of the draws", needs="chance_rules"),
    Register("CALIBRATION", _RW, "offset and gain of the converters", (
        Field("apply", 1, "correct the codes of the converters"),
        Field("gains", 1, "mode CALIBRATE measures 0: offsets, with all rows at code 0, and sets the gains to 1; 1: gains"),
        Field("shift", 4, "an offset is the mean over the first 2**shift conversions of the run, of each channel's first column"),
    ), needs="calibration"),
    _value("CALIBRATION_CHANNEL", _RW, 13, "channel that CALIBRATION_TARGET, _RESULT and _RESTORE mean: of the converters of all macros, one row of macros after the other",
           needs="calibration"),
    _value("CALIBRATION_TARGET", _PORT, 32, "sum of |code| that a channel should have in a run that measures gains",
           needs="calibration"),
    _value("LAYER", _RW, 1, "array that erase, transfer runs and DEBUG_ADDRESS mean: 0 the layer that samples drive, 1 the upper layer's",
           needs="analog_upper"),
    Register("TRAINED", _RW, "layers that are trained in TRAIN and TUNE", (
        Field("first", 1, "the layer that samples drive", 1),
        Field("last", 1, "the upper layer"),
    ), needs="analog_upper"),
    _value("UPPER_LSB", _RW, 24, "as LSB, of the upper array; 0 acts as 1", 1, "analog_upper"),
    _value("UPPER_THRESHOLD", _RW, 31, "as THRESHOLD, of the upper array", 1 << 18, "analog_upper"),
    _value("UPPER_X_THRESHOLD", _RW, 8, "as X_THRESHOLD, of the upper array, whose input codes are the hidden ones", 64, "analog_upper"),
    _value("BACKWARD", _RW, 1, "errors of the hidden units from: 0 the digital copy of the upper weights, 1 transposed reads", 0,
           "transposed_upper"),
    _value("BACKWARD_LSB", _RW, 24, "as LSB, of transposed reads: one code of an error", 1, "transposed_upper"),
    _value("WEIGHT_DATA", _PORT, 8, "next signed upper-layer weight: class by class, unit by unit, the bias unit last"),
    Register("DEBUG_ADDRESS", _PORT, "reads one pair of cells out, in mode DEBUG only", (
        Field("row", 16, "row of the pair"),
        Field("column", 16, "column of the pair"),
    )),
    Register("DEBUG_STATE", _RO, "the pair that DEBUG_ADDRESS read out, when no longer busy", (
        Field("plus", 16, "state of G+"),
        Field("minus", 16, "state of G-"),
    )),
    Register("CALIBRATION_RESULT", _RO, "what a channel is corrected by: (code - offset) * gain", _CORRECTION, needs="calibration"),
    Register("CALIBRATION_RESTORE", _PORT, "another correction of a channel, as CALIBRATION_RESULT; ignored while busy", _CORRECTION, needs="calibration"),
    _value("SAMPLES_DONE", _RO, 32, "counter: samples with a prediction"),
    _value("CORRECT", _RO, 32, "counter: predictions that equal the label"),
    _value("UPDATES", _RO, 32, "counter: samples whose margin asked for an update"),
    _value("CLIPPED", _RO, 32, "counter: column codes at full scale Q, or that a partial code at full scale may have made wrong"),
    _value("INTEGRATES", _RO, 32, "counter: array reads, for bit_serial one a plane"),
    _value("STROBES", _RO, 32, "counter: strobes on the array"),
    _value("PULSES_UP", _RO, 32, "counter: pulses on G+ devices"),
    _value("PULSES_DOWN", _RO, 32, "counter: pulses on G- devices"),
    _value("VERIFY_READS", _RO, 32, "counter: conductance reads; only VERIFY, TUNE and DEBUG can raise it"),
    _value("CYCLES", _RO, 32, "counter: cycles in which a run was active"),
    _value("ELAPSED", _RO, 32, "counter: cycles from the first integrate to the end of the last strobe or conversion"),
    _value("STRETCH", _RO, 32, "counter: cycles that the array took beyond the programmed times"),
    _value("PLANES_CLIPPED", _RO, 32, "counter: codes of bit planes at full scale Q", needs="bit_serial"),
    _value("UPPER_FAULT", _RO, len(Fault), "as FAULT, of the upper array's pulses", 0, "analog_upper"),
    _value("UPPER_INTEGRATES", _RO, 32, "counter: reads of the upper array, transposed ones too", 0, "analog_upper"),
    _value("UPPER_CLIPPED", _RO, 32, "counter: output codes at either end of their scale", 0, "analog_upper"),
    _value("UPPER_STROBES", _RO, 32, "counter: strobes on the upper array", 0, "analog_upper"),
    _value("UPPER_PULSES_UP", _RO, 32, "counter: pulses on its G+ devices", 0, "analog_upper"),
    _value("UPPER_PULSES_DOWN", _RO, 32, "counter: pulses on its G- devices", 0, "analog_upper"),
    _value("GIVEN_UP", _RO, 32, "counter: cells or pairs that verify or tune left outside the tolerance", 0, "verify"),
    # New ones come here, so that hardware that was built before keeps its addresses.
    Register("TEACHER", _RW, "what the training of the layer that samples drive follows", (
        Field("on", 1, "0: the labels, by the margin; 1: codes that the host sends, one for each column; every sample updates, "
              "and so it does an upper layer that is trained"),
        Field("dead", 9, "codes by which a column may be off without an error"),
    ), needs="teacher"),
)  # fmt: skip

ADDRESS: dict[str, int] = {register.name: address for address, register in enumerate(REGISTERS)}
BY_NAME: dict[str, Register] = {register.name: register for register in REGISTERS}

EMULATOR_BASE = 0x4000
"""Write-only window of the emulated array's device image (spec/device_image.py), one word per address."""


def fields_of(name: str) -> list[tuple[Field, int]]:
    """The fields of a register with their lowest bit."""
    position, out = 0, []
    for f in BY_NAME[name].fields:
        out.append((f, position))
        position += f.bits
    return out


def reset_value(name: str) -> int:
    return sum(f.reset << position for f, position in fields_of(name))
