"""The controller with the emulated array: what simulation and an FPGA without a chip run."""

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hw.controller import Controller
from hw.interfaces import Count, Pixels, Result
from hw.macro.crossbar import CrossbarMacro
from hw.register_file import BusRequest, BusResponse
from hw.taps import Taps
from spec.params import HwParams


class EmulatedTop(wiring.Component):
    """`Controller` and `CrossbarMacro`; the ports are the controller's without the array's."""

    def __init__(self, params: HwParams):
        self.params = params
        super().__init__(
            {
                "request": In(stream.Signature(BusRequest())),
                "response": Out(stream.Signature(BusResponse())),
                "samples": In(stream.Signature(Pixels(params))),
                "counts": In(stream.Signature(Count(params))),
                "results": Out(stream.Signature(Result(params))),
                "busy": Out(1),
                "fault": Out(1),
                "taps": Out(Taps(params)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.controller = controller = Controller(self.params)
        m.submodules.macro = macro = CrossbarMacro(self.params)
        connect(m, controller.macro, macro.port)
        connect(m, controller.image, macro.image)
        for name in ("request", "response", "samples", "counts", "results", "taps"):
            connect(m, getattr(controller, name), flipped(getattr(self, name)))
        m.d.comb += [self.busy.eq(controller.busy), self.fault.eq(controller.fault)]
        return m
