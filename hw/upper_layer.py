"""The digital upper layer: hidden codes to output codes."""

from functools import reduce
from itertools import pairwise
from operator import or_

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hw.bits import set_bits
from hw.interfaces import HiddenCodes, Logits, Weight
from hw.numerics import saturate, times
from spec.params import HwParams

SHIFT_BITS = 5


class UpperLayer(wiring.Component):
    """`macs` products per cycle over the codes that are not zero, as model/controller/upper_layer.py.

    - `i`: a sample's hidden codes, `adc_groups` groups, `last` on the final one.
    - `weights`: stored in the next cycle, always ready; given while no sample is in flight.
    - `shift`: rounding shift from sums to output codes, constant during a run.
    - `o`: the output codes, and per column whether its code is neither 0 nor Q.

    logit_c = saturate(round_shift(sum_j h_j w_jc + Q w_bias,c, shift)).  Of a group's non-zero codes the lowest goes
    first, one per `weight_words` cycles; the bias is one more code of the last group; a zero code takes no time.
    Throughput: `group_cycles` per group and no gap between groups or samples, but a sample's bias comes
    `INTERVAL + classes` cycles after that of the sample before at the earliest.
    Latency: `LATENCY + classes` cycles from the bias's last word to a valid `o`.
    """

    INTERVAL = 7
    LATENCY = 8

    def __init__(self, params: HwParams):
        self.params = params
        super().__init__(
            {
                "i": In(stream.Signature(HiddenCodes(params))),
                "weights": In(stream.Signature(Weight(params))),
                "o": Out(stream.Signature(Logits(params))),
                "shift": In(SHIFT_BITS),
            }
        )

    @staticmethod
    def group_cycles(params: HwParams, nonzero: int, last: bool) -> int:
        """Cycles of a group with that many non-zero codes; the last group has the bias too."""
        return max(1, (nonzero + last) * params.weight_words)

    def elaborate(self, platform):
        m = Module()
        p = self.params
        m.submodules.memory = memory = Memory(
            shape=data.ArrayLayout(signed(p.weight_bits), p.macs),
            depth=p.upper_rows * p.weight_words,
            init=[],
        )
        read = memory.read_port()
        self._store_weights(m, memory.write_port(granularity=1))
        reserved, active = Signal(), Signal(p.columns)
        address = Signal(read.addr.shape())
        m.d.comb += read.addr.eq(address)
        term = self._terms(m, address, reserved, active)
        sums, complete = self._accumulate(m, read.data, term)
        self._drain(m, sums, complete, reserved, active)
        return m

    def _store_weights(self, m, write):
        """Class c is lane c % macs of its unit's word c // macs."""
        p = self.params
        weight = self.weights.payload
        word, lane = Signal(range(max(2, p.weight_words))), Signal(p.macs)
        with m.Switch(weight.klass):
            for klass in range(p.classes):
                with m.Case(klass):
                    m.d.comb += [word.eq(klass // p.macs), lane.eq(1 << klass % p.macs)]
        m.d.comb += self.weights.ready.eq(1)
        m.d.sync += [
            write.addr.eq(times(weight.unit, p.weight_words) + word),
            write.en.eq(Mux(self.weights.valid, lane, 0)),
            [stored.eq(weight.value) for stored in write.data],
        ]

    def _terms(self, m, address, reserved, active):
        """Groups to terms: registers for the address of a term's weights and, beside it, its code and place.

        A sample's bias waits while the sums of the sample before are `reserved`, then reserves them for its own.
        """
        p = self.params
        group = Signal(HiddenCodes(p), init={"last": 1})  # type: ignore[arg-type]  # the stubs know no layouts here
        left = Signal(p.group_channels + 1)  # a bit per code still to do; the highest is the bias
        base, word = Signal(address.shape()), Signal(range(max(2, p.weight_words)))
        fields = {"valid": 1, "first": 1, "last": 1, "word": len(word), "code": p.adc_bits - 1}
        term = Signal(data.StructLayout(fields))
        first, seen = Signal(init=1), Signal(p.adc_groups * p.group_channels)
        code, offset = self._lowest(m, group, left)
        others = left & (left - 1)
        some, alone = Signal(), Signal()  # codes are left; one at most, so that `others` is 0
        issue, unit_ends = Signal(), Signal()
        bias = left[-1] & alone
        m.d.comb += [
            issue.eq(some & ~(bias & reserved)),
            unit_ends.eq(issue & (word == p.weight_words - 1)),
            self.i.ready.eq(~some | (unit_ends & alone)),
        ]
        m.d.sync += [
            address.eq(base + offset + (word if p.weight_words > 1 else 0)),
            term.valid.eq(issue),
            term.first.eq(first),
            term.last.eq(unit_ends & bias),
            term.word.eq(word),
            term.code.eq(code),
        ]
        with m.If(issue):
            m.d.sync += word.eq(word + 1)
        with m.If(unit_ends):
            m.d.sync += [word.eq(0), left.eq(others), first.eq(bias)]
            m.d.sync += [some.eq(~alone), alone.eq(set_bits(left, 3) < 3)]
        with m.If(unit_ends & bias):
            m.d.sync += [reserved.eq(1), active.eq(Cat(seen[place] for place in p.column_places))]
        with m.If(self.i.valid & self.i.ready):
            codes = self.i.payload.codes
            comes = Cat((h != 0 for h in codes), self.i.payload.last)
            m.d.sync += [
                some.eq(comes.any()),
                alone.eq(set_bits(comes, 2) < 2),
                group.eq(self.i.payload),
                left.eq(comes),
                base.eq(Mux(group.last, 0, base + p.adc_channels * p.weight_words)),
                seen.eq(Cat(seen, (h.any() & ~h.all() for h in codes))[p.group_channels :]),
            ]
        return term

    def _lowest(self, m, group, left):
        """The code of the lowest bit of `left`, and its weights' address from that of the group's first unit."""
        p = self.params
        bias_unit = p.columns - (p.adc_groups - 1) * p.adc_channels  # counted from the last group's first
        units = [
            0 if column is None else column for column in p.group_columns(0)
        ]  # a code without is always 0
        offsets = [unit * p.weight_words for unit in (*units, bias_unit)]
        lowest, code, offset = Signal.like(left), Signal(p.adc_bits - 1), Signal(range(max(offsets) + 1))

        def chosen(values):
            return reduce(or_, (Mux(bit, value, 0) for bit, value in zip(lowest, values, strict=True)))

        m.d.comb += [
            lowest.eq(left & -left),
            code.eq(chosen([*group.codes, p.adc_limit])),
            offset.eq(chosen(offsets)),
        ]
        return code, offset

    def _accumulate(self, m, weights, term):
        """Sums per class; `complete` is 1 in the cycle in which they hold a whole sample."""
        p = self.params
        sums = [Signal(signed(p.logit_acc_bits), name=f"sum_{klass}") for klass in range(p.classes)]
        read, fetched, multiplied = (
            Signal.like(term, name=name) for name in ("read", "fetched", "multiplied")
        )
        complete = Signal()
        # Without a reset, registers of factors and products can be the multipliers' own.
        code = Signal(len(term.code), reset_less=True)
        factors = Signal(data.ArrayLayout(signed(p.weight_bits), p.macs), reset_less=True)
        products = Signal(data.ArrayLayout(signed(p.weight_bits + p.adc_bits - 1), p.macs), reset_less=True)
        m.d.sync += [
            read.eq(term),
            fetched.eq(read),
            code.eq(read.code),
            factors.eq(weights),
            multiplied.eq(fetched),
            [product.eq(factor * code) for product, factor in zip(products, factors, strict=True)],
            complete.eq(multiplied.valid & multiplied.last),
        ]
        for klass, total in enumerate(sums):
            with m.If(multiplied.valid & (multiplied.word == klass // p.macs)):
                m.d.sync += total.eq(Mux(multiplied.first, 0, total) + products[klass % p.macs])
        return sums, complete

    def _drain(self, m, sums, complete, reserved, active):
        """A copy of the sums, one class per cycle through one shifter into the output."""
        p = self.params
        held = [Signal.like(total, name=f"held_{klass}") for klass, total in enumerate(sums)]
        waits, left = Signal(), Signal(range(p.classes))
        shifted, shifted_valid = Signal(signed(p.logit_acc_bits)), Signal()
        logits = self.o.payload.logits.as_value()
        most = p.logit_acc_bits  # from there on every sum is 0
        shift, half = Signal(range(most + 1)), Signal(most)  # settled before the first sums
        m.d.sync += [shift.eq(Mux(self.shift > most, most, self.shift)), half.eq((1 << shift) >> 1)]
        m.d.sync += [shifted.eq((held[0] + half) >> shift), shifted_valid.eq(0)]  # spec.numerics.round_shift
        with m.If(shifted_valid):
            logit = saturate(shifted, -p.logit_limit, p.logit_limit)
            m.d.sync += logits.eq(Cat(logits, logit)[p.logit_bits :])
        with m.FSM():
            with m.State("WAIT"):
                m.d.sync += left.eq(p.classes - 1)
                with m.If(waits):
                    m.next = "SHIFT"
            with m.State("SHIFT"):
                m.d.sync += [left.eq(left - 1), shifted_valid.eq(1)]
                m.d.sync += [now.eq(after) for now, after in pairwise(held)]
                with m.If(left == 0):
                    m.d.sync += [waits.eq(0), reserved.eq(0), self.o.payload.active.eq(active)]
                    m.next = "SATURATE"
            with m.State("SATURATE"):
                m.next = "OFFER"
            with m.State("OFFER"):
                m.d.comb += self.o.valid.eq(1)
                with m.If(self.o.ready):
                    m.next = "WAIT"
        with m.If(complete):
            m.d.sync += [waits.eq(1), [copy.eq(total) for copy, total in zip(held, sums, strict=True)]]
