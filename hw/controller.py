"""The controller: nothing but the data flow and the registers, read from top to bottom."""

from amaranth.hdl import Cat, Const, Module, Mux, ResetInserter, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out, connect, flipped

from hw.activation import Activation
from hw.backprop_delta import BackpropDelta
from hw.calibration import Calibration
from hw.commit_queue import CommitQueue
from hw.conditions import CONDITIONS, conditions
from hw.counters import Counters
from hw.dac_encode import DacEncode
from hw.dac_load import DacLoad
from hw.input_buffer import InputBuffer
from hw.interfaces import Count, Deltas, HiddenCodes, MacroPort, Pixels, Result, Update, image_stream
from hw.macro_grid import MacroGrid
from hw.margin_error import MarginError
from hw.numerics import link
from hw.partial_sum import PartialSum
from hw.pulse_driver import PulseDriver
from hw.pulse_gate import PulseGate
from hw.pulse_scheduler import PulseScheduler
from hw.ramp_adc import RampAdc
from hw.register_file import BusRequest, BusResponse, RegisterFile
from hw.sar_adc import SarAdc
from hw.sequencer import Sequencer
from hw.shift_add import ShiftAdd
from hw.taps import Taps, tap_layouts
from hw.update_rule import UpdateRule
from hw.upper_layer import UpperLayer
from hw.verify import SETTINGS, Verify
from hw.weight_load import WeightLoad
from spec.device_image import Readout
from spec.grid import tiles
from spec.params import ENCODINGS, HwParams
from spec.stages import stage_names


def host_ports(params: HwParams) -> dict[str, wiring.Member]:
    """What a host sees of a controller, with an emulated array or a real one."""
    return {
        "request": In(stream.Signature(BusRequest())),
        "response": Out(stream.Signature(BusResponse())),
        "samples": In(stream.Signature(Pixels(params))),
        "counts": In(stream.Signature(Count(params))),
        "results": Out(stream.Signature(Result(params))),
        "busy": Out(1),
        "fault": Out(1),
        "taps": Out(Taps(params)),
    }


def controller_ports(params: HwParams) -> dict[str, wiring.Member]:
    """The ports of a controller: the host's, the arrays', and the device image for emulated ones."""
    return {
        **host_ports(params),
        **{tile.name: Out(MacroPort(tile.params)) for tile in tiles(params)},
        "image": Out(image_stream()),
        "conditions": Out(len(CONDITIONS)),
    }


class Controller(wiring.Component):
    """The digital controller of one crossbar array, on one macro or a grid of them.

    request, response: register bus.  samples: raw inputs.  counts: pulse counts of a transfer.  results: one per
    sample; the host must take them.  macro: the analog array; of a grid, macro_<row>_<column> for each (spec/grid.py).
    image: device image words for an emulated array.  busy, fault: register STATUS.  taps: every stage's transfers.
    conditions: see hw/conditions.py.
    """

    def __init__(self, params: HwParams):
        self.params = params
        super().__init__(controller_ports(params))

    def elaborate(self, platform):
        p, m = self.params, Module()
        self.registers = m.submodules.registers = RegisterFile(p)
        self.sequencer = m.submodules.sequencer = Sequencer(p)
        self.counters = m.submodules.counters = Counters(p)
        self.driver = m.submodules.pulse_driver = PulseDriver(p)
        self.gate = m.submodules.pulse_gate = PulseGate(p)
        flush = ResetInserter(self.sequencer.flush)
        for name, block in (
            ("dac_encode", DacEncode), ("input_buffer", InputBuffer), ("dac_load", DacLoad),
            ("column_adc", {"sar": SarAdc, "ramp": RampAdc}[p.adc_kind]), ("partial_sum", PartialSum),
            ("activation", Activation),
            *([("shift_add", ShiftAdd)] if p.bit_serial else []),
            ("upper_layer", UpperLayer), ("margin_error", MarginError), ("backprop_delta", BackpropDelta),
            ("update_rule", UpdateRule), ("commit_queue", CommitQueue), ("pulse_scheduler", PulseScheduler),
        ):  # fmt: skip
            setattr(self, name, block(p))
            m.submodules[name] = flush(getattr(self, name))
        if p.verify:
            self.verify = Verify(p)
            m.submodules.verify = flush(self.verify)
        if p.calibration:  # its results outlive a fault
            self.calibration = m.submodules.calibration = Calibration(p)
        self._flush = flush
        self.array = self._array(m)
        self._read_path(m)
        self._verdicts(m)
        self._write_path(m)
        self._weights(m)
        self._registers(m)
        if p.calibration:
            self._calibration(m)
        self._sequence(m)
        self._counts(m)
        self._taps(m)
        m.d.comb += self.conditions.eq(Cat(conditions(self)))
        if p.verify:
            self._verify(m)
        return m

    def _array(self, m):
        """The port of the array: the macro's own, or that of the grid."""
        ports = [(tile.name, flipped(getattr(self, tile.name))) for tile in tiles(self.params)]
        if len(ports) == 1:
            return ports[0][1]
        m.submodules.macro_grid = grid = MacroGrid(self.params)
        for name, port in ports:
            connect(m, getattr(grid, name), port)
        return grid.array

    def _fifo(self, m, name, layout, depth):
        """A FIFO of payloads that a fault flushes: (input stream, output stream)."""
        fifo = SyncFIFOBuffered(width=layout.size, depth=depth)
        m.submodules[name] = self._flush(fifo)
        inlet = stream.Signature(layout).flip().create(path=(f"{name}_in",))
        outlet = stream.Signature(layout).create(path=(f"{name}_out",))
        m.d.comb += [
            fifo.w_data.eq(inlet.payload),
            fifo.w_en.eq(inlet.valid),
            inlet.ready.eq(fifo.w_rdy),
            outlet.payload.eq(fifo.r_data),
            outlet.valid.eq(fifo.r_rdy),
            fifo.r_en.eq(outlet.ready),
        ]
        return inlet, outlet

    def _read_path(self, m):
        """Samples to the array's rows; column sums to the verdict."""
        p, macro = self.params, self.array
        streaming = self.sequencer.streaming
        swap = macro.integrate & (self.sequencer.plane == 0) if p.bit_serial else macro.integrate
        m.d.comb += [
            self.dac_encode.i.payload.eq(self.samples.payload),
            self.dac_encode.i.valid.eq(self.samples.valid & streaming),
            self.samples.ready.eq(self.dac_encode.i.ready & streaming),
        ]
        link(m, self.dac_encode.o, self.input_buffer.i)
        link(m, self.input_buffer.load, self.dac_load.i)
        m.d.comb += [
            macro.dac_valid.eq(self.dac_load.dac_valid),
            macro.dac_word.eq(self.dac_load.dac_word),
            macro.dac_codes.eq(self.dac_load.dac_codes),
            self.dac_load.dac_ready.eq(macro.dac_ready),
            self.dac_load.swap.eq(swap),
            macro.integrate_cycles.eq(self.sequencer.integrate_cycles),
            macro.lsb.eq(self.registers.field("LSB")),
            macro.group.eq(self.column_adc.group),
            macro.trial.eq(self.column_adc.trial),
            self.column_adc.compare.eq(macro.compare),
        ]
        self._column_codes(m)
        self._encoding(m)
        inlet, outlet = self._fifo(m, "hidden_fifo", HiddenCodes(p), p.adc_groups + 2)
        link(m, self.activation.o, inlet)
        link(m, outlet, self.upper_layer.i)
        link(m, self.upper_layer.o, self.margin_error.i)
        link(m, self.input_buffer.label, self.margin_error.label)

    def _column_codes(self, m):
        """From the converters to the activation."""
        if self.params.calibration:
            link(m, self.column_adc.o, self.calibration.i)
            link(m, self.calibration.o, self.partial_sum.i)
        else:
            link(m, self.column_adc.o, self.partial_sum.i)
        if self.params.bit_serial:
            link(m, self.partial_sum.o, self.shift_add.i)
            link(m, self.shift_add.o, self.activation.i)
            self.column_codes = self.shift_add.o
        else:
            link(m, self.partial_sum.o, self.activation.i)
            self.column_codes = self.partial_sum.o

    def _calibration(self, m):
        """What the calibration is told, and its results; rows are not driven while offsets are measured."""
        block, field, sequencer = self.calibration, self.registers.field, self.sequencer
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
            field("CALIBRATION_RESULT", "offset").eq(block.offset),
            field("CALIBRATION_RESULT", "gain").eq(block.gain),
        ]
        with m.If(sequencer.measuring & ~block.gains):
            m.d.comb += self.array.dac_codes.eq(0)

    def _encoding(self, m):
        """How rows are driven: the encoding goes to the array and to what differs by it."""
        p, macro, sequencer = self.params, self.array, self.sequencer
        unit = self.registers.field("INTEGRATE")
        whole: Value = unit
        if p.pulse_width:  # a row of full-scale code is driven all the time
            whole = Mux(self._encoded("pulse_width"), (unit << p.dac_bits) - unit, unit)
        m.d.comb += sequencer.integrate_cycles.eq(whole)
        if p.choose_encoding:
            for name in p.encodings:
                with m.If(self._encoded(name)):
                    m.d.comb += macro.encoding.eq(ENCODINGS.index(name))
        if p.bit_serial:
            m.d.comb += [
                sequencer.serial.eq(self._encoded("bit_serial")),
                macro.plane.eq(sequencer.plane),
                self.gate.integrate_continues.eq(sequencer.continues),
                self.shift_add.serial.eq(sequencer.serial),
                self.shift_add.shift.eq(self.registers.field("SERIAL_SHIFT")),
            ]

    def _encoded(self, name):
        """Whether the encoding `name`, which is built in, applies: one that is not built in acts as the first that is."""
        first, *others = self.params.encodings
        chosen = [self.registers.field("ENCODING") == ENCODINGS.index(other) for other in others]
        return ~Cat(chosen).any() if name == first else chosen[others.index(name)]

    def _verdicts(self, m):
        """A verdict goes to the host, to the sample's slot, to the update rule and, if it updates, to the backward pass.

        Its consumers take it in the same cycle.  The queues hold a verdict for each slot, so that reads never wait
        for updates.
        """
        p, verdict, training = self.params, self.margin_error.o, self.sequencer.training
        update = Update(p)
        release_in, release = self._fifo(m, "release_fifo", update, p.input_slots)
        rule_in, rule = self._fifo(m, "update_fifo", update, p.input_slots)
        link(m, release, self.input_buffer.verdict)
        link(m, rule, self.update_rule.i)
        sinks = (
            (self.results, 1),
            (release_in, 1),
            (rule_in, training),
            (self.backprop_delta.i, verdict.payload.update),
        )
        accepts = [Signal(name=f"accept_{k}") for k in range(len(sinks))]
        for k, (sink, wanted) in enumerate(sinks):
            others = Cat(a for j, a in enumerate(accepts) if j != k).all()
            m.d.comb += [accepts[k].eq(sink.ready | ~wanted), sink.valid.eq(verdict.valid & wanted & others)]
        m.d.comb += [
            verdict.ready.eq(Cat(accepts).all()),
            self.results.payload.prediction.eq(verdict.payload.prediction),
            self.results.payload.label.eq(verdict.payload.target),
            self.results.payload.update.eq(verdict.payload.update),
            release_in.payload.update.eq(verdict.payload.update),
            rule_in.payload.update.eq(verdict.payload.update),
            self.backprop_delta.i.payload.eq(verdict.payload),
        ]

    def _write_path(self, m):
        """Updates to pulses on the write lines."""
        p, sequencer = self.params, self.sequencer
        inlet, outlet = self._fifo(m, "delta_fifo", Deltas(p), p.input_slots * p.update_words)
        link(m, self.backprop_delta.o, inlet)
        link(m, outlet, self.update_rule.deltas)
        link(m, self.input_buffer.rows, self.update_rule.rows)
        link(m, self.update_rule.o, self.commit_queue.i)
        link(m, self.commit_queue.o, self.pulse_scheduler.online)
        operation = self.pulse_scheduler.o
        if p.verify:
            link(m, self.pulse_scheduler.o, self.verify.i)
            operation = self.verify.o
        m.d.comb += [
            self.pulse_scheduler.counts.payload.eq(self.counts.payload),
            self.pulse_scheduler.counts.valid.eq(self.counts.valid & sequencer.transferring),
            self.counts.ready.eq(self.pulse_scheduler.counts.ready & sequencer.transferring),
            self.driver.i.payload.eq(operation.payload),
            self.driver.i.valid.eq(operation.valid & sequencer.allow_pulses),
            operation.ready.eq(self.driver.i.ready & sequencer.allow_pulses),
        ]
        connect(m, self.driver.request, self.gate.request)
        connect(m, self.gate.write, self.array.write)

    def _weights(self, m):
        """The upper layer's weights, into both of its memories."""
        m.submodules.weight_load = load = WeightLoad(self.params)
        m.d.comb += [
            load.valid.eq(self.registers.field("WEIGHT_DATA", "valid")),
            load.value.eq(self.registers.field("WEIGHT_DATA")),
            load.rewind.eq(self.registers.field("CONTROL", "rewind_weights")),
            load.o.ready.eq(1),
        ]
        for block in (self.upper_layer, self.backprop_delta):
            m.d.comb += [block.weights.payload.eq(load.o.payload), block.weights.valid.eq(load.o.valid)]

    def _registers(self, m):
        """Configuration out of the registers, status into them."""
        field = self.registers.field
        connect(m, flipped(self.request), self.registers.request)
        connect(m, self.registers.response, flipped(self.response))
        connect(m, self.registers.image, flipped(self.image))
        for signal, register in (
            (self.upper_layer.shift, "LOGIT_SHIFT"),
            (self.margin_error.margin, "MARGIN"),
            (self.update_rule.rule, "RULE"),
            (self.update_rule.threshold, "THRESHOLD"),
            (self.update_rule.double_first, "DOUBLE_FIRST"),
            (self.update_rule.double_second, "DOUBLE_SECOND"),
            (self.update_rule.x_threshold, "X_THRESHOLD"),
            (self.update_rule.delta_threshold, "DELTA_THRESHOLD"),
            (self.driver.width, "PULSE"),
            (self.driver.guard, "GUARD"),
            (self.gate.width_limit, "PULSE"),
            (self.gate.guard, "GUARD"),
            (self.gate.strobe_cap, "STROBE_CAP"),
            (self.gate.count_cap, "COUNT_CAP"),
            (self.sequencer.samples, "SAMPLES"),
            (self.sequencer.mode, "MODE"),
        ):
            m.d.comb += signal.eq(field(register))
        m.d.comb += [
            self.driver.amplitude.eq(field("WRITE", "amplitude")),
            self.pulse_scheduler.depress.eq(field("WRITE", "depress")),
            self.busy.eq(self.sequencer.busy),
            self.fault.eq(self.gate.fault.any()),
            field("STATUS", "busy").eq(self.busy),
            field("STATUS", "fault").eq(self.fault),
            field("FAULT").eq(self.gate.fault),
        ]
        if self.params.chance_rules:
            m.d.comb += self.update_rule.update_seed.eq(field("UPDATE_SEED"))
        with m.If(self.sequencer.readout_done):
            m.d.sync += [
                field("DEBUG_STATE", "plus").eq(self.array.readout_plus),
                field("DEBUG_STATE", "minus").eq(self.array.readout_minus),
            ]
        with m.If(field("DEBUG_ADDRESS", "valid")):
            m.d.sync += [
                self.array.readout_row.eq(field("DEBUG_ADDRESS", "row")),
                self.array.readout_column.eq(field("DEBUG_ADDRESS", "column")),
            ]

    def _sequence(self, m):
        """The sequencer's commands and what it looks at."""
        field, s, macro = self.registers.field, self.sequencer, self.array
        m.d.comb += [
            s.start.eq(field("CONTROL", "start")),
            s.erase.eq(field("CONTROL", "erase")),
            s.clear_memory.eq(field("CONTROL", "clear_memory")),
            s.readout_start.eq(field("DEBUG_ADDRESS", "valid")),
            s.loaded.eq(self.dac_load.loaded),
            s.adc_busy.eq(self.column_adc.busy),
            s.adc_ends.eq(self.column_adc.ends),
            s.array_ready.eq(self.gate.array_free),
            s.commit_busy.eq(self.commit_queue.busy),
            s.pulses_busy.eq(
                self.pulse_scheduler.o.valid
                | self.driver.busy
                | self.gate.strobe_active
                | (self.verify.busy if self.params.verify else 0)
            ),
            s.memory_busy.eq(self.update_rule.busy),
            s.scheduled.eq(self.pulse_scheduler.done | (self.verify.done if self.params.verify else 0)),
            s.result.eq(self.results.valid & self.results.ready),
            s.fault.eq(self.gate.fault.any()),
            self.column_adc.start.eq(s.adc_start),
            self.commit_queue.start.eq(s.commit_start),
            self.margin_error.train.eq(s.training),
            self.pulse_scheduler.transfer.eq(s.transferring),
            self.pulse_scheduler.restart.eq(s.run_start),
            self.update_rule.restart.eq(s.run_start),
            self.update_rule.clear.eq(s.memory_clear),
            self.driver.array_ready.eq(self.gate.array_free),
            self.driver.abort.eq(s.flush | self.gate.fault.any()),
            self.gate.array_ready.eq(macro.ready),
            self.gate.integrate_request.eq(s.integrate),
            self.gate.erase_request.eq(s.array_erase),
            self.gate.converting.eq(self.column_adc.busy),
            self.gate.training.eq(s.training & ~s.tuning if self.params.verify else s.training),
            self.gate.transferring.eq(s.transferring),
            self.gate.run_active.eq(s.run_active),
            self.gate.run_start.eq(s.run_start),
            self.gate.window_open.eq(s.commit_start),
            self.gate.abort.eq(field("CONTROL", "abort")),
            self.gate.clear_fault.eq(field("CONTROL", "clear_fault")),
            macro.integrate.eq(self.gate.integrate),
            macro.erase.eq(self.gate.erase),
            macro.readout.eq(self.gate.readout if self.params.verify else s.readout),
        ]

    def _counts(self, m):
        """The counters' events."""
        c, field, result = self.counters, self.registers.field, self.results
        read_ahead = self.column_codes.valid & self.column_codes.ready
        clipped: Value = self.activation.clipped
        if self.params.grid_rows > 1:  # of a bit-serial read, the partial codes are those of its planes
            serial = self.sequencer.serial if self.params.bit_serial else Const(0)
            clipped = Mux(serial, clipped, self.partial_sum.clipped)
        m.d.comb += [
            c.clear.eq(field("CONTROL", "clear_counters")),
            c.run_start.eq(self.sequencer.run_start),
            c.result.eq(result.valid & result.ready),
            c.correct.eq(result.payload.prediction == result.payload.label),
            c.update.eq(result.payload.update),
            c.integrate.eq(self.gate.integrate),
            c.strobe.eq(self.gate.write.strobe),
            c.up.eq(self.gate.write.up),
            c.down.eq(self.gate.write.down),
            c.readout.eq(self.array.readout),
            c.active.eq(self.sequencer.run_active),
            c.converting.eq(self.column_adc.busy),
            c.stretched.eq(self.sequencer.stretched | self.driver.waiting),
            c.clipped.eq(clipped & read_ahead.replicate(len(c.clipped))),
        ]
        if self.params.bit_serial:
            plane = self.partial_sum.i.valid & self.partial_sum.i.ready & self.sequencer.serial
            m.d.comb += c.planes_clipped.eq(self.partial_sum.clipped & plane.replicate(len(c.clipped)))
        registers = ("SAMPLES_DONE", "CORRECT", "UPDATES", "CLIPPED", "INTEGRATES", "STROBES", "PULSES_UP",
                     "PULSES_DOWN", "VERIFY_READS", "CYCLES", "ELAPSED", "STRETCH")  # fmt: skip
        named = dict(zip(c.names, registers, strict=False)) | {
            "planes_clipped_codes": "PLANES_CLIPPED",
            "given_up": "GIVEN_UP",
        }
        for name, register in ((name, named[name]) for name in c.names):
            m.d.comb += field(register).eq(getattr(c, name))

    def _verify(self, m):
        """Program-verify and tuned updates: readings, and what the host wants of the cells."""
        v, s, macro = self.verify, self.sequencer, self.array
        m.d.comb += [getattr(v, port).eq(self.registers.field(name)) for port, name in SETTINGS.items()]
        m.d.comb += [
            v.verifying.eq(s.verifying),
            v.tuning.eq(s.tuning),
            v.writing.eq(self.driver.busy | self.gate.strobe_active),
            v.targets.payload.eq(self.counts.payload),
            v.targets.valid.eq(self.counts.valid & s.verifying),
            s.read_wanted.eq(v.read.valid),
            v.read.ready.eq(s.reads_cell),
            v.reading.payload.eq(macro.reading),
            v.reading.valid.eq(self.gate.array_free),
            self.gate.verifying.eq(s.verifying),
            self.gate.tuning.eq(s.tuning),
            self.gate.readout_request.eq(s.readout | s.reads_cell),
            self.counters.give_up.eq(v.given_up),
        ]
        with m.If(s.verifying):
            m.d.comb += self.counts.ready.eq(v.targets.ready)
        with m.If(s.reads_cell):
            m.d.sync += [
                macro.readout_row.eq(v.read.payload.row),
                macro.readout_column.eq(v.read.payload.column),
                macro.readout_kind.eq(v.read.payload.kind),
            ]
        with m.Elif(self.registers.field("DEBUG_ADDRESS", "valid")):
            m.d.sync += macro.readout_kind.eq(Readout.STATES)

    def _taps(self, m):
        """Each stage's transfers."""
        write, was_strobe = self.gate.write, Signal()
        m.d.sync += was_strobe.eq(write.strobe)
        names = stage_names(self.params)
        transfers = {
            "conversion": self.column_adc.o,
            "column": self.partial_sum.o,
            "adc": self.column_codes,
            "hidden": self.activation.o,
            "logits": self.upper_layer.o,
            "verdict": self.margin_error.o,
            "delta": self.backprop_delta.o,
            "entry": self.update_rule.o,
        }
        valid = {name: s.valid & s.ready for name, s in transfers.items()}
        if (
            self.params.grid_rows == 1 and not self.params.calibration
        ):  # else they are looked at whatever the encoding
            valid["conversion"] &= self.sequencer.serial if self.params.bit_serial else Const(0)
        valid["codes"] = self.array.dac_valid & self.array.dac_ready
        valid["strobe"] = write.strobe & ~was_strobe
        m.d.comb += self.taps.valid.eq(Cat(valid[name] for name in names))
        m.d.comb += [getattr(self.taps, name).eq(s.payload) for name, s in transfers.items() if name in names]
        m.d.comb += self.taps.codes.codes.eq(self.array.dac_codes)
        m.d.comb += [
            getattr(self.taps.strobe, name).eq(getattr(write, name))
            for name in tap_layouts(self.params)["strobe"].members
        ]
