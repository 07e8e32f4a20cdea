"""A controller whose array is on the pins of the worked adapter."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import Out, connect, flipped

from fpga.adapters.converter_adapter import ConverterAdapter, check_adaptable
from fpga.adapters.pins import AnalogPins
from hw.controller import Controller, host_ports
from hw.mask_lines import connect_macro
from spec.converter_parts import PARTS, Parts
from spec.errors import InputError
from spec.params import HwParams


class AdaptedTop(wiring.Component):
    """`Controller` and `ConverterAdapter`.  Words of a device image, which only an emulated array needs, are dropped.

    Raises InputError for hardware of several macros, and as ConverterAdapter.
    """

    def __new__(cls, params: HwParams, clock_hz: float, parts: Parts = PARTS):
        if params.macros > 1 or params.analog_upper:
            raise InputError("the worked adapter is for one macro", key="macro_rows")
        check_adaptable(params, parts, clock_hz)  # before there is a component, which would warn
        return super().__new__(cls)

    def __init__(self, params: HwParams, clock_hz: float, parts: Parts = PARTS):
        self.params, self.adapter = params, ConverterAdapter(params, clock_hz, parts)
        super().__init__(host_ports(params) | {"pins": Out(AnalogPins(params, parts))})

    def elaborate(self, platform):
        m = Module()
        m.submodules.controller = controller = Controller(self.params)
        m.submodules.adapter = adapter = self.adapter
        connect_macro(m, self.params, "macro", controller.macro, adapter.port)
        connect(m, adapter.pins, flipped(self.pins))
        m.d.comb += controller.image.ready.eq(1)
        for name in ("request", "response", "samples", "counts", "results", "taps"):
            connect(m, getattr(controller, name), flipped(getattr(self, name)))
        m.d.comb += [self.busy.eq(controller.busy), self.fault.eq(controller.fault)]
        return m
