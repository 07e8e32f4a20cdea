"""The hardware's parameters: one frozen, validated, hashable dataclass of integers, and its named instances.

Every width, depth and count of the RTL and of the golden model is a field here or a property derived
from one.  Field metadata (range, unit, meaning) feeds validation, the error messages and docs/parameters.md.
"""

import hashlib
from dataclasses import asdict, dataclass, field, replace
from math import ceil

from spec.choices import (
    ADC_KINDS,
    CHANCE_RULES,
    ENCODINGS,
    MEMORY_RULES,
    MOST_SIDE,
    UPPER_LAYERS,
)
from spec.device_image import READ_NOISE_SHIFT, READING_NOISE_MAX
from spec.numerics import GAUSS, signed_limit
from spec.params_check import check


def _param(default: int, low: int, high: int, doc: str, unit: str = ""):
    return field(default=default, metadata={"low": low, "high": high, "doc": doc, "unit": unit})


LATER = ("teacher",)
"""Parameters that came when hardware had been built already; 0 is as without them."""


@dataclass(frozen=True)
class HwParams:
    """One hardware instance.  Raises `InputError` when a value or a relation is not legal."""

    name: str = field(default="custom", metadata={"doc": "label of the instance; not part of the hash"})

    rows: int = _param(
        65, 1, MOST_SIDE, "rows of the array; the last is the bias row, driven at full-scale code"
    )
    columns: int = _param(32, 1, MOST_SIDE, "columns (differential pairs) of the trained array: hidden units")
    classes: int = _param(10, 2, 64, "outputs of the upper layer")

    macro_rows: int = _param(
        MOST_SIDE, 1, MOST_SIDE, "rows that one macro holds at most: a layer with more is split over several"
    )
    macro_columns: int = _param(MOST_SIDE, 1, MOST_SIDE, "columns that one macro holds at most, likewise")

    dac_bits: int = _param(8, 1, 8, "bits of a row's input code", "bit")
    dac_load_lanes: int = _param(8, 1, 64, "input codes loaded per cycle", "code/cycle")
    encodings: tuple[str, ...] = field(
        default=ENCODINGS[:1],
        metadata={"doc": f"input encodings that are built in, of {', '.join(ENCODINGS)}, in this order"},
    )
    adc_bits: int = _param(8, 3, 10, "bits of a signed column code", "bit")
    adc_channels: int = _param(8, 1, 1024, "converters of a macro; its columns share them by multiplexing")
    adc_kind: str = field(
        default="sar", metadata={"doc": f"kind of the converters: {' or '.join(ADC_KINDS)}"}
    )
    sar_settle_cycles: int = _param(
        1, 1, 255, "settling of a trial code, of either kind, before the comparator is used", "cycle"
    )
    calibration: int = _param(
        0, 0, 1, "1: the controller measures and corrects offset and gain of each converter"
    )
    cmp_latency_cycles: int = _param(0, 0, 15, "registers between comparator and converter logic", "cycle")

    upper_layer: str = field(
        default="digital",
        metadata={"doc": f"what the upper layer is: {' or '.join(UPPER_LAYERS)} (a second array)"},
    )
    transposed: int = _param(
        0, 0, 1, "1: the array of the upper layer, if it is analog, can be read transposed: rows by columns"
    )
    macs: int = _param(16, 1, 64, "multipliers of the digital upper layer")
    weight_bits: int = _param(8, 2, 8, "bits of a signed upper-layer weight", "bit")
    logit_bits: int = _param(8, 3, 16, "bits of a signed output code", "bit")
    delta_bits: int = _param(8, 2, 10, "bits of a signed backpropagated error", "bit")

    rules: tuple[str, ...] = field(default=MEMORY_RULES, metadata={"doc": "update rules that are built in"})
    update_columns: int = _param(8, 1, 64, "columns of the update memory handled per cycle", "column/cycle")
    bank_columns: int = _param(
        1, 1, 64, "of these, neighbours with one address: words of so many errors that are all 0 take no time"
    )
    accumulator_bits: int = _param(22, 8, 32, "bits of the signed gradient accumulator per weight", "bit")
    counter_bits: int = _param(7, 2, 16, "bits of the signed sign counter per weight", "bit")
    commit_depth: int = _param(
        4, 1, 32, "D: pulses of sample n are applied between reads n+D-1 and n+D", "sample"
    )
    queue_depth: int = _param(16, 2, 1024, "entries (rows with pulses) of the commit queue")
    count_bits: int = _param(12, 2, 16, "bits of a signed pulse count streamed in transfer", "bit")

    pulse_max_cycles: int = _param(255, 1, 65535, "hard limit of a strobe's width", "cycle")
    guard_min_cycles: int = _param(
        1, 1, 255, "least distance of a strobe from line changes and other strobes", "cycle"
    )
    verify: int = _param(
        0, 0, 1, "1: the modes VERIFY and TUNE are built in, which read cells while they write"
    )
    teacher: int = _param(
        0, 0, 1, "1: training can follow hidden codes that the host sends with each sample, instead of labels"
    )
    watchdog_cycles: int = _param(
        1 << 20, 256, (1 << 24) - 1, "an array operation that takes longer is a fault", "cycle"
    )

    state_bits: int = _param(16, 8, 16, "bits of a cell's state in the emulated array", "bit")
    read_bits: int = _param(12, 6, 12, "top bits of the state that a read uses", "bit")
    converter_errors: int = _param(
        0, 0, 1, "1: the converters of the emulated array have errors of offset and gain"
    )
    compact: int = _param(
        0,
        0,
        1,
        "1: least logic instead of most speed: masks go word by word, blocks walk, memories have one port",
    )
    macro_lanes: int = _param(
        32, 1, 1024, "columns that an emulated macro handles per cycle, if it has as many", "column/cycle"
    )

    def __post_init__(self):
        check(self)

    # -- derived -------------------------------------------------------------------------------

    @property
    def analog_upper(self) -> bool:
        """The upper layer is an array of its own."""
        return self.upper_layer == "analog"

    @property
    def reads_transposed(self) -> bool:
        """This layer's array has the transposed read; with an analog upper layer, that one's has it instead."""
        return bool(self.transposed) and not self.analog_upper

    @property
    def transposed_upper(self) -> bool:
        """The upper layer is an array that can be read transposed."""
        return self.analog_upper and bool(self.transposed)

    @property
    def upper(self) -> "HwParams":
        """The analog upper layer as hardware of its own: a row per hidden unit and a bias row, a column per class.

        Each column has its converter, hidden codes are the input codes, and pulses are not deferred.
        """
        return replace(
            self,
            name=f"{self.name}-upper",
            upper_layer="digital",
            rows=self.upper_rows,
            columns=self.classes,
            macro_rows=MOST_SIDE,
            macro_columns=MOST_SIDE,
            dac_bits=self.adc_bits - 1,
            dac_load_lanes=self.adc_channels,
            encodings=ENCODINGS[:1],
            adc_bits=self.logit_bits,
            adc_channels=self.classes,
            calibration=0,
            converter_errors=0,
            verify=0,
            teacher=0,
            update_columns=self.classes,
            bank_columns=self.classes,
            commit_depth=1,
            macro_lanes=self.classes,
        )

    @property
    def transposed_rows(self) -> int:
        """Rows of the upper array that one transposed read gives errors of: whole parts of a word of errors."""
        return max(
            n for n in range(1, self.update_columns + 1) if self.update_columns % n == 0 and n <= self.classes
        )

    @property
    def inputs(self) -> int:
        """Data rows: all but the bias row."""
        return self.rows - 1

    @property
    def dac_full_scale(self) -> int:
        return (1 << self.dac_bits) - 1

    @property
    def choose_encoding(self) -> bool:
        """Another encoding than amplitude is built in: the array is told which one applies."""
        return self.encodings != ENCODINGS[:1]

    @property
    def pulse_width(self) -> bool:
        """Pulse-width encoding is built in."""
        return "pulse_width" in self.encodings

    @property
    def bit_serial(self) -> bool:
        """Bit-serial encoding is built in."""
        return "bit_serial" in self.encodings

    @property
    def plane_bits(self) -> int:
        """Width of the number of a bit plane."""
        return max(1, (self.dac_bits - 1).bit_length())

    @property
    def row_words(self) -> int:
        """Words of `dac_load_lanes` codes per sample."""
        return ceil(self.rows / self.dac_load_lanes)

    @property
    def adc_limit(self) -> int:
        """Q of the column codes: codes are -Q..Q, hidden codes 0..Q."""
        return signed_limit(self.adc_bits)

    @property
    def grid_rows(self) -> int:
        """Macros along the rows: their column sums are partial sums of the layer's."""
        return ceil(self.rows / self.macro_rows)

    @property
    def grid_columns(self) -> int:
        """Macros along the columns."""
        return ceil(self.columns / self.macro_columns)

    @property
    def macros(self) -> int:
        """Macros that hold the layer."""
        return self.grid_rows * self.grid_columns

    @property
    def adc_groups(self) -> int:
        """Conversions of one channel per read; all macros convert at the same time."""
        return ceil(min(self.columns, self.macro_columns) / self.adc_channels)

    @property
    def group_channels(self) -> int:
        """Columns of one group of conversions: `adc_channels` of each macro along the columns."""
        return self.grid_columns * self.adc_channels

    @property
    def converters(self) -> int:
        """Converters of all macros."""
        return self.grid_rows * self.group_channels

    def converter_groups(self, converter: int) -> int:
        """Groups in which a converter has a column: the first ones."""
        groups = map(self.group_columns, range(self.adc_groups))
        return sum(columns[converter % self.group_channels] is not None for columns in groups)

    @property
    def column_converters(self) -> tuple[int, ...]:
        """The converter of each column among the `group_channels` of a row of macros."""
        return tuple(
            column // self.macro_columns * self.adc_channels + column % self.macro_columns % self.adc_channels
            for column in range(self.columns)
        )

    @property
    def column_places(self) -> tuple[int, ...]:
        """Where each column's code is among the codes of a read, one group after the other."""
        columns = [column for group in range(self.adc_groups) for column in self.group_columns(group)]
        places = {column: place for place, column in enumerate(columns)}
        return tuple(places[column] for column in range(self.columns))

    def group_columns(self, group: int) -> tuple[int | None, ...]:
        """The column of each of the `group_channels` codes of a group; None where a macro has no more columns."""
        found: list[int | None] = []
        for first in range(0, self.columns, self.macro_columns):
            end = min(first + self.macro_columns, self.columns)
            start = first + group * self.adc_channels
            found += [c if c < end else None for c in range(start, start + self.adc_channels)]
        return tuple(found)

    @property
    def trial_cycles(self) -> int:
        """Cycles of one trial code of the converters."""
        return self.sar_settle_cycles + self.cmp_latency_cycles

    @property
    def conversion_cycles(self) -> int:
        """Cycles of one conversion: a trial for each bit (sar) or for each code but -Q (ramp)."""
        return {"sar": self.adc_bits, "ramp": 2 * self.adc_limit}[self.adc_kind] * self.trial_cycles

    @property
    def weight_words(self) -> int:
        """Words of `macs` weights per hidden unit."""
        return ceil(self.classes / self.macs)

    @property
    def upper_rows(self) -> int:
        """Inputs of the upper layer: hidden units and one bias, driven at code Q."""
        return self.columns + 1

    @property
    def logit_acc_bits(self) -> int:
        """Width of an upper-layer sum: no sum of `upper_rows` products can leave it."""
        largest = self.upper_rows * self.adc_limit * (1 << (self.weight_bits - 1))
        return largest.bit_length() + 1

    @property
    def logit_limit(self) -> int:
        return signed_limit(self.logit_bits)

    @property
    def delta_limit(self) -> int:
        return signed_limit(self.delta_bits)

    @property
    def update_words(self) -> int:
        """Words of `update_columns` columns per row."""
        return ceil(self.columns / self.update_columns)

    @property
    def update_word_bits(self) -> int:
        """Width of the number of a word of a row."""
        return max(1, (self.update_words - 1).bit_length())

    @property
    def update_banks(self) -> int:
        """Banks of the update memory: each has an address of its own."""
        return self.update_columns // self.bank_columns

    @property
    def memory_rules(self) -> tuple[str, ...]:
        """Rules with a memory that are built in."""
        return tuple(rule for rule in self.rules if rule in MEMORY_RULES)

    @property
    def chance_rules(self) -> tuple[str, ...]:
        """Rules without memory that are built in."""
        return tuple(rule for rule in self.rules if rule in CHANCE_RULES)

    @property
    def memory_bits(self) -> int:
        """Update-memory bits per weight: the widest rule that is built in; 0 where none has a memory."""
        widths = {"accumulate": self.accumulator_bits, "counter": self.counter_bits}
        return max((widths[r] for r in self.memory_rules), default=0)

    @property
    def input_slots(self) -> int:
        """Samples that the input buffer keeps: D in flight, one being loaded, one (not in compact hardware) being streamed in.

        With fewer than D + 1 the read of sample n+D-1 could wait for the update of sample n, which may wait
        in a full commit queue for that very read.
        """
        return self.commit_depth + 2 - self.compact

    @property
    def macro_words(self) -> int:
        """Words of `macro_lanes` columns per row of the emulated array."""
        return ceil(self.columns / self.macro_lanes)

    @property
    def sum_bits(self) -> int:
        """Width of a column sum with read noise."""
        return 32

    @property
    def target_bits(self) -> int:
        """Width of a signed target of program-verify: a state, or the difference of two."""
        return self.state_bits + 1

    @property
    def count_width(self) -> int:
        """Width of a signed item of the stream of counts: of a pulse count, a target, or the code that a column should have."""
        widths = (self.count_bits, self.target_bits * self.verify, self.adc_bits * self.teacher)
        return max(widths)

    @property
    def reading_bits(self) -> int:
        """Width of the signed reading of a cell or pair: no read noise leaves it."""
        noise = (max(GAUSS) * READING_NOISE_MAX << (self.state_bits - self.read_bits)) >> READ_NOISE_SHIFT
        return (noise + 1 + (1 << self.state_bits)).bit_length() + 1

    @property
    def row_bits(self) -> int:
        return max(1, (self.rows - 1).bit_length())

    @property
    def column_bits(self) -> int:
        return max(1, (self.columns - 1).bit_length())

    @property
    def class_bits(self) -> int:
        return (self.classes - 1).bit_length()

    @property
    def hash32(self) -> int:
        """Identity of the parameters, read back from the hardware (register PARAMS_HASH).

        A parameter of `LATER` counts only where it is not 0: hardware that was built before it came keeps its identity.
        """
        counted = {k: v for k, v in asdict(self).items() if k != "name" and (v or k not in LATER)}
        text = repr(sorted(counted.items()))
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


# MNIST and the boards' carry the widths that their array needs; a board's own limits live in fpga/.
# ULX3S: words of more lanes make the state memory so wide that it is not routed.
# ORANGECRAB: its part's 28 multipliers are what 2 lanes need, and 32 columns fill it so that it is not routed.
INSTANCES: dict[str, HwParams] = {
    p.name: p
    for p in (
        HwParams(name="TINY", rows=9, columns=6, classes=3, dac_load_lanes=4, adc_bits=6, adc_channels=2, macs=4,
                 update_columns=4, commit_depth=2, queue_depth=4, teacher=1, watchdog_cycles=65535, macro_lanes=3),
        HwParams(name="DIGITS", teacher=1),
        HwParams(name="MNIST", rows=785, columns=256, adc_channels=16, update_columns=32, commit_depth=16,
                 queue_depth=64, teacher=1, macro_lanes=256),
        HwParams(name="ULX3S", rows=785, columns=128, adc_channels=8, update_columns=4, commit_depth=16,
                 rules=("counter",), counter_bits=9, state_bits=9, read_bits=9,
                 cmp_latency_cycles=2, macro_lanes=8),
        HwParams(name="ORANGECRAB", columns=16, dac_load_lanes=4, adc_channels=2, macs=2, rules=("counter",),
                 counter_bits=7, update_columns=4, bank_columns=4, state_bits=9, read_bits=9,
                 cmp_latency_cycles=3, macro_lanes=2),
        HwParams(name="ICEBREAKER", rows=785, columns=128, rules=("counter",), counter_bits=8, update_columns=1,
                 bank_columns=1, compact=1, queue_depth=256,
                 dac_load_lanes=1, adc_channels=1, macs=1, sar_settle_cycles=24, cmp_latency_cycles=2,
                 macro_lanes=8),
    )
}  # fmt: skip
