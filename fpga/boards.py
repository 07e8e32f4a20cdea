"""The boards: one row of a table each, and nothing else, belongs to a board."""

from dataclasses import dataclass, replace
from importlib import import_module

from amaranth.build import Platform
from amaranth.hdl import Elaboratable, Module
from amaranth.lib import io

from fpga.top import FpgaTop
from spec.errors import InputError
from spec.params import INSTANCES, HwParams


@dataclass(frozen=True)
class Board:
    """What is built for a board, and where its pins are.

    pins: module and class of its pin table in amaranth_boards, which also knows its clock.  instance, macro_lanes: the
    hardware, and how many columns a cycle its emulated array has room for.  uart, lamps: resources (name, number) of
    the pin table for the link, and for the lamps busy, fault and heartbeat.
    """

    name: str
    pins: tuple[str, str]
    instance: str
    macro_lanes: int
    baud: int
    uart: tuple[str, int] = ("uart", 0)
    lamps: tuple[tuple[str, int], ...] = (("led", 0), ("led", 1), ("led", 2))

    @property
    def params(self) -> HwParams:
        return replace(INSTANCES[self.instance], macro_lanes=self.macro_lanes)

    def platform(self) -> Platform:
        """A new pin table: one serves one build."""
        module, name = self.pins
        return getattr(import_module(module), name)()


BOARDS = {
    board.name: board
    for board in (
        Board("ulx3s", ("amaranth_boards.ulx3s", "ULX3S_85F_Platform"), instance="DIGITS", macro_lanes=4, baud=1_000_000),
    )
}  # fmt: skip


def find(name: str) -> Board:
    """A board of the table.  Raises InputError."""
    if name not in BOARDS:
        raise InputError(f"unknown board {name!r}; there are {', '.join(BOARDS)}", key="board")
    return BOARDS[name]


class BoardTop(Elaboratable):
    """`FpgaTop` on the pins of a board, in its default clock."""

    def __init__(self, board: Board, clock_hz: float):
        self.board = board
        self.top = FpgaTop(board.params, clock_hz, board.baud)

    def elaborate(self, platform):
        m = Module()
        m.submodules.fpga = top = self.top
        uart = platform.request(*self.board.uart, dir="-")
        m.submodules.rx = rx = io.Buffer(io.Direction.Input, uart.rx)
        m.submodules.tx = tx = io.Buffer(io.Direction.Output, uart.tx)
        m.d.comb += [top.rx.eq(rx.i), tx.o.eq(top.tx)]
        for lamp, level in zip(self.board.lamps, (top.busy, top.fault, top.heartbeat), strict=True):
            buffer = io.Buffer(io.Direction.Output, platform.request(*lamp, dir="-"))
            m.submodules += buffer
            m.d.comb += buffer.o.eq(level)
        return m
