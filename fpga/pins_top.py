"""What runs on an FPGA with an array on its pins: the controller behind a UART, and the serial link to the array."""

from amaranth.lib import wiring
from amaranth.lib.wiring import Flow, connect

from fpga.top import FpgaTop
from hw.controller import Controller
from hw.macro_pins import MacroPins
from hw.serial_macro import SerialMacro
from spec.params import HwParams


class PinsTop(FpgaTop):
    """`Controller` and its link to the host, as FpgaTop; array_<name>: the pins of hw/macro_pins.py."""

    RESULT_SLOTS = 256  # one block RAM

    @staticmethod
    def array_ports(params: HwParams) -> dict[str, wiring.Member]:
        return {f"array_{name}": member for name, member in MacroPins(params).members.items()}

    def _hardware(self, m) -> wiring.Component:
        m.submodules.controller = controller = Controller(self.params)
        m.submodules.array_link = link = SerialMacro(self.params)
        connect(m, controller.macro, link.port)
        m.d.comb += controller.image.ready.eq(1)  # an image is for an emulated array
        for name, member in MacroPins(self.params).members.items():
            inside, outside = getattr(link.pins, name), getattr(self, f"array_{name}")
            m.d.comb += outside.eq(inside) if member.flow is Flow.Out else inside.eq(outside)
        return controller
