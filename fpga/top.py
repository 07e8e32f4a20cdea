"""What runs on an FPGA without a chip: the controller with its emulated array behind a UART, and three lamps."""

from types import MappingProxyType

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect

from fpga.link import RESULT_SLOTS, Link
from fpga.uart import UartReceiver, UartTransmitter, divisor
from hw.top import EmulatedTop
from spec.link import GAP_MS
from spec.params import HwParams

HEARTBEAT_HZ = 1


class FpgaTop(wiring.Component):
    """`EmulatedTop` and its link; nothing here belongs to a board, so that it is simulated as it is built.

    rx, tx: the UART's pins.  busy, fault: register STATUS.  heartbeat: changes twice in a second.
    """

    PORTS = MappingProxyType(
        {"rx": In(1), "tx": Out(1), "busy": Out(1), "fault": Out(1), "heartbeat": Out(1)}
    )

    RESULT_SLOTS = RESULT_SLOTS

    def __init__(self, params: HwParams, clock_hz: float, baud: int):
        self.params = params
        self.clock_hz = clock_hz
        self.divisor = divisor(clock_hz, baud)
        super().__init__({**self.PORTS, **self.array_ports(params)})

    @staticmethod
    def array_ports(params: HwParams) -> dict[str, wiring.Member]:
        """Pins to an array that is not emulated."""
        return {}

    def _hardware(self, m) -> wiring.Component:
        """What the link talks to."""
        m.submodules.emulated = emulated = EmulatedTop(self.params)
        return emulated

    def elaborate(self, platform):
        m = Module()
        m.submodules.receiver = receiver = UartReceiver(self.divisor)
        m.submodules.transmitter = transmitter = UartTransmitter(self.divisor)
        m.submodules.link = link = Link(
            self.params, int(self.clock_hz * GAP_MS / 1000), result_slots=self.RESULT_SLOTS
        )
        hardware = self._hardware(m)
        connect(m, receiver.o, link.i)
        connect(m, link.o, transmitter.i)
        for name in ("request", "response", "samples", "counts", "results"):
            connect(m, getattr(link, name), getattr(hardware, name))
        m.d.comb += [
            receiver.rx.eq(self.rx),
            self.tx.eq(transmitter.tx),
            self.busy.eq(hardware.busy),
            self.fault.eq(hardware.fault),
        ]
        self._heartbeat(m)
        return m

    def _heartbeat(self, m):
        half = int(self.clock_hz / HEARTBEAT_HZ / 2)
        timer = Signal(range(half))
        m.d.sync += timer.eq(timer - 1)
        with m.If(timer == 0):
            m.d.sync += [timer.eq(half - 1), self.heartbeat.eq(~self.heartbeat)]
