"""What controls the data flow of `hw/controller.py`: registers, sequence, encodings, counters, taps.

Each function connects one of them in the module `m` of the controller `c`.
"""

from amaranth.hdl import Cat, Const, Mux, Signal, Value
from amaranth.lib.wiring import connect, flipped

from hw.analog_upper import COUNTS
from hw.counters import REGISTERS
from hw.interfaces import WordLines
from hw.mask_lines import EntryMasks, MaskLines
from hw.register_memory import DOUBLES
from hw.taps import tap_layouts
from hw.verify import SETTINGS
from spec.choices import ENCODINGS
from spec.device_image import Readout
from spec.registers import Mode
from spec.stages import stage_names


def registers(c, m):
    """Configuration out of the registers, status into them."""
    field = c.registers.field
    connect(m, flipped(c.request), c.registers.request)
    connect(m, c.registers.response, flipped(c.response))
    connect(m, c.registers.image, flipped(c.image))
    for signal, register in (
        (c.margin_error.margin, "MARGIN"),
        (c.update_rule.rule, "RULE"),
        (c.update_rule.threshold, "THRESHOLD"),
        (c.update_rule.x_threshold, "X_THRESHOLD"),
        (c.update_rule.delta_threshold, "DELTA_THRESHOLD"),
        (c.driver.width, "PULSE"),
        (c.driver.guard, "GUARD"),
        (c.gate.width_limit, "PULSE"),
        (c.gate.guard, "GUARD"),
        (c.gate.strobe_cap, "STROBE_CAP"),
        (c.gate.count_cap, "COUNT_CAP"),
        (c.sequencer.samples, "SAMPLES"),
        (c.sequencer.mode, "MODE"),
    ):
        m.d.comb += signal.eq(field(register))
    m.d.comb += [
        c.driver.amplitude.eq(field("WRITE", "amplitude")),
        c.pulse_scheduler.depress.eq(field("WRITE", "depress")),
        c.busy.eq(c.sequencer.busy | (c.upper_layer.busy if c.params.analog_upper else 0)),
        c.fault.eq(_fault(c)),
        field("STATUS", "busy").eq(c.busy),
        field("STATUS", "fault").eq(c.fault),
        field("FAULT").eq(c.gate.fault),
    ]
    if not c.params.analog_upper:
        m.d.comb += c.upper_layer.shift.eq(field("LOGIT_SHIFT"))
    if c.params.compact:
        m.d.comb += [
            c.update_rule.double.eq(field(DOUBLES[0])),
            c.update_rule.shows.eq(c.registers.shows),
            c.array.new_lsb.eq(c.registers.new_lsb),
            c.array.new_trial.eq(c.column_adc.new_trial | c.sequencer.flush),
        ]
    else:
        m.d.comb += [getattr(c.update_rule, name.lower()).eq(field(name)) for name in DOUBLES]
    if c.params.chance_rules:
        m.d.comb += c.update_rule.update_seed.eq(field("UPDATE_SEED"))
    states = [
        field("DEBUG_STATE", name).eq(getattr(c.array, f"readout_{name}")) for name in ("plus", "minus")
    ]
    if c.params.compact:  # the array keeps them, too
        m.d.comb += states
    else:
        with m.If(c.sequencer.readout_done):
            m.d.sync += states
    with m.If(field("DEBUG_ADDRESS", "valid")):
        m.d.sync += [
            c.array.readout_row.eq(field("DEBUG_ADDRESS", "row")),
            c.array.readout_column.eq(field("DEBUG_ADDRESS", "column")),
        ]


def sequence(c, m):
    """The sequencer's commands and what it looks at."""
    field, s, macro = c.registers.field, c.sequencer, c.array
    here = ~field("LAYER") if c.params.analog_upper else Const(1)  # commands mean this array
    m.d.comb += [
        s.start.eq(field("CONTROL", "start") & (here | (s.mode != Mode.TRANSFER))),
        s.erase.eq(field("CONTROL", "erase") & here),
        s.clear_memory.eq(field("CONTROL", "clear_memory")),
        s.readout_start.eq(field("DEBUG_ADDRESS", "valid") & here),
        s.loaded.eq(c.dac_load.loaded),
        s.adc_busy.eq(c.column_adc.running),
        s.adc_ends.eq(c.column_adc.ends),
        s.adc_ends_next.eq(c.column_adc.ends_next),
        s.array_ready.eq(c.gate.array_free),
        s.commit_busy.eq(c.commit_queue.busy),
        s.pulses_busy.eq(
            c.pulse_scheduler.o.valid
            | c.driver.busy
            | c.gate.strobe_active
            | (c.verify.busy if c.params.verify else 0)
        ),
        s.memory_busy.eq(c.update_rule.busy),
        s.scheduled.eq(c.pulse_scheduler.done | (c.verify.done if c.params.verify else 0)),
        s.result.eq(c.results.valid & c.results.ready),
        s.fault.eq(_fault(c)),
        c.column_adc.start.eq(s.adc_start),
        c.commit_queue.start.eq(s.commit_start),
        c.margin_error.train.eq(s.training),
        c.pulse_scheduler.transfer.eq(s.transferring),
        c.pulse_scheduler.restart.eq(s.run_start),
        c.update_rule.restart.eq(s.run_start),
        c.update_rule.clear.eq(s.memory_clear),
        c.driver.array_ready.eq(c.gate.array_free),
        c.driver.abort.eq(s.flush | _fault(c)),
        c.gate.array_ready.eq(macro.ready),
        c.gate.integrate_request.eq(s.integrate),
        c.gate.erase_request.eq(s.array_erase),
        c.gate.converting.eq(c.column_adc.busy),
        c.gate.training.eq(s.training & ~s.tuning if c.params.verify else s.training),
        c.gate.transferring.eq(s.transferring),
        c.gate.run_active.eq(s.run_active),
        c.gate.run_start.eq(s.run_start),
        c.gate.window_open.eq(s.window_open),
        c.gate.abort.eq(field("CONTROL", "abort")),
        c.gate.clear_fault.eq(field("CONTROL", "clear_fault")),
        macro.integrate.eq(c.gate.integrate),
        macro.erase.eq(c.gate.erase),
        macro.readout.eq(c.gate.readout if c.params.verify else s.readout),
    ]


def _fault(c):
    """A fault is latched, of whichever array."""
    fault = c.gate.fault.any()
    return fault | c.upper_layer.fault.any() if c.params.analog_upper else fault


def encoding(c, m):
    """How rows are driven: the encoding goes to the array and to what differs by it."""
    p, macro, sequencer = c.params, c.array, c.sequencer
    unit = c.registers.field("INTEGRATE")
    whole: Value = unit
    if p.pulse_width:  # a row of full-scale code is driven all the time
        whole = Mux(_encoded(c, "pulse_width"), (unit << p.dac_bits) - unit, unit)
    m.d.comb += sequencer.integrate_cycles.eq(whole)
    if p.choose_encoding:
        for name in p.encodings:
            with m.If(_encoded(c, name)):
                m.d.comb += macro.encoding.eq(ENCODINGS.index(name))
    if p.bit_serial:
        m.d.comb += [
            sequencer.serial.eq(_encoded(c, "bit_serial")),
            macro.plane.eq(sequencer.plane),
            c.gate.integrate_continues.eq(sequencer.continues),
            c.shift_add.serial.eq(sequencer.serial),
            c.shift_add.shift.eq(c.registers.field("SERIAL_SHIFT")),
        ]


def _encoded(c, name):
    """Whether the encoding `name`, which is built in, applies: one that is not built in acts as the first that is."""
    first, *others = c.params.encodings
    chosen = [c.registers.field("ENCODING") == ENCODINGS.index(other) for other in others]
    return ~Cat(chosen).any() if name == first else chosen[others.index(name)]


def teacher(c, m):
    """Training that follows codes of the host."""
    field = c.registers.field
    m.d.comb += [
        c.margin_error.always.eq(field("TEACHER", "on")),
        c.teacher_delta.dead.eq(field("TEACHER", "dead")),
    ]


def calibration(c, m):
    """What the calibration is told, and its results; rows are not driven while offsets are measured."""
    block, field, sequencer = c.calibration, c.registers.field, c.sequencer
    m.d.comb += [
        block.apply.eq(field("CALIBRATION", "apply")),
        block.gains.eq(field("CALIBRATION", "gains")),
        block.shift.eq(field("CALIBRATION", "shift")),
        block.measuring.eq(sequencer.measuring),
        block.finish.eq(sequencer.finish),
        block.restart.eq(sequencer.flush),
        sequencer.finishing.eq(block.busy),
        block.channel.eq(field("CALIBRATION_CHANNEL")),
        block.target.eq(field("CALIBRATION_TARGET")),
        block.target_valid.eq(field("CALIBRATION_TARGET", "valid")),
        block.new_offset.eq(field("CALIBRATION_RESTORE", "offset")),
        block.new_gain.eq(field("CALIBRATION_RESTORE", "gain")),
        block.restore.eq(field("CALIBRATION_RESTORE", "valid") & ~sequencer.busy),
        field("CALIBRATION_RESULT", "offset").eq(block.offset),
        field("CALIBRATION_RESULT", "gain").eq(block.gain),
    ]
    with m.If(sequencer.measuring & ~block.gains):
        m.d.comb += c.array.dac_codes.eq(0)


def verify(c, m):
    """Program-verify and tuned updates: readings, and what the host wants of the cells."""
    v, s, macro = c.verify, c.sequencer, c.array
    m.d.comb += [getattr(v, port).eq(c.registers.field(name)) for port, name in SETTINGS.items()]
    m.d.comb += [
        v.verifying.eq(s.verifying),
        v.tuning.eq(s.tuning),
        v.writing.eq(c.driver.busy | c.gate.strobe_active),
        v.targets.payload.eq(c.counts.payload),
        v.targets.valid.eq(c.counts.valid & s.verifying),
        s.read_wanted.eq(v.read.valid),
        v.read.ready.eq(s.reads_cell),
        v.reading.payload.eq(macro.reading),
        v.reading.valid.eq(c.gate.array_free),
        c.gate.verifying.eq(s.verifying),
        c.gate.tuning.eq(s.tuning),
        c.gate.readout_request.eq(s.readout | s.reads_cell),
        c.counters.give_up.eq(v.given_up),
    ]
    with m.If(s.verifying):
        m.d.comb += c.counts.ready.eq(v.targets.ready)
    with m.If(s.reads_cell):
        m.d.sync += [
            macro.readout_row.eq(v.read.payload.row),
            macro.readout_column.eq(v.read.payload.column),
            macro.readout_kind.eq(v.read.payload.kind),
        ]
    with m.Elif(c.registers.field("DEBUG_ADDRESS", "valid")):
        m.d.sync += macro.readout_kind.eq(Readout.STATES)


def counts(c, m):
    """The counters' events."""
    n, field, result = c.counters, c.registers.field, c.results
    read_ahead = c.column_codes.valid & c.column_codes.ready
    held, held_ahead = Signal.like(n.clipped), Signal()
    clipped: Value = c.activation.clipped
    if c.params.grid_rows > 1:  # of a bit-serial read, the partial codes are those of its planes
        serial = c.sequencer.serial if c.params.bit_serial else Const(0)
        clipped = Mux(serial, clipped, c.partial_sum.clipped)
    m.d.comb += [
        n.clear.eq(field("CONTROL", "clear_counters")),
        n.run_start.eq(c.sequencer.run_start),
        n.result.eq(result.valid & result.ready),
        n.correct.eq(result.payload.prediction == result.payload.label),
        n.update.eq(result.payload.update),
        n.integrate.eq(c.gate.integrate),
        n.strobe.eq(c.gate.write.strobe),
        *(getattr(n, name).eq(getattr(c.gate.write, name)) for name in n.masks),
        n.readout.eq(c.array.readout),
        n.active.eq(c.sequencer.run_active),
        n.converting.eq(c.column_adc.busy),
        n.stretched.eq(c.sequencer.stretched | c.driver.waiting),
        n.clipped.eq(held & held_ahead.replicate(len(n.clipped))),
    ]
    m.d.sync += [held.eq(clipped), held_ahead.eq(read_ahead)]
    if c.params.bit_serial:
        plane = c.partial_sum.i.valid & c.partial_sum.i.ready & c.sequencer.serial
        m.d.comb += n.planes_clipped.eq(c.partial_sum.clipped & plane.replicate(len(n.clipped)))
    if c.params.compact:
        m.d.comb += [getattr(n, name).eq(getattr(c.registers, name)) for name in ("select",)]
        m.d.comb += [getattr(c.registers, name).eq(getattr(n, name)) for name in ("settled", "value")]
    else:
        m.d.comb += [field(REGISTERS[name]).eq(getattr(n, name)) for name in n.names]


def upper(c, m):
    """The analog upper layer's commands, settings and status."""
    u, s, field = c.upper_layer, c.sequencer, c.registers.field
    there = field("LAYER")
    own = {"lsb": "UPPER_LSB", "threshold": "UPPER_THRESHOLD", "x_threshold": "UPPER_X_THRESHOLD"}
    shared = {"width": "PULSE", "integrate_cycles": "INTEGRATE"}
    names = (
        "rule",
        "double_first",
        "double_second",
        "delta_threshold",
        "update_seed",
        "guard",
        "strobe_cap",
        "count_cap",
    )
    for port, register in (own | shared | {name: name.upper() for name in names}).items():
        m.d.comb += getattr(u, port).eq(field(register))
    m.d.comb += [
        u.amplitude.eq(field("WRITE", "amplitude")),
        u.depress.eq(field("WRITE", "depress")),
        u.backward_lsb.eq(field("BACKWARD_LSB")),
        u.transposed.eq(field("BACKWARD") & ~c.taught),
        u.trains_first.eq(field("TRAINED", "first")),
        u.trains_last.eq(field("TRAINED", "last")),
        u.transfer.eq(field("CONTROL", "start") & there & (s.mode == Mode.TRANSFER)),
        u.erase.eq(field("CONTROL", "erase") & there),
        u.readout.eq(field("DEBUG_ADDRESS", "valid") & there & (s.mode == Mode.DEBUG)),
        u.clear.eq(s.memory_clear),
        u.clear_counters.eq(field("CONTROL", "clear_counters")),
        u.sampling.eq(s.streaming),
        u.training.eq(s.training),
        u.run_start.eq(s.run_start),
        u.flush.eq(s.flush),
        u.halt.eq(c.gate.fault.any()),
        u.abort.eq(field("CONTROL", "abort")),
        u.clear_fault.eq(field("CONTROL", "clear_fault")),
        s.upper_working.eq(u.working),
        field("UPPER_FAULT").eq(u.fault),
        *(field(f"UPPER_{REGISTERS[name]}").eq(getattr(u, name)) for name in COUNTS),
        u.counts.payload.eq(c.counts.payload),
        u.counts.valid.eq(c.counts.valid & u.transferring),
    ]
    with m.If(u.transferring):
        m.d.comb += c.counts.ready.eq(u.counts.ready)
    connect(m, u.port, flipped(c.upper_macro))
    with m.If(u.readout_done):
        m.d.sync += [
            field("DEBUG_STATE", "plus").eq(u.port.readout_plus),
            field("DEBUG_STATE", "minus").eq(u.port.readout_minus),
        ]
    with m.If(field("DEBUG_ADDRESS", "valid")):
        m.d.sync += [
            u.port.readout_row.eq(field("DEBUG_ADDRESS", "row")),
            u.port.readout_column.eq(field("DEBUG_ADDRESS", "column")),
        ]


def taps(c, m):
    """Each stage's transfers."""
    names = stage_names(c.params)
    transfers = {
        "conversion": c.column_adc.o,
        "column": c.partial_sum.o,
        "adc": c.column_codes,
        "hidden": c.activation.o,
        "logits": c.classifier.logits if c.params.compact else c.upper_layer.o,
        "verdict": c.margin_error.o,
        "delta": c.deltas,
    }
    writes = {"strobe": _whole_masks(c, m)}
    if c.params.analog_upper:
        writes["upper_strobe"] = c.upper_macro.write
    valid = {name: s.valid & s.ready for name, s in transfers.items()}
    valid["entry"] = _whole_entry(c, m)
    if c.params.analog_upper:
        valid["upper_entry"] = c.upper_layer.entry_valid
        m.d.comb += c.taps.upper_entry.eq(c.upper_layer.entry)
    if c.params.grid_rows == 1 and not c.params.calibration:  # else they are looked at whatever the encoding
        valid["conversion"] &= c.sequencer.serial if c.params.bit_serial else Const(0)
    valid["codes"] = c.array.dac_valid & c.array.dac_ready
    for name, write in writes.items():
        was_strobe = Signal(name=f"was_{name}")
        m.d.sync += was_strobe.eq(write.strobe)
        valid[name] = write.strobe & ~was_strobe
        tap = getattr(c.taps, name)
        members = tap_layouts(c.params)[name].members
        m.d.comb += [getattr(tap, member).eq(getattr(write, member)) for member in members]
    m.d.comb += c.taps.valid.eq(Cat(valid[name] for name in names))
    m.d.comb += [getattr(c.taps, name).eq(s.payload) for name, s in transfers.items() if name in names]
    m.d.comb += c.taps.codes.codes.eq(c.array.dac_codes)


def _whole_masks(c, m):
    """The write lines with whole masks."""
    if not c.params.compact:
        return c.gate.write
    m.submodules.tapped_masks = masks = MaskLines(c.params)
    m.d.comb += [
        getattr(masks.words, name).eq(getattr(c.gate.write, name)) for name in WordLines(c.params).members
    ]
    return masks.write


def _whole_entry(c, m):
    """The tap of entries, whose masks are whole ones; returns when there is one."""
    part, tap = c.update_rule.o, c.taps.entry
    taken = part.valid & part.ready
    if not c.params.compact:
        m.d.comb += tap.eq(part.payload)
        return taken
    m.submodules.tapped_entry = masks = EntryMasks(c.params)
    ends = part.payload.last | part.payload.end
    m.d.comb += [
        masks.taken.eq(taken),
        masks.word.eq(part.payload.word),
        masks.up_word.eq(part.payload.up),
        masks.down_word.eq(part.payload.down),
        masks.last.eq(ends),
        tap.end.eq(part.payload.end),
        tap.row.eq(part.payload.row),
        tap.up.eq(masks.up),
        tap.down.eq(masks.down),
    ]
    return taken & ends
