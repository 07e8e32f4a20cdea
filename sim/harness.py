"""Stream ports around blocks that have others, so that the bench of all blocks can play them."""

# Ports are members of the signature, which mypy does not see.
# mypy: disable-error-code="attr-defined"

from collections.abc import Callable
from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.calibration import SUM_BITS, Calibration
from hw.commit_queue import CommitQueue
from hw.dac_load import DacLoad
from hw.interfaces import LSB_BITS, PartialCodes
from hw.update_rule import UpdateRule
from hw.update_walk import DOUBLES, UpdateWalk
from hw.weight_load import WeightLoad
from spec.params import HwParams


class DacLoadHarness(wiring.Component):
    """`dac`: the words that reach the row port.  Each sample is swapped into the array as soon as it is loaded."""

    def __init__(self, params: HwParams):
        self.params = params
        self.block = DacLoad(params)
        codes = data.ArrayLayout(params.dac_bits, params.dac_load_lanes)
        word = data.StructLayout({"word": self.block.dac_word.shape(), "codes": codes})
        super().__init__({"i": In(stream.Signature(codes)), "dac": Out(stream.Signature(word))})

    def elaborate(self, platform):
        m = Module()
        m.submodules.block = block = self.block
        wiring.connect(m, wiring.flipped(self.i), block.i)
        m.d.comb += [
            self.dac.valid.eq(block.dac_valid),
            self.dac.payload.word.eq(block.dac_word),
            self.dac.payload.codes.eq(block.dac_codes),
            block.dac_ready.eq(self.dac.ready),
            block.swap.eq(block.loaded),
        ]
        return m


class AdcHarness(wiring.Component):
    """`sums`: column sums of each row of macros to hold and convert, one word per read; comparators as late as may be."""

    def __init__(self, block: Callable[[HwParams], Any], params: HwParams):
        self.params = params
        self.block = block(params)
        sums = data.ArrayLayout(signed(params.sum_bits), params.grid_rows * params.columns)
        super().__init__(
            {
                "sums": In(stream.Signature(sums)),
                "lsb": In(LSB_BITS),
                "o": Out(stream.Signature(PartialCodes(params))),
            }
        )

    def elaborate(self, platform):
        p, m = self.params, Module()
        m.submodules.block = block = self.block
        wiring.connect(m, block.o, wiring.flipped(self.o))
        held = Signal(self.sums.payload.shape())
        start = self.sums.valid & self.sums.ready
        converting, held_now = (
            Signal(),
            Signal(),
        )  # the conversion starts in the cycle in which the sums are held
        m.d.sync += held_now.eq(start)
        with m.If(start):
            m.d.sync += converting.eq(1)
        with m.Elif(block.ends):
            m.d.sync += converting.eq(0)
        m.d.comb += [self.sums.ready.eq(~converting), block.start.eq(held_now)]
        with m.If(start):
            m.d.sync += held.eq(self.sums.payload)
        columns = [p.group_columns(group) for group in range(p.adc_groups)]
        compare = []
        for k, trial in enumerate(block.trial):
            row, channel = divmod(k, p.group_channels)
            column = Signal(data.ArrayLayout(signed(p.sum_bits), p.adc_groups))
            for g, of_group in enumerate(columns):
                if (number := of_group[channel]) is not None:
                    m.d.comb += column[g].eq(held[row * p.columns + number])
            compare.append((column[block.group] << 1) >= ((trial << 1) - 1) * self.lsb)
        late: Value = Cat(compare)
        for stage in range(p.trial_cycles - 1):
            before, late = late, Signal(p.converters, name=f"late_{stage}")
            m.d.sync += late.eq(before)
        m.d.comb += block.compare.eq(late)
        return m


class CalibrationHarness(wiring.Component):
    """`i`: codes that are measured, with `gains`, and between them (`finish`) the ends of runs; `targets`: by channel.

    `results`: offset and gain of each channel after each end of a run; `restored`: for each, what then takes their place.
    """

    def __init__(self, params: HwParams):
        self.params = params
        self.block = Calibration(params)
        item = data.StructLayout({"codes": PartialCodes(params), "gains": 1, "finish": 1})
        result = data.StructLayout({"offset": self.block.offset.shape(), "gain": len(self.block.gain)})
        super().__init__(
            {
                "i": In(stream.Signature(item)),
                "targets": In(stream.Signature(SUM_BITS)),
                "restored": In(stream.Signature(data.StructLayout({**result.members, "restore": 1}))),
                "o": Out(self.block.o.signature),
                "results": Out(stream.Signature(result)),
                "apply": In(1),
                "shift": In(len(self.block.shift)),
            }
        )

    def elaborate(self, platform):
        p, m = self.params, Module()
        m.submodules.block = block = self.block
        wiring.connect(m, block.o, wiring.flipped(self.o))
        item, channel = self.i.payload, Signal.like(block.channel)
        last_channel = channel == p.converters - 1
        m.d.comb += [
            block.i.payload.eq(item.codes),
            block.gains.eq(item.gains),
            block.measuring.eq(1),
            block.apply.eq(self.apply),
            block.shift.eq(self.shift),
            block.channel.eq(channel),
            block.target.eq(self.targets.payload),
            block.new_offset.eq(self.restored.payload.offset),
            block.new_gain.eq(self.restored.payload.gain),
            self.results.payload.offset.eq(block.offset),
            self.results.payload.gain.eq(block.gain),
        ]
        with m.FSM():
            with m.State("TARGETS"):
                m.d.comb += [self.targets.ready.eq(1), block.target_valid.eq(self.targets.valid)]
                with m.If(self.targets.valid):
                    m.d.sync += channel.eq(Mux(last_channel, 0, channel + 1))
                    with m.If(last_channel):
                        m.next = "CODES"
            with m.State("CODES"):
                m.d.comb += [
                    block.i.valid.eq(self.i.valid & ~item.finish),
                    self.i.ready.eq(block.i.ready & ~item.finish),
                ]
                with m.If(self.i.valid & item.finish & ~block.o.valid):
                    m.d.comb += block.finish.eq(1)
                    m.next = "FINISH"
            with m.State("FINISH"):
                with m.If(~block.busy):
                    m.d.comb += block.restart.eq(1)
                    m.next = "RESULTS"
            with m.State("RESULTS"):
                m.d.comb += [
                    self.results.valid.eq(self.restored.valid),
                    self.restored.ready.eq(self.results.ready),
                ]
                with m.If(self.results.valid & self.results.ready):
                    m.d.comb += block.restore.eq(self.restored.payload.restore)
                    m.d.sync += channel.eq(Mux(last_channel, 0, channel + 1))
                    with m.If(last_channel):
                        m.d.comb += self.i.ready.eq(1)
                        m.next = "CODES"
        return m


class WeightLoadHarness(wiring.Component):
    """`i`: weights as the register file gives them, one a cycle."""

    def __init__(self, params: HwParams):
        self.params = params
        self.block = WeightLoad(params)
        super().__init__(
            {
                "i": In(stream.Signature(signed(params.weight_bits))),
                "rewind": In(1),
                "o": Out(self.block.o.signature),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.block = block = self.block
        wiring.connect(m, block.o, wiring.flipped(self.o))
        m.d.comb += [
            self.i.ready.eq(1),
            block.valid.eq(self.i.valid),
            block.value.eq(self.i.payload),
            block.rewind.eq(self.rewind),
        ]
        return m


class UpdateWalkHarness(UpdateRule):
    """Gives UpdateWalk both registers in turn, as seldom as may be: every third cycle is lost to an access of the host."""

    def elaborate(self, platform):
        m = Module()
        m.submodules.block = block = UpdateWalk(self.params)
        for name, member in self.signature.members.items():
            if member.is_signature:
                wiring.connect(m, wiring.flipped(getattr(self, name)), getattr(block, name))
            elif member.flow == Out:
                m.d.comb += getattr(self, name).eq(getattr(block, name))
            elif name not in DOUBLES:
                m.d.comb += getattr(block, name).eq(getattr(self, name))
        turn, cycle = Signal(), Signal(range(3))
        m.d.sync += [turn.eq(~turn), cycle.eq(Mux(cycle == 2, 0, cycle + 1))]
        m.d.comb += block.double.eq(~self.double_first)  # to be seen if it is looked at
        for number, name in enumerate(DOUBLES):
            with m.If((cycle != 0) & (turn == number)):
                m.d.comb += [block.double.eq(getattr(self, name)), block.shows[number].eq(1)]
        return m


class CommitQueueHarness(wiring.Component):
    """`starts`: one item per sample to commit, taken when the last one is out."""

    def __init__(self, params: HwParams):
        self.params = params
        self.block = CommitQueue(params)
        super().__init__(
            {
                "i": In(self.block.i.signature.flip()),
                "starts": In(stream.Signature(1)),
                "o": Out(self.block.o.signature),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.block = block = self.block
        wiring.connect(m, wiring.flipped(self.i), block.i)
        wiring.connect(m, block.o, wiring.flipped(self.o))
        m.d.comb += [block.start.eq(self.starts.valid & ~block.busy), self.starts.ready.eq(~block.busy)]
        return m
