"""The boards: one row of a table each, and nothing else, belongs to a board."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from types import MappingProxyType
from typing import NamedTuple

from amaranth.build import Attrs, Pins, Platform, Resource, Subsignal
from amaranth.hdl import ClockDomain, Elaboratable, Module
from amaranth.lib import io
from amaranth.lib.wiring import Flow

from fpga.clock import BoardClock
from fpga.families import Family, family
from fpga.pins_top import PinsTop
from fpga.top import FpgaTop
from hw.macro_pins import MacroPins
from spec.errors import InputError
from spec.params import INSTANCES, HwParams

BAUD = 1_000_000
"""Of a board's line unless its row says another; every USB adapter knows it."""


class Pin(NamedTuple):
    """A pin of a board's table: resource, its number, and one of its parts if it has any."""

    resource: str
    number: int = 0
    part: str | None = None


UART = {"rx": Pin("uart", 0, "rx"), "tx": Pin("uart", 0, "tx")}


@dataclass(frozen=True)
class Board:
    """What is built for a board, and where its pins are.

    pins: module and class of its pin table in amaranth_boards, which also knows its clock.  instance: the hardware.
    clock_MHz: of the design.  wires: pins by the ports of the top; a port that is an output may have none.
    extra: resources that the pin table lacks.  design: what is put on it.  seed: of the placement: one that is fast
    enough, and with which the router ends.  place_and_route: options of that tool beside its family's.
    """

    name: str
    pins: tuple[str, str]
    instance: str
    clock_MHz: float
    wires: Mapping[str, Pin]
    baud: int = BAUD
    extra: tuple[Resource, ...] = field(default=(), repr=False)
    design: type[FpgaTop] = FpgaTop
    seed: int = 1
    place_and_route: str = ""

    @property
    def params(self) -> HwParams:
        return INSTANCES[self.instance]

    @property
    def clock_hz(self) -> float:
        return self.clock_MHz * 1e6

    def platform(self) -> Platform:
        """A new pin table: one serves one build."""
        module, name = self.pins
        platform = getattr(import_module(module), name)()
        platform.add_resources(self.extra)
        return platform

    def top(self) -> FpgaTop:
        """What runs on it, but for clock and pins: it can be simulated."""
        return self.design(self.params, self.clock_hz, self.baud)


def _pmod(number: int, pins: str, direction: str) -> Pins:
    return Pins(pins, dir=direction, conn=("pmod", number))


ICEBREAKER_ARRAY = Resource(
    "array",
    0,
    Subsignal("data", _pmod(0, "1 2 3 4 7 8 9 10", "o")),
    Subsignal("clock", _pmod(1, "1", "o")),
    Subsignal("frame", _pmod(1, "2", "o")),
    Subsignal("select", _pmod(1, "3", "o")),
    Subsignal("strobe", _pmod(1, "4", "o")),
    Subsignal("ready", _pmod(1, "7", "i")),
    Subsignal("answer", _pmod(1, "8", "i")),
    Subsignal("compare", _pmod(2, "1", "i")),
    Attrs(IO_STANDARD="SB_LVCMOS"),
)


def _wires(**pins: Pin) -> Mapping[str, Pin]:
    return MappingProxyType(UART | pins)


ULX3S_WIRES = _wires(busy=Pin("led", 0), fault=Pin("led", 1), heartbeat=Pin("led", 2))
BOARDS = {
    board.name: board
    for board in (
        Board(
            "ulx3s",
            ("amaranth_boards.ulx3s", "ULX3S_85F_Platform"),
            instance="ULX3S",
            clock_MHz=50,
            seed=2,
            wires=ULX3S_WIRES,
            # A third less wire than from nextpnr's own placer, whose result is not routed.
            place_and_route="--placer static",
        ),
        Board(
            "ulx3s-digits",
            ("amaranth_boards.ulx3s", "ULX3S_85F_Platform"),
            instance="ORANGECRAB",
            clock_MHz=100,
            seed=6,
            wires=ULX3S_WIRES,
        ),
        Board(
            "orangecrab",
            ("amaranth_boards.orangecrab_r0_2", "OrangeCrabR0_2_25FPlatform"),
            instance="ORANGECRAB",
            clock_MHz=108,
            seed=5,
            wires=_wires(
                busy=Pin("rgb_led", 0, "g"), fault=Pin("rgb_led", 0, "r"), heartbeat=Pin("rgb_led", 0, "b")
            ),
            extra=(
                Resource(
                    "uart",
                    0,
                    Subsignal("rx", Pins("0", dir="i", conn=("io", 0))),
                    Subsignal("tx", Pins("1", dir="o", conn=("io", 0))),
                    Attrs(IO_TYPE="LVCMOS33"),
                ),
            ),
        ),
        Board(
            "icebreaker",
            ("amaranth_boards.icebreaker", "ICEBreakerPlatform"),
            instance="ICEBREAKER",
            clock_MHz=24,
            wires=_wires(
                busy=Pin("led_g", 0),
                fault=Pin("led_r", 0),
                **{
                    f"array_{part}": Pin("array", 0, part)
                    for part in MacroPins(INSTANCES["ICEBREAKER"]).members
                },
            ),
            extra=(ICEBREAKER_ARRAY,),
            design=PinsTop,
        ),
    )
}


def find(name: str) -> Board:
    """A board of the table.  Raises InputError."""
    if name not in BOARDS:
        raise InputError(f"unknown board {name!r}; there are {', '.join(BOARDS)}", key="board")
    return BOARDS[name]


class BoardTop(Elaboratable):
    """The board's top on its pins, in its clock."""

    def __init__(self, board: Board, parts: Family):
        self.board = board
        self.parts = parts
        self.top = board.top()

    def elaborate(self, platform):
        m = Module()
        m.domains.sync = ClockDomain("sync")
        m.submodules.clock = BoardClock(self.parts, self.board.clock_MHz)
        m.submodules.fpga = top = self.top
        requested = {}
        for name, pin in self.board.wires.items():
            resource = (pin.resource, pin.number)
            if resource not in requested:
                requested[resource] = platform.request(*resource, dir="-")
            port = requested[resource] if pin.part is None else getattr(requested[resource], pin.part)
            inward = top.signature.members[name].flow is Flow.In
            buffer = io.Buffer(io.Direction.Input if inward else io.Direction.Output, port)
            m.submodules[f"{name}_pin"] = buffer
            m.d.comb += getattr(top, name).eq(buffer.i) if inward else buffer.o.eq(getattr(top, name))
        return m


def board_top(board: Board, platform: Platform) -> BoardTop:
    """What is built for a board on its platform.  Raises InputError for a part of an unknown family."""
    try:
        return BoardTop(board, family(platform.device))
    except KeyError:
        raise InputError(f"no tools are known for the part {platform.device}", key="board") from None
