"""The controller with the emulated array: what simulation and an FPGA without a chip run."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import Out, connect, flipped

from hw.conditions import CONDITIONS
from hw.controller import Controller, host_ports, macros
from hw.macro.crossbar import CrossbarMacro
from hw.macro.timing import erase_latency
from hw.mask_lines import connect_macro
from spec.device_image import offset
from spec.errors import InputError
from spec.grid import macro_seed
from spec.params import HwParams


class EmulatedTop(wiring.Component):
    """`Controller` and a `CrossbarMacro` for each of its macros, each with a seed of its own.

    Raises InputError when the watchdog would not let the array erase itself.
    """

    def __new__(
        cls, params: HwParams, **kwargs
    ):  # before there is a component, which would warn of its not being used
        longest = max(
            erase_latency(tile.params) for tile in macros(params)
        )  # no other operation takes as long
        if longest >= params.watchdog_cycles:
            text = f"{params.watchdog_cycles} is too short: erasing the emulated array takes {longest} cycles"
            raise InputError(text, key="watchdog_cycles")
        return super().__new__(cls, **kwargs)

    def __init__(self, params: HwParams):
        self.params = params
        super().__init__(self.ports(params))

    @staticmethod
    def ports(params: HwParams) -> dict[str, wiring.Member]:
        return host_ports(params)

    def elaborate(self, platform):
        m = Module()
        m.submodules.controller = controller = self.controller = self._controller()
        for tile in macros(self.params):
            macro = m.submodules[tile.name] = CrossbarMacro(tile.params)
            self._attach(m, tile, getattr(controller, tile.name), macro.port)
            m.d.comb += [
                macro.image.valid.eq(controller.image.valid),
                macro.image.payload.eq(controller.image.payload),
            ]
            if tile.place > 0:
                word = controller.image.payload
                with m.If(word.address == offset("seed")):
                    m.d.comb += macro.image.payload.value.eq(macro_seed(word.value, tile.place))
        m.d.comb += controller.image.ready.eq(1)  # as every macro's
        for name in ("request", "response", "samples", "counts", "results", "taps"):
            connect(m, getattr(controller, name), flipped(getattr(self, name)))
        m.d.comb += [self.busy.eq(controller.busy), self.fault.eq(controller.fault)]
        return m

    def _controller(self) -> wiring.Component:
        return Controller(self.params)

    def _attach(self, m, tile, controller, macro):
        """The controller's port of a macro to the macro's."""
        connect_macro(m, tile.params, tile.name, controller, macro)


class ObservedTop(EmulatedTop):
    """`EmulatedTop` for simulations: `seen` has a bit for each condition (hw/conditions.py) that has held since reset."""

    @staticmethod
    def ports(params: HwParams) -> dict[str, wiring.Member]:
        return host_ports(params) | {"seen": Out(len(CONDITIONS))}

    def elaborate(self, platform):
        m = super().elaborate(platform)
        m.d.sync += self.seen.eq(self.seen | self.controller.conditions)
        return m
