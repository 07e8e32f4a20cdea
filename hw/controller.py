"""The controller: nothing but the data flow, read from top to bottom; what controls it is in hw/control.py."""

from amaranth.hdl import Cat, ClockDomain, ClockSignal, Const, DomainRenamer, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out, connect, flipped

from hw import control
from hw.activation import Activation
from hw.analog_upper import AnalogUpper
from hw.backprop_delta import BackpropDelta
from hw.calibration import Calibration
from hw.classifier import Classifier
from hw.commit_queue import CommitQueue
from hw.conditions import CONDITIONS, conditions
from hw.counter_memory import CounterMemory
from hw.counters import Counters
from hw.dac_encode import DacEncode
from hw.dac_load import DacLoad
from hw.input_buffer import InputBuffer
from hw.interfaces import Count, Deltas, HiddenCodes, Pixels, Result, Update, controller_port, image_stream
from hw.macro_grid import MacroGrid
from hw.margin_error import MarginError
from hw.numerics import link
from hw.partial_sum import PartialSum
from hw.pulse_driver import PulseDriver
from hw.pulse_gate import PulseGate
from hw.pulse_scheduler import PulseScheduler
from hw.ramp_adc import RampAdc
from hw.register_file import BusRequest, BusResponse, RegisterFile
from hw.register_memory import RegisterMemory
from hw.sar_adc import SarAdc
from hw.sequencer import Sequencer
from hw.shift_add import ShiftAdd
from hw.stream_register import StreamRegister
from hw.taps import Taps
from hw.teacher_delta import TeacherDelta
from hw.update_rule import UpdateRule
from hw.update_walk import UpdateWalk
from hw.upper_layer import UpperLayer
from hw.verify import Verify
from hw.weight_load import WeightLoad
from hw.word_driver import WordDriver
from hw.word_gate import WordGate
from hw.word_scheduler import WordScheduler
from spec.grid import Tile, tiles, upper_tile
from spec.params import HwParams


def macros(params: HwParams) -> tuple[Tile, ...]:
    """All macros that a controller has: those of its layer's grid, and that of an analog upper layer."""
    return tiles(params) + ((upper_tile(params),) if params.analog_upper else ())


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
        **{tile.name: Out(controller_port(tile.params)) for tile in macros(params)},
        "image": Out(image_stream()),
        "conditions": Out(len(CONDITIONS)),
    }


class Controller(wiring.Component):
    """The digital controller of one crossbar array, on one macro or a grid of them.

    request, response: register bus.  samples: raw inputs.  counts: pulse counts of a transfer, or what else the host
    wants of the cells (`Count`).  results: one per sample; the host must take them.  macro: the analog array; of a grid, macro_<row>_<column> for each (spec/grid.py).
    image: device image words for an emulated array.  busy, fault: register STATUS.  taps: every stage's transfers.
    conditions: see hw/conditions.py.
    """

    def __init__(self, params: HwParams):
        self.params = params
        super().__init__(controller_ports(params))

    def elaborate(self, platform):
        p, m = self.params, Module()
        self.registers = m.submodules.registers = (RegisterMemory if p.compact else RegisterFile)(p)
        self.sequencer = m.submodules.sequencer = Sequencer(p)
        self.counters = m.submodules.counters = (CounterMemory if p.compact else Counters)(p)
        self.driver = m.submodules.pulse_driver = (WordDriver if p.compact else PulseDriver)(p)
        self.gate = m.submodules.pulse_gate = (WordGate if p.compact else PulseGate)(p)
        m.domains.flushed = flushed = ClockDomain(local=True)  # its reset is a register: it goes far
        m.d.comb += [flushed.clk.eq(ClockSignal()), flushed.rst.eq(self.sequencer.flush)]
        flush = DomainRenamer("flushed")
        for name, block in (
            ("dac_encode", DacEncode), ("input_buffer", InputBuffer), ("dac_load", DacLoad),
            ("column_adc", {"sar": SarAdc, "ramp": RampAdc}[p.adc_kind]), ("partial_sum", PartialSum),
            ("activation", Activation),
            *([("shift_add", ShiftAdd)] if p.bit_serial else []),
            *([("upper_layer", UpperLayer)] if not (p.analog_upper or p.compact) else []),
            *([("classifier", Classifier)] if p.compact else
              [("margin_error", MarginError), ("backprop_delta", BackpropDelta)]),
            *([("teacher_delta", TeacherDelta)] if p.teacher and not p.compact else []),
            ("update_rule", UpdateWalk if p.compact else UpdateRule), ("commit_queue", CommitQueue),
            ("pulse_scheduler", WordScheduler if p.compact else PulseScheduler),
        ):  # fmt: skip
            setattr(self, name, block(p))
            m.submodules[name] = flush(getattr(self, name))
        if p.verify:
            self.verify = Verify(p)
            m.submodules.verify = flush(self.verify)
        if p.calibration:  # its results outlive a fault
            self.calibration = m.submodules.calibration = Calibration(p)
        if p.analog_upper:  # it flushes itself: its write lines have to end a strobe
            self.upper_layer = m.submodules.upper_layer = AnalogUpper(p)
        if p.compact:  # one block is all three
            self.upper_layer = self.margin_error = self.backprop_delta = self.teacher_delta = self.classifier
        self._flush = flush
        self.array = self._array(m)
        self._read_path(m)
        self._verdicts(m)
        self._write_path(m)
        self._weights(m)
        control.registers(self, m)
        if p.calibration:
            control.calibration(self, m)
        control.sequence(self, m)
        control.counts(self, m)
        control.taps(self, m)
        m.d.comb += self.conditions.eq(Cat(conditions(self)))
        if p.verify:
            control.verify(self, m)
        if p.teacher:
            self._wanted(m)
            control.teacher(self, m)
        if p.analog_upper:
            control.upper(self, m)
        return m

    def _array(self, m):
        """The port of the array that samples drive: the macro's own, or that of the grid."""
        ports = [(tile.name, flipped(getattr(self, tile.name))) for tile in tiles(self.params)]
        if len(ports) == 1:
            return ports[0][1]
        m.submodules.macro_grid = grid = MacroGrid(self.params)
        for name, port in ports:
            connect(m, getattr(grid, name), port)
        return grid.array

    def _fifo(self, m, name, layout, depth, *, registered=False):
        """A FIFO of payloads that a fault flushes, with a register behind it if asked for: (input stream, output stream)."""
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
        if registered:
            held = StreamRegister(layout)
            m.submodules[f"{name}_register"] = self._flush(held)
            link(m, outlet, held.i)
            outlet = held.o
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
        control.encoding(self, m)
        if p.compact:
            self._classify(m)
        else:
            self._hidden_codes(m)
            link(m, self.upper_layer.o, self.margin_error.i)
        link(m, self.input_buffer.label, self.margin_error.label)

    def _hidden_codes(self, m):
        """To the upper layer and, of samples that follow a teacher, to the block that compares them with its codes."""
        p, upper = self.params, self.upper_layer.i
        inlet, outlet = self._fifo(m, "hidden_fifo", HiddenCodes(p), p.adc_groups + 2)
        link(m, self.activation.o, inlet)
        if not p.teacher:
            link(m, outlet, upper)
            return
        other = self.teacher_delta.i
        free = other.ready | ~self.taught
        m.d.comb += [
            upper.payload.eq(outlet.payload),
            other.payload.eq(outlet.payload),
            upper.valid.eq(outlet.valid & free),
            other.valid.eq(outlet.valid & upper.ready & self.taught),
            outlet.ready.eq(upper.ready & free),
        ]

    def _classify(self, m):
        """Of compact hardware: column codes to verdicts, and to the errors that follow them."""
        block = self.classifier
        link(m, self.activation.o, block.i)
        link(m, block.deltas, self.update_rule.deltas)
        self.deltas = block.deltas
        m.d.comb += block.logits.ready.eq(1)  # looked at by taps only

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
        update = verdict.payload.update & self._trains("first")
        sinks = [
            (self.results, 1),
            (release_in, 1),
            (rule_in, training),
        ]
        if not p.compact:  # a classifier has its own verdicts
            elsewhere = self._transposed | self.taught if p.teacher else self._transposed
            sinks.append((self.backprop_delta.i, update & ~elsewhere))
        if p.analog_upper:
            sinks.append((self.upper_layer.verdict, 1))
            m.d.comb += self.upper_layer.verdict.payload.eq(verdict.payload)
        accepts = [Signal(name=f"accept_{k}") for k in range(len(sinks))]
        for k, (sink, wanted) in enumerate(sinks):
            others = Cat(a for j, a in enumerate(accepts) if j != k).all()
            m.d.comb += [accepts[k].eq(sink.ready | ~wanted), sink.valid.eq(verdict.valid & wanted & others)]
        m.d.comb += [
            verdict.ready.eq(Cat(accepts).all()),
            self.results.payload.prediction.eq(verdict.payload.prediction),
            self.results.payload.label.eq(verdict.payload.target),
            self.results.payload.update.eq(verdict.payload.update),
            release_in.payload.update.eq(update),
            rule_in.payload.update.eq(update),
        ]
        if not p.compact:
            m.d.comb += self.backprop_delta.i.payload.eq(verdict.payload)

    def _trains(self, layer):
        """Whether this layer, `first` or `last`, is trained in training runs."""
        return self.registers.field("TRAINED", layer) if self.params.analog_upper else Const(1)

    @property
    def taught(self):
        """Whether this is a training run whose errors are against the host's codes."""
        return (
            self.sequencer.training & self.registers.field("TEACHER", "on")
            if self.params.teacher
            else Const(0)
        )

    @property
    def _transposed(self):
        """Whether errors come from transposed reads of the upper array."""
        return self.registers.field("BACKWARD") if self.params.transposed_upper else Const(0)

    def _errors(self, m):
        """The hidden units' errors, from the digital copy of the upper weights, from the upper array, or from a teacher."""
        p = self.params
        inlet, outlet = self._fifo(
            m, "delta_fifo", Deltas(p), p.input_slots * p.update_words, registered=True
        )
        link(m, self.backprop_delta.o, inlet)
        if p.transposed_upper:
            with m.If(self._transposed):
                link(m, self.upper_layer.deltas, inlet)
        if p.teacher:
            with m.If(self.taught):
                link(m, self.teacher_delta.o, inlet)
        self.deltas = inlet
        link(m, outlet, self.update_rule.deltas)

    def _wanted(self, m):
        """The codes that a teacher wants of the columns: they share a stream with what is wanted of the cells."""
        wanted = self.teacher_delta.wanted
        m.d.comb += [wanted.payload.eq(self.counts.payload), wanted.valid.eq(self.counts.valid & self.taught)]
        with m.If(self.taught):
            m.d.comb += self.counts.ready.eq(wanted.ready)

    def _write_path(self, m):
        """Updates to pulses on the write lines."""
        p, sequencer = self.params, self.sequencer
        if not p.compact:
            self._errors(m)
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
        """The upper layer's weights, into both of its memories; of an analog one there is only the copy for errors."""
        m.submodules.weight_load = load = WeightLoad(self.params)
        m.d.comb += [
            load.valid.eq(self.registers.field("WEIGHT_DATA", "valid")),
            load.value.eq(self.registers.field("WEIGHT_DATA")),
            load.rewind.eq(self.registers.field("CONTROL", "rewind_weights")),
            load.o.ready.eq(1),
        ]
        copies = [self.backprop_delta]
        if not (self.params.analog_upper or self.params.compact):
            copies.append(self.upper_layer)
        for block in copies:
            m.d.comb += [block.weights.payload.eq(load.o.payload), block.weights.valid.eq(load.o.valid)]
