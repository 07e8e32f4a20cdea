"""Bit-serial reads: the codes of the planes become column codes."""

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hw.interfaces import ColumnCodes
from hw.numerics import saturate
from spec.numerics import round_shift
from spec.params import HwParams
from spec.registers import BY_NAME


class ShiftAdd(wiring.Component):
    """With `serial`, clip(round_shift(sum over k of code_k * 2**k, shift)) over a read's `dac_bits` planes.

    i: codes of one plane after the other, plane 0 first.  o: column codes, with the groups of the last plane.
    Without `serial` codes pass in their cycle; with it a group takes 2 cycles and, of the last plane, waits for `o`.
    `serial` and `shift` hold from a reset on while codes come.  Golden: model/controller/shift_add.py.
    """

    def __init__(self, params: HwParams):
        self.params = params
        super().__init__(
            {
                "i": In(stream.Signature(ColumnCodes(params))),
                "o": Out(stream.Signature(ColumnCodes(params))),
                "serial": In(1),
                "shift": In(BY_NAME["SERIAL_SHIFT"].fields[0].bits),
            }
        )

    def elaborate(self, platform):
        p, m = self.params, Module()
        sums = data.ArrayLayout(signed(p.adc_bits + p.dac_bits), p.group_channels)
        m.submodules.memory = memory = Memory(shape=sums, depth=max(2, p.adc_groups), init=[])
        write, read = memory.write_port(), memory.read_port()
        held = Signal(ColumnCodes(p))
        plane, group = Signal(p.plane_bits), Signal(range(max(2, p.adc_groups)))
        last_plane = plane == p.dac_bits - 1
        total, out = Signal(sums), Signal(ColumnCodes(p))
        for k in range(p.group_channels):
            before = Mux(plane == 0, 0, read.data[k])
            m.d.comb += total[k].eq(before + (held.codes[k] << plane))
        m.d.comb += [
            read.addr.eq(group),
            write.addr.eq(group),
            write.data.eq(total),
            self.o.payload.as_value().eq(Mux(self.serial, out.as_value(), self.i.payload.as_value())),
        ]
        with m.FSM():
            with m.State("TAKE"):
                m.d.comb += [
                    self.i.ready.eq(self.serial | self.o.ready),
                    self.o.valid.eq(self.i.valid & ~self.serial),
                    read.en.eq(1),
                ]
                m.d.sync += held.eq(self.i.payload)
                with m.If(self.i.valid & self.serial):
                    m.next = "ADD"
            with m.State("ADD"):
                m.d.comb += [read.en.eq(0), write.en.eq(1)]
                m.d.sync += group.eq(Mux(held.last, 0, group + 1))
                with m.If(held.last):
                    m.d.sync += plane.eq(Mux(last_plane, 0, plane + 1))
                m.d.sync += out.last.eq(held.last)
                for k in range(p.group_channels):
                    code = saturate(round_shift(total[k], self.shift), -p.adc_limit, p.adc_limit)
                    m.d.sync += out.codes[k].eq(code)
                with m.If(last_plane):
                    m.next = "GIVE"
                with m.Else():
                    m.next = "TAKE"
            with m.State("GIVE"):
                m.d.comb += self.o.valid.eq(1)
                with m.If(self.o.ready):
                    m.next = "TAKE"
        return m
