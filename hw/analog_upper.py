"""The upper layer on a second array: hidden codes to output codes, errors back, its own pulses."""

from amaranth.hdl import Cat, Module, Mux, ResetInserter, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hw.counters import COUNTER_BITS, Counters
from hw.dac_load import DacLoad
from hw.input_buffer import InputBuffer
from hw.interfaces import (
    AMPLITUDE_BITS,
    LSB_BITS,
    WIDTH_BITS,
    Count,
    Deltas,
    Entry,
    HiddenCodes,
    Logits,
    MacroPort,
    Verdict,
    pulse_bits,
)
from hw.numerics import link, popcount, saturate
from hw.pulse_driver import GUARD_BITS, PulseDriver
from hw.pulse_gate import COUNT_CAP_BITS, STROBE_CAP_BITS, PulseGate
from hw.pulse_scheduler import PulseScheduler
from hw.ramp_adc import RampAdc
from hw.sar_adc import SarAdc
from hw.update_rule import SETTINGS as RULE_SETTINGS
from hw.update_rule import UpdateRule
from hw.upper_rows import UpperRows
from hw.upper_sequencer import UpperSequencer
from spec.numerics import UPPER_SEED
from spec.params import HwParams
from spec.registers import Fault

COUNTS = ("integrates", "clipped_codes", "strobes", "pulses_up", "pulses_down")
"""Counters of the upper array's own, as hw/counters.py names them."""


class AnalogUpper(wiring.Component):
    """The blocks of a layer once more, for an array of `HwParams.upper`; its macro is `port`.

    - `i`: hidden codes; `o`: output codes and, per hidden unit, whether its code is neither 0 nor Q.
    - `verdict`: of every sample, in order, after its output codes; taken when all that it starts can start.
    - `deltas`: of samples that update, where `transposed` and `trains_first`: the hidden units' errors.
    - `counts`: pulse counts of a transfer.
    - Commands, one cycle each, taken when idle: transfer, erase, readout, clear (the update memory).
    - Levels: sampling, training (a run is active), flush (drop what is under way), abort, clear_fault.
    - Settings as the registers of the same names; those of the update rule as in hw/update_rule.py.
    - Status: working (an update is under way), busy (a command is), transferring, fault (causes), readout_done, the
      counters COUNTS; entry, entry_valid: what the update rule gives (for a tap).
    Golden: model/upper.py.
    """

    def __init__(self, params: HwParams):
        self.params = params
        levels = (
            "transfer", "erase", "readout", "clear", "clear_counters", "sampling", "training", "run_start", "flush",
            "abort", "halt", "clear_fault", "transposed", "trains_first", "trains_last", "depress",
        )  # fmt: skip
        settings = {
            "lsb": LSB_BITS,
            "backward_lsb": LSB_BITS,
            "integrate_cycles": WIDTH_BITS,
            "width": pulse_bits(params),
            "guard": GUARD_BITS,
            "amplitude": AMPLITUDE_BITS,
            "strobe_cap": STROBE_CAP_BITS,
            "count_cap": COUNT_CAP_BITS,
        }
        super().__init__(
            {
                "i": In(stream.Signature(HiddenCodes(params))),
                "o": Out(stream.Signature(Logits(params))),
                "verdict": In(stream.Signature(Verdict(params))),
                "deltas": Out(stream.Signature(Deltas(params))),
                "counts": In(stream.Signature(Count(params))),
                "port": Out(MacroPort(params.upper)),
                **{name: In(1) for name in levels},
                **{name: In(bits) for name, bits in settings.items()},
                **{name: In(shape) for name, shape in RULE_SETTINGS.items()},
                **{
                    name: Out(1)
                    for name in ("working", "busy", "transferring", "readout_done", "entry_valid")
                },
                "entry": Out(Entry(params.upper)),
                **{name: Out(COUNTER_BITS) for name in COUNTS},
                "fault": Out(len(Fault)),
            }
        )

    def elaborate(self, platform):
        p, m = self.params.upper, Module()
        flush = ResetInserter(self.flush)
        self.sequencer = UpperSequencer(self.params)
        m.submodules.sequencer = flush(self.sequencer)
        self.driver = m.submodules.pulse_driver = PulseDriver(p)
        self.gate = m.submodules.pulse_gate = PulseGate(p)
        self.counters = m.submodules.counters = Counters(p)
        adc = {"sar": SarAdc, "ramp": RampAdc}[p.adc_kind]
        for name, block in (
            ("upper_rows", UpperRows(self.params)), ("input_buffer", InputBuffer(p)), ("dac_load", DacLoad(p)),
            ("column_adc", adc(p)), ("update_rule", UpdateRule(p)), ("pulse_scheduler", PulseScheduler(p)),
        ):  # fmt: skip
            setattr(self, name, block)
            m.submodules[name] = flush(block)
        self._read_path(m)
        self._backward(m)
        self._update(m)
        self._write_path(m)
        self._sequence(m)
        self._counts(m)
        return m

    def _read_path(self, m):
        """Hidden codes to the array's rows, column sums to output codes."""
        port, s, active = self.port, self.sequencer, Signal(self.params.columns)
        link(m, flipped(self.i), self.upper_rows.i)
        link(m, self.upper_rows.o, self.input_buffer.i)
        link(m, self.input_buffer.load, self.dac_load.i)
        m.d.comb += [
            self.input_buffer.label.ready.eq(1),
            port.dac_valid.eq(self.dac_load.dac_valid),
            port.dac_word.eq(self.dac_load.dac_word),
            port.dac_codes.eq(self.dac_load.dac_codes),
            self.dac_load.dac_ready.eq(port.dac_ready),
            self.dac_load.swap.eq(port.integrate & ~s.backward),
            port.integrate_cycles.eq(self.integrate_cycles),
            port.lsb.eq(Mux(s.backward, self.backward_lsb, self.lsb)),
            port.group.eq(self.column_adc.group),
            port.trial.eq(self.column_adc.trial),
            self.column_adc.compare.eq(port.compare),
            self.column_adc.o.ready.eq(Mux(s.backward, 1, s.converting & self.o.ready)),
            self.o.valid.eq(self.column_adc.o.valid & s.converting),
            self.o.payload.active.eq(active),
            *(
                o.eq(code)
                for o, code in zip(self.o.payload.logits, self.column_adc.o.payload.codes, strict=True)
            ),
        ]
        self._active(m, active)

    def _active(self, m, active):
        """Which hidden units' codes are neither 0 nor Q, of the sample that the array reads."""
        p, load = self.params.upper, self.dac_load
        seen = Signal(p.row_words * p.dac_load_lanes)
        word = Cat(code.any() & ~code.all() for code in load.dac_codes)
        with m.If(load.dac_valid & load.dac_ready):
            m.d.sync += seen.eq(Cat(seen, word)[p.dac_load_lanes :])
        with m.If(load.swap):
            m.d.sync += active.eq(seen)

    def _backward(self, m):
        """Codes of transposed reads, a word of errors at a time."""
        p, s = self.params, self.sequencer
        if not p.transposed_upper:
            return
        verdict, step = self.verdict.payload, p.transposed_rows
        errors = Signal(p.update_columns * p.delta_bits)
        active = Signal(p.update_words * p.update_columns)
        codes = [Signal(signed(p.delta_bits), name=f"error_{k}") for k in range(step)]
        for k, code in enumerate(codes):
            error = saturate(self.column_adc.o.payload.codes[k], -p.delta_limit, p.delta_limit)
            m.d.comb += code.eq(Mux(active[k] & ~s.beyond, error, 0))
        with m.If(self.verdict.valid & self.verdict.ready):
            m.d.sync += [
                self.port.raised.eq(verdict.target),
                self.port.lowered.eq(verdict.rival),
                active.eq(verdict.active),
            ]
        with m.If(s.shift):
            m.d.sync += [errors.eq(Cat(errors, *codes)[step * p.delta_bits :]), active.eq(active >> step)]
        m.d.comb += [
            self.port.transposed.eq(s.backward),
            self.port.first_row.eq(s.first_row),
            self.deltas.valid.eq(s.offers),
            self.deltas.payload.deltas.as_value().eq(errors),
            self.deltas.payload.last.eq(s.last_word),
        ]

    def _update(self, m):
        """The update rule: errors of the output units, rows of the input buffer."""
        s, rule, verdict = self.sequencer, self.update_rule, self.verdict
        takes, update = Signal(), Signal()
        limit = self.params.delta_limit
        m.d.comb += [
            update.eq(verdict.payload.update & self.trains_last),
            takes.eq(s.awaits & self.input_buffer.verdict.ready & rule.i.ready),
            verdict.ready.eq(takes),
            self.input_buffer.verdict.valid.eq(takes & verdict.valid),
            self.input_buffer.verdict.payload.update.eq(update),
            rule.i.valid.eq(takes & verdict.valid),
            rule.i.payload.update.eq(update),
            *(getattr(rule, name).eq(getattr(self, name)) for name in RULE_SETTINGS if name != "update_seed"),
            rule.update_seed.eq(self.update_seed ^ UPPER_SEED),
            rule.restart.eq(self.run_start),
            rule.clear.eq(self.clear),
        ]
        link(m, self.input_buffer.rows, rule.rows)
        wanted = Signal()
        with m.If(takes & verdict.valid & update):
            m.d.sync += wanted.eq(1)
        with m.Elif(rule.deltas.ready):
            m.d.sync += wanted.eq(0)
        target, rival = Signal.like(verdict.payload.target), Signal.like(verdict.payload.rival)
        with m.If(takes & verdict.valid):
            m.d.sync += [target.eq(verdict.payload.target), rival.eq(verdict.payload.rival)]
        m.d.comb += [rule.deltas.valid.eq(wanted), rule.deltas.payload.last.eq(1)]
        for klass, delta in enumerate(rule.deltas.payload.deltas):
            m.d.comb += delta.eq(Mux(target == klass, limit, Mux(rival == klass, -limit, 0)))

    def _write_path(self, m):
        """Rows with pulses to the write lines."""
        s, entry, scheduler = self.sequencer, self.update_rule.o, self.pulse_scheduler
        operation = scheduler.o
        m.d.comb += [
            scheduler.online.valid.eq(entry.valid & ~entry.payload.end),
            entry.ready.eq(scheduler.online.ready | entry.payload.end),
            *(
                getattr(scheduler.online.payload, name).eq(getattr(entry.payload, name))
                for name in ("row", "up", "down")
            ),
            scheduler.transfer.eq(s.transferring),
            scheduler.restart.eq(s.run_start),
            scheduler.depress.eq(self.depress),
            self.driver.i.payload.eq(operation.payload),
            self.driver.i.valid.eq(operation.valid & s.allow_pulses),
            operation.ready.eq(self.driver.i.ready & s.allow_pulses),
            scheduler.counts.payload.eq(self.counts.payload),
            scheduler.counts.valid.eq(self.counts.valid & s.transferring),
            self.counts.ready.eq(scheduler.counts.ready & s.transferring),
        ]
        connect(m, self.driver.request, self.gate.request)
        connect(m, self.gate.write, flipped(self.port.write))
        for name in ("width", "guard", "amplitude"):
            m.d.comb += getattr(self.driver, name).eq(getattr(self, name))
        m.d.comb += [
            self.gate.width_limit.eq(self.width),
            self.gate.guard.eq(self.guard),
            self.gate.strobe_cap.eq(self.strobe_cap),
            self.gate.count_cap.eq(self.count_cap),
        ]

    def _sequence(self, m):
        """Commands and status of sequencer, driver and gate."""
        s, gate, port = self.sequencer, self.gate, self.port
        ended, entry = Signal(), self.update_rule.o
        with m.If(self.verdict.valid & self.verdict.ready):
            m.d.sync += ended.eq(0)
        with m.Elif(entry.valid & entry.payload.end):
            m.d.sync += ended.eq(1)
        for name in ("transfer", "erase", "readout", "sampling", "trains_first", "trains_last", "transposed"):
            m.d.comb += getattr(s, name).eq(getattr(self, name))
        m.d.comb += [
            s.loaded.eq(self.dac_load.loaded),
            s.array_free.eq(gate.array_free),
            s.converted.eq(self.column_adc.o.valid),
            s.logits_taken.eq(self.o.valid & self.o.ready),
            s.verdict.eq(self.verdict.valid & self.verdict.ready),
            s.update.eq(self.verdict.payload.update),
            s.word_taken.eq(self.deltas.ready),
            s.ended.eq(ended),
            s.pulses_busy.eq(self.pulse_scheduler.o.valid | self.driver.busy | gate.strobe_active),
            s.scheduled.eq(self.pulse_scheduler.done),
            s.fault.eq(gate.fault.any()),
            self.column_adc.start.eq(s.adc_start),
            self.driver.array_ready.eq(gate.array_free),
            self.driver.abort.eq(self.flush | self.halt | gate.fault.any()),
            gate.array_ready.eq(port.ready),
            gate.integrate_request.eq(s.integrate),
            gate.erase_request.eq(s.array_erase),
            gate.converting.eq(self.column_adc.busy),
            gate.training.eq(self.training),
            gate.transferring.eq(s.transferring),
            gate.run_active.eq(self.sampling | s.transferring),
            gate.run_start.eq(self.run_start | s.run_start),
            gate.window_open.eq(s.window_open),
            gate.abort.eq(self.abort),
            gate.clear_fault.eq(self.clear_fault),
            port.integrate.eq(gate.integrate),
            port.erase.eq(gate.erase),
            port.readout.eq(s.array_readout),
            self.working.eq(s.working),
            self.busy.eq(s.busy | self.update_rule.busy),
            self.transferring.eq(s.transferring),
            self.readout_done.eq(s.readout_done),
            self.fault.eq(gate.fault),
        ]

    def _counts(self, m):
        """The counters' events; of time there are none."""
        write, limit = self.gate.write, self.params.logit_limit
        clipped = popcount(Cat((code == limit) | (code == -limit) for code in self.o.payload.logits))
        m.d.comb += [
            self.counters.clear.eq(self.clear_counters),
            self.counters.integrate.eq(self.gate.integrate),
            self.counters.clipped.eq(Mux(self.o.valid & self.o.ready, clipped, 0)),
            self.counters.strobe.eq(write.strobe),
            self.counters.up.eq(write.up),
            self.counters.down.eq(write.down),
            *(getattr(self, name).eq(getattr(self.counters, name)) for name in COUNTS),
            self.entry.eq(self.update_rule.o.payload),
            self.entry_valid.eq(self.update_rule.o.valid & self.update_rule.o.ready),
        ]
