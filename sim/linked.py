"""The controller and an emulated array with the serial link of a real one between them."""

# Ports are members of the signature, which mypy does not see.
# mypy: disable-error-code="attr-defined"

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, connect, flipped

from hw.interfaces import controller_port, image_stream
from hw.macro.crossbar import CrossbarMacro
from hw.serial_array import SerialArray
from hw.serial_macro import SerialMacro
from hw.top import ObservedTop
from spec.params import HwParams


def linked(m, params: HwParams, controller, macro) -> None:
    """A controller's port to that of a macro, by the link."""
    m.submodules.near = near = SerialMacro(params)
    m.submodules.far = far = SerialArray(params)
    connect(m, controller, near.port)
    connect(m, near.pins, far.pins)
    connect(m, far.port, macro)


class LinkedTop(ObservedTop):
    """`ObservedTop`, but that everything between controller and array passes the pins of hw/macro_pins.py."""

    def _attach(self, m, tile, controller, macro):
        linked(m, tile.params, controller, macro)


class LinkedMacro(wiring.Component):
    """`CrossbarMacro` behind the link: its `port` is that of compact hardware."""

    def __init__(self, params: HwParams):
        self.params = params
        super().__init__({"port": In(controller_port(params)), "image": In(image_stream())})

    def elaborate(self, platform):
        m = Module()
        m.submodules.macro = macro = CrossbarMacro(self.params)
        connect(m, flipped(self.image), macro.image)
        linked(m, self.params, flipped(self.port), macro.port)
        return m
