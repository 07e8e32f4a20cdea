"""Hidden codes to verdicts and errors with one multiplier: the upper layer of compact hardware."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hw.interfaces import Count, Deltas, HiddenCodes, Label, Logits, Verdict, Weight
from hw.margin_error import MARGIN_BITS
from hw.numerics import saturate
from hw.teacher_delta import DEAD_BITS, teacher_error
from hw.upper_layer import SHIFT_BITS
from spec.params import HwParams


class Classifier(wiring.Component):
    """One sample at a time: a product a cycle, a bit of the rounding shift a cycle, an error in three.

    - `i`: hidden codes, `adc_groups` groups a sample; `input_slots` samples are kept, so that the codes of those whose
      errors are still to come are there.
    - `label`: one per sample.  `weights`: stored at once, always ready; given while no sample is in flight.
    - `shift`, `margin`, `train`: constant during a run.
    - `o`: the verdict; `logits`: the output codes before it, for taps only.
    - `deltas`: after a verdict that updates, its words of errors in column order, `last` on the final one.
    - With a teacher: `always`, constant during a run, which updates with every sample, and takes the errors against
      `wanted`, the codes of the columns, as TeacherDelta does; `dead` as there.

    What upper_layer, margin_error and backprop_delta (or teacher_delta) of model/controller make of a sample, one after
    the other.
    """

    def __init__(self, params: HwParams):
        self.params = params
        super().__init__(
            {
                "i": In(stream.Signature(HiddenCodes(params))),
                "label": In(stream.Signature(Label(params))),
                "weights": In(stream.Signature(Weight(params))),
                "o": Out(stream.Signature(Verdict(params))),
                "logits": Out(stream.Signature(Logits(params))),
                "deltas": Out(stream.Signature(Deltas(params))),
                "shift": In(SHIFT_BITS),
                "margin": In(MARGIN_BITS),
                "train": In(1),
                **(
                    {"always": In(1), "wanted": In(stream.Signature(Count(params))), "dead": In(DEAD_BITS)}
                    if params.teacher
                    else {}
                ),
            }
        )

    def elaborate(self, platform):
        m, p = Module(), self.params
        padded = p.adc_groups * p.adc_channels
        self._klass, self._unit = Signal(p.class_bits), Signal(range(max(p.upper_rows, padded + 1)))
        self._lane_bits = (p.adc_channels - 1).bit_length()
        self._release = Signal()  # the sample in hand is done
        self._hidden = self._codes(m)
        self._chosen = Signal(p.class_bits)  # whose weight is read
        self._weight = self._weights(m)
        m.d.comb += self._chosen.eq(self._klass)
        code, update = Signal(signed(p.logit_bits)), Signal()
        verdict = self.o.payload
        m.d.comb += verdict.update.eq(update)
        total, pending = self._accumulate(m)
        with m.FSM():
            with m.State("WAIT"):
                m.d.comb += self.label.ready.eq(self._there)
                m.d.sync += [self._klass.eq(0), verdict.target.eq(self.label.payload.label)]
                with m.If(self._there & self.label.valid):
                    m.next = "CLASS"
            self._sum(m, total, pending, code)
            self._compare(m, code, update)
            with m.State("OFFER"):
                m.d.comb += self.o.valid.eq(1)
                m.d.sync += self._unit.eq(0)
                with m.If(self.o.ready & update):
                    m.next = "TARGET"
                with m.Elif(self.o.ready):
                    m.d.comb += self._release.eq(1)
                    m.next = "WAIT"
            self._errors(m)
        return m

    def _codes(self, m):
        """A ring of samples' hidden codes; returns the code of `_unit` a cycle later, 0 beyond the last column."""
        p = self.params
        groups = max(1, (p.adc_groups - 1).bit_length())
        codes = data.ArrayLayout(p.adc_bits - 1, p.adc_channels)
        memory: Memory = Memory(shape=codes, depth=p.input_slots << groups, init=[])
        m.submodules.codes = memory
        read, write = memory.read_port(), memory.write_port()
        stored, used, kept, whole = (
            Signal(range(p.input_slots + 1), name=name) for name in ("stored", "used", "kept", "whole")
        )
        group, lane = Signal(groups), Signal(max(1, self._lane_bits))
        taken = self.i.valid & self.i.ready
        ends = taken & self.i.payload.last
        self._there = whole != 0

        def following(slot):
            return Mux(slot == p.input_slots - 1, 0, slot + 1)

        m.d.comb += [
            self.i.ready.eq(kept != p.input_slots),
            write.en.eq(taken),
            write.addr.eq(Cat(group, stored)),
            write.data.eq(self.i.payload.codes),
            read.addr.eq(Cat((self._unit >> self._lane_bits)[:groups], used)),
        ]
        m.d.sync += [
            whole.eq(whole + ends - self._release),
            kept.eq(kept + ends - self._release),
            lane.eq(self._unit[: self._lane_bits]),
        ]
        with m.If(taken):
            m.d.sync += group.eq(Mux(self.i.payload.last, 0, group + 1))
        with m.If(ends):
            m.d.sync += stored.eq(following(stored))
        with m.If(self._release):
            m.d.sync += used.eq(following(used))
        return read.data[lane]

    def _weights(self, m):
        """Weights class by class, those of the bias behind them; returns that of (`_chosen`, `_unit`) a cycle later."""
        p = self.params
        stride = max(1, (max(p.columns, p.adc_groups * p.adc_channels) - 1).bit_length())
        biases = p.classes << stride
        memory: Memory = Memory(shape=signed(p.weight_bits), depth=biases + p.classes, init=[])
        m.submodules.weights = memory
        read, write = memory.read_port(), memory.write_port()
        weight = self.weights.payload
        for port, klass, unit in (
            (read, self._chosen, self._unit),
            (write, weight.klass, weight.unit),
        ):
            m.d.comb += port.addr.eq(Mux(unit == p.columns, biases + klass, Cat(unit[:stride], klass)))
        m.d.comb += [self.weights.ready.eq(1), write.en.eq(self.weights.valid), write.data.eq(weight.value)]
        return read.data

    def _accumulate(self, m):
        """The sum of products, and whether one is still to be added."""
        p = self.params
        self._fetch = Signal()  # a weight and a code are read in this cycle
        total = Signal(signed(p.logit_acc_bits))
        product = Signal(signed(p.weight_bits + p.adc_bits - 1))
        read, multiplied, bias = Signal(), Signal(), Signal()
        m.d.sync += [read.eq(self._fetch), multiplied.eq(read), bias.eq(self._unit == p.columns)]
        m.d.sync += product.eq(self._weight * Mux(bias, p.adc_limit, self._hidden))
        with m.If(multiplied):
            m.d.sync += total.eq(total + product)
        return total, read | multiplied

    def _sum(self, m, total, pending, code):
        """A class's sum, shifted and rounded to its code."""
        p = self.params
        half, left = Signal(), Signal(SHIFT_BITS)
        with m.State("CLASS"):
            m.d.sync += [total.eq(0), self._unit.eq(0), half.eq(0), left.eq(self.shift)]
            m.next = "SUM"
        with m.State("SUM"):
            m.d.comb += self._fetch.eq(1)
            m.d.sync += self._unit.eq(self._unit + 1)
            with m.If(self._unit == p.columns):
                m.next = "SHIFT"
        with m.State("SHIFT"):
            with m.If(~pending):
                with m.If(left == 0):
                    m.next = "ROUND"
                with m.Else():
                    m.d.sync += [left.eq(left - 1), total.eq(total >> 1), half.eq(total[0])]
        with m.State("ROUND"):
            m.d.sync += code.eq(saturate(total + half, -p.logit_limit, p.logit_limit))
            m.next = "COMPARE"

    def _compare(self, m, code, update):
        """One class after the other, as MarginError; then the verdict."""
        p, verdict = self.params, self.o.payload
        target, rival, best = (
            Signal(signed(p.logit_bits), name=name) for name in ("target", "rival", "best")
        )
        any_rival, logits = Signal(), self.logits.payload.logits.as_value()
        with m.State("COMPARE"):
            m.d.sync += [self._klass.eq(self._klass + 1), logits.eq(Cat(logits, code)[p.logit_bits :])]
            with m.If((self._klass == 0) | (code > best)):
                m.d.sync += [best.eq(code), verdict.prediction.eq(self._klass)]
            with m.If(self._klass == verdict.target):
                m.d.sync += target.eq(code)
            with m.Elif(~any_rival | (code > rival)):
                m.d.sync += [any_rival.eq(1), rival.eq(code), verdict.rival.eq(self._klass)]
            m.next = "CLASS"
            with m.If(self._klass == p.classes - 1):
                m.next = "VERDICT"
        with m.State("VERDICT"):
            m.d.comb += self.logits.valid.eq(1)
            below = target - rival < self.margin
            if p.teacher:
                below |= self.always
            m.d.sync += [update.eq(self.train & below), any_rival.eq(0)]
            with m.If(self.logits.ready):
                m.next = "OFFER"

    def _errors(self, m):
        """Column after column the target's weight and the rival's, and the error where the code is neither 0 nor Q."""
        p, verdict = self.params, self.o.payload
        of_target = Signal(signed(p.weight_bits))
        active = (self._hidden != 0) & (self._hidden != p.adc_limit)
        error = Mux(active, saturate(of_target - self._weight, -p.delta_limit, p.delta_limit), 0)
        lanes, word = p.update_columns, self.deltas.payload.deltas.as_value()
        m.d.comb += self.deltas.payload.last.eq(self._unit == p.adc_groups * p.adc_channels)
        with m.State("TARGET"):
            m.d.comb += self._chosen.eq(verdict.target)
            m.next = "RIVAL"
        with m.State("RIVAL"):
            m.d.comb += self._chosen.eq(verdict.rival)
            m.d.sync += of_target.eq(self._weight)
            m.next = "SUBTRACT"
        if p.teacher:
            taught = self.always & (self._unit < p.columns)
            code = self.wanted.payload.count.as_unsigned()[: p.adc_bits - 1]
            against = teacher_error(code - self._hidden, self.dead, p.delta_limit)
            error = Mux(self.always, Mux(taught, against, 0), error)
        with m.State("SUBTRACT"):
            m.d.sync += [
                word.eq(Cat(word, error[: p.delta_bits])[p.delta_bits :]),
                self._unit.eq(self._unit + 1),
            ]
            m.next = "TARGET"
            with m.If((self._unit + 1)[: self._lane_bits] == 0 if lanes > 1 else Const(1)):
                m.next = "GIVE"
            if p.teacher:
                m.d.comb += self.wanted.ready.eq(taught)
                with m.If(taught & ~self.wanted.valid):
                    m.d.sync += [word.eq(word), self._unit.eq(self._unit)]
                    m.next = "SUBTRACT"
        with m.State("GIVE"):
            m.d.comb += self.deltas.valid.eq(1)
            with m.If(self.deltas.ready):
                m.next = "TARGET"
                with m.If(self.deltas.payload.last):
                    m.d.comb += self._release.eq(1)
                    m.next = "WAIT"
