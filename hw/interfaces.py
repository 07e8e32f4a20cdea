"""Every payload and port that two blocks share, as functions of the parameters.

Streams carry these payloads; a block's own ports are in its file.  The boundary to the analog array is
`MacroPort`: one signature with several answers (behavioural macro, golden model under cocotb, pins).
"""

from amaranth.hdl import Shape, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from spec.device_image import Readout
from spec.params import HwParams
from spec.registers import BY_NAME

WIDTH_BITS = 16
ENCODING_BITS = BY_NAME["ENCODING"].fields[0].bits
AMPLITUDE_BITS = 8
LSB_BITS = 24
PIXEL_BITS = 8


class Pixels(data.StructLayout):
    """One word of a raw sample: `dac_load_lanes` unsigned inputs in row order, the label in every word."""

    def __init__(self, p: HwParams):
        super().__init__(
            {"pixels": data.ArrayLayout(PIXEL_BITS, p.dac_load_lanes), "label": unsigned(p.class_bits)}
        )


class Codes(data.StructLayout):
    """One word of an encoded sample: input codes in row order, bias row included, padding rows 0."""

    def __init__(self, p: HwParams):
        super().__init__(
            {"codes": data.ArrayLayout(p.dac_bits, p.dac_load_lanes), "label": unsigned(p.class_bits)}
        )


class Label(data.StructLayout):
    def __init__(self, p: HwParams):
        super().__init__({"label": unsigned(p.class_bits)})


class Row(data.StructLayout):
    """One row with a non-zero code of a sample that updates; `last` marks the bias row, which is never zero."""

    def __init__(self, p: HwParams):
        super().__init__({"row": unsigned(p.row_bits), "code": unsigned(p.dac_bits), "last": 1})


class PartialCodes(data.StructLayout):
    """The codes of one conversion by all macros, those of one row of macros after the other; `last` ends a read."""

    def __init__(self, p: HwParams):
        super().__init__({"codes": data.ArrayLayout(signed(p.adc_bits), p.converters), "last": 1})


class ColumnCodes(data.StructLayout):
    """Codes of one group of columns, which `HwParams.group_columns` names; `last` ends a read."""

    def __init__(self, p: HwParams):
        super().__init__({"codes": data.ArrayLayout(signed(p.adc_bits), p.group_channels), "last": 1})


class HiddenCodes(data.StructLayout):
    """Column codes after the activation, 0..Q; columns beyond the last are 0."""

    def __init__(self, p: HwParams):
        super().__init__({"codes": data.ArrayLayout(unsigned(p.adc_bits - 1), p.group_channels), "last": 1})


class Weight(data.StructLayout):
    """One upper-layer weight to store: hidden unit (bias last), class, value."""

    def __init__(self, p: HwParams):
        super().__init__(
            {
                "unit": unsigned(p.upper_rows.bit_length()),
                "klass": unsigned(p.class_bits),
                "value": signed(p.weight_bits),
            }
        )


def _active(p: HwParams) -> dict[str, Shape]:
    """Per column, whether its hidden code is neither 0 nor Q; compact hardware looks at the code itself."""
    return {} if p.compact else {"active": unsigned(p.columns)}


class Logits(data.StructLayout):
    """Output codes of one sample and, per column, whether its hidden code is neither 0 nor Q (compact: not here)."""

    def __init__(self, p: HwParams):
        super().__init__(
            {
                "logits": data.ArrayLayout(signed(p.logit_bits), p.classes),
                **_active(p),
            }
        )


class Verdict(data.StructLayout):
    """What the margin rule says of a sample; `rival` is the best class other than the target."""

    def __init__(self, p: HwParams):
        super().__init__(
            {
                "update": 1,
                "target": unsigned(p.class_bits),
                "rival": unsigned(p.class_bits),
                "prediction": unsigned(p.class_bits),
                **_active(p),
            }
        )


class Update(data.StructLayout):
    """Whether a sample updates: one per sample, in order."""

    def __init__(self, p: HwParams):
        super().__init__({"update": 1})


class Deltas(data.StructLayout):
    """One word of backpropagated errors; columns beyond the last are 0; `last` ends a sample."""

    def __init__(self, p: HwParams):
        super().__init__({"deltas": data.ArrayLayout(signed(p.delta_bits), p.update_columns), "last": 1})


class Entry(data.StructLayout):
    """A row with pulses, or (`end`, all else 0) the end of a sample's rows."""

    def __init__(self, p: HwParams):
        super().__init__(
            {"end": 1, "row": unsigned(p.row_bits), "up": unsigned(p.columns), "down": unsigned(p.columns)}
        )


class EntryPart(data.StructLayout):
    """A word of an entry, of compact hardware: those with pulses, in column order, `last` on the row's last of them."""

    def __init__(self, p: HwParams):
        super().__init__(
            {
                "end": 1,
                "row": unsigned(p.row_bits),
                "word": unsigned(p.update_word_bits),
                "up": unsigned(p.update_columns),
                "down": unsigned(p.update_columns),
                "last": 1,
            }
        )


class Count(data.StructLayout):
    """What the host wants of the cells, row by row.

    Transfer: pulses for one pair, in `count_bits` bits; positive for G+, negative for G-.  Verify: the target of a
    pair's difference, or two targets for its cells, G+ first, in `target_bits` bits.  Training with a teacher: the hidden
    code 0..Q that a column should have, sample by sample.
    """

    def __init__(self, p: HwParams):
        super().__init__({"count": signed(p.count_width)})


class CellRead(data.StructLayout):
    """A pair of cells to read, and what of it (`Readout`)."""

    def __init__(self, p: HwParams):
        super().__init__({"row": unsigned(p.row_bits), "column": unsigned(p.column_bits), "kind": Readout})


class Operation(data.StructLayout):
    """One strobe to make: row, devices G+ (`up`) and G- (`down`) to pulse, polarity."""

    def __init__(self, p: HwParams):
        super().__init__(
            {
                "row": unsigned(p.row_bits),
                "up": unsigned(p.columns),
                "down": unsigned(p.columns),
                "depress": 1,
            }
        )


class OperationPart(data.StructLayout):
    """A word of an operation, of compact hardware, in column order; the operation has no device in words left out."""

    def __init__(self, p: HwParams):
        super().__init__(
            {
                "row": unsigned(p.row_bits),
                "word": unsigned(p.update_word_bits),
                "up": unsigned(p.update_columns),
                "down": unsigned(p.update_columns),
                "depress": 1,
                "last": 1,
            }
        )


def entry(p: HwParams) -> data.StructLayout:
    """What the update rule gives: whole entries, or their words."""
    return EntryPart(p) if p.compact else Entry(p)


def operation(p: HwParams) -> data.StructLayout:
    """What the scheduler gives: whole operations, or their words."""
    return OperationPart(p) if p.compact else Operation(p)


class Result(data.StructLayout):
    """One sample's outcome for the host."""

    def __init__(self, p: HwParams):
        super().__init__({"prediction": unsigned(p.class_bits), "label": unsigned(p.class_bits), "update": 1})


class WriteLines(wiring.Signature):
    """The write side of the array.  A pulse is `strobe` high; its width in cycles is the pulse width.

    Unselected lines carry the inhibit level.  `up` selects G+ devices, `down` G- devices of `row`;
    polarity `depress` 0 potentiates, 1 depresses.
    """

    def __init__(self, p: HwParams):
        super().__init__(
            {
                "row": Out(p.row_bits),
                "up": Out(p.columns),
                "down": Out(p.columns),
                "depress": Out(1),
                "amplitude": Out(AMPLITUDE_BITS),
                "strobe": Out(1),
            }
        )


class WordLines(wiring.Signature):
    """The write side of compact hardware: masks are registers of the array, loaded word by word.

    `load` for one cycle stores `up` and `down` as the columns of word `word`; with `first` all other words become 0.
    It is an operation of the array as an integrate is, but `ready` need not fall.  The masks reach the lines while
    `select` is 1, else they carry the inhibit level.  The others as WriteLines.
    """

    def __init__(self, p: HwParams):
        super().__init__(
            {
                "row": Out(p.row_bits),
                "depress": Out(1),
                "amplitude": Out(AMPLITUDE_BITS),
                "select": Out(1),
                "load": Out(1),
                "first": Out(1),
                "word": Out(p.update_word_bits),
                "up": Out(p.update_columns),
                "down": Out(p.update_columns),
                "strobe": Out(1),
            }
        )


def write_lines(p: HwParams) -> wiring.Signature:
    """The write side as the controller has it."""
    return WordLines(p) if p.compact else WriteLines(p)


def too_wide(p: HwParams) -> int:
    """The width that stands for all that PulseGate cuts and reports, in cycles."""
    return p.pulse_max_cycles + 1


def pulse_bits(p: HwParams) -> int:
    """Width of a strobe's cycles, at most `too_wide`."""
    return too_wide(p).bit_length()


def integrate_bits(p: HwParams) -> int:
    """Width of an integration's cycles: with pulse-width encoding, those of a full-scale code."""
    return WIDTH_BITS + p.dac_bits * p.pulse_width


class MacroPort(wiring.Signature):
    """The analog boundary, seen from the controller: the port of one macro, or of a grid of them as one array.

    Every operation is start/ready: a start (`integrate`, `erase`, `readout` high for one cycle, or a rising
    `write.strobe`) is given only while `ready` is 1; `ready` falls in the next cycle and rises when the operation
    is done (for a strobe: not before it has fallen), so the array may stretch it.  An array that has to set up its
    select lines may let `ready` fall in the cycle in which masks other than 0 change.

    - rows: words of codes go into a shadow register (`dac_valid` and `dac_ready` transfer one word);
      `integrate` swaps it into the array and integrates for `integrate_cycles`; column sums are then held
      until the next `integrate`.
    - input encodings, where another one than amplitude is built in: `encoding` (by its place in ENCODINGS) with
      `integrate`.  Rows are driven by amplitude, or for a share code / full scale of the integration (pulse_width), or
      (bit_serial) fully where bit `plane` of their code is 1; then only an integrate of plane 0 swaps the shadow
      register, and the later ones use the same codes.  Otherwise `plane` is 0.
    - converters: with `group` and the signed `trial` codes, `compare[k]` = (2 * sum >= (2 * trial[k] - 1) * lsb)
      for column group * adc_channels + k, valid sar_settle_cycles + cmp_latency_cycles after a change.  A grid has
      them for each macro, one row of macros after the other.
    - transposed reads, where the array has them: an `integrate` with `transposed` 1 drives column `raised` at full scale
      and `lowered` likewise in opposite polarity, and the converters see the sums of the rows from `first_row` on, one
      each, by group 0, until the next `integrate`; those beyond the last row are junk.  The rows' codes stay as they
      are; `encoding` and `plane` mean nothing to such a read.
    - `readout` (program-verify and debug only): the states of the pair (`readout_row`, `readout_column`); with the
      parameter `verify` a `readout_kind` other than 0 gives a noisy `reading` instead, which counts as an integrate
      and leaves the column sums as they are.  What was read out holds until the next readout.
    """

    def __init__(self, p: HwParams):
        encoding = {"encoding": Out(ENCODING_BITS)} if p.choose_encoding else {}
        plane = {"plane": Out(p.plane_bits)} if p.bit_serial else {}
        transposed = {
            "transposed": Out(1),
            "raised": Out(p.column_bits),
            "lowered": Out(p.column_bits),
            "first_row": Out(p.row_bits),
        }
        reading = {"readout_kind": Out(Readout), "reading": In(signed(p.reading_bits))}
        super().__init__(
            {
                **(reading if p.verify else {}),
                **(transposed if p.reads_transposed else {}),
                "dac_valid": Out(1),
                "dac_ready": In(1),
                "dac_word": Out(range(max(2, p.row_words))),
                "dac_codes": Out(data.ArrayLayout(p.dac_bits, p.dac_load_lanes)),
                "integrate": Out(1),
                "integrate_cycles": Out(integrate_bits(p)),
                **encoding,
                **plane,
                "lsb": Out(LSB_BITS),
                "group": Out(range(max(2, p.adc_groups))),
                "trial": Out(data.ArrayLayout(signed(p.adc_bits), p.converters)),
                "compare": In(p.converters),
                "write": Out(WriteLines(p)),
                "erase": Out(1),
                "readout": Out(1),
                "readout_row": Out(p.row_bits),
                "readout_column": Out(p.column_bits),
                "readout_plus": In(p.state_bits),
                "readout_minus": In(p.state_bits),
                "ready": In(1),
            }
        )


def controller_port(p: HwParams) -> wiring.Signature:
    """MacroPort as the controller has it.

    Compact hardware has the masks of the write lines word by word, and what belongs to a start stays until `ready` is 1
    again, so that a link can take its time.  It says of levels that they may be others from the next cycle on: `lsb` with
    `new_lsb`, `trial` and `group` with `new_trial`.
    """
    if not p.compact:
        return MacroPort(p)
    news = {"new_lsb": Out(1), "new_trial": Out(1)}
    return wiring.Signature({**MacroPort(p).members, "write": Out(write_lines(p)), **news})


class ImageWord(data.StructLayout):
    """One word of a device image for the emulated array (spec/device_image.py, address order)."""

    def __init__(self):
        super().__init__({"address": unsigned(12), "value": unsigned(32)})


def image_stream() -> stream.Signature:
    return stream.Signature(ImageWord())
