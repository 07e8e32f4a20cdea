"""Timing diagrams of the macro port: a controller in Amaranth's simulator, the array's side played by a few lines.

Nothing but Python is needed for it, so that every machine draws the same.
"""

import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from amaranth.hdl import Shape, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In
from amaranth.sim import Simulator

from hw.controller import Controller
from hw.interfaces import controller_port
from hw.register_file import BusRequest
from sim.bus import Bus, pause_cycles
from sim.host import Host
from sim.payloads import pack, unpack
from sim.timing_diagram import Row, Wave, draw, read_waves, rises
from spec.params import INSTANCES, HwParams
from spec.registers import Mode

CLOCK_NS = 10
PIXEL_STEP = 30
PORT = "macro"
PARAMS = replace(INSTANCES["TINY"], name="DRAWN", adc_bits=3, adc_channels=3)
SETTINGS = {"LSB": 400, "PULSE": 4, "GUARD": 2, "INTEGRATE": 5, "LOGIT_SHIFT": 2}
BUSY_CYCLES = {"erase": 6, "readout": 2}
"""How long this array takes for what the controller gives no time to."""


AMPLITUDE = 200
LANES, CHANNELS = range(PARAMS.dac_load_lanes), range(PARAMS.adc_channels)
STATES = 1234, 987
"""What a readout gives here."""


@dataclass(frozen=True)
class Diagram:
    """A piece of the simulation: so many cycles from two before the first change of pin `begin` on."""

    title: str
    begin: str
    cycles: int
    pins: tuple[str, ...]


DIAGRAMS = {
    "erase": Diagram("An erase", "erase", 11, ("erase", "ready")),
    "pulses": Diagram(
        "Two pulses on one device and one on its row neighbour", "write__row", 20,
        (*(f"write__{name}" for name in ("row", "up", "down", "depress", "amplitude", "strobe")), "ready"),
    ),
    "read": Diagram(
        "The read of one sample", "dac_valid", 20,
        ("dac_valid", "dac_ready", "dac_word", *(f"dac_codes[{k}]" for k in LANES), "integrate", "integrate_cycles",
         "ready", "lsb", "group", *(f"trial[{k}]" for k in CHANNELS), "compare"),
    ),
    "readout": Diagram(
        "A readout in mode DEBUG", "readout", 8,
        ("readout", "readout_row", "readout_column", "ready", "readout_plus", "readout_minus"),
    ),
}  # fmt: skip
MASKS = ("write__up", "write__down", "compare")


def diagrams() -> dict[str, str]:
    """Every timing diagram as SVG, by its name."""
    with tempfile.TemporaryDirectory() as folder:
        vcd = Path(folder) / "port.vcd"
        record(vcd)
        waves = read_waves(vcd, "bench.top")
    return {name: _drawn(diagram, waves) for name, diagram in DIAGRAMS.items()}


def _drawn(diagram: Diagram, waves: dict[str, tuple[int, Wave]]) -> str:
    clock = waves["clk"][1]
    edges = rises(clock)
    began = waves[f"{PORT}__{diagram.begin}"][1][1].time
    first = edges.index(began) - 2
    port = macro_pins(PARAMS)
    rows = [Row("clk", clock)]
    for name in diagram.pins:
        bits, wave = waves[f"{PORT}__{name}"]
        base, _, lane = name.partition("[")
        pin = port[base]
        shape = Shape.cast(pin.shape.elem_shape if lane else pin.shape)
        rows.append(Row(name.replace("__", "."), wave, bits, _text(base, shape), given=pin.flow is In))
    return draw(diagram.title, rows, edges[first : first + diagram.cycles + 1])


def _text(name: str, shape: Shape) -> Callable[[int], str]:
    if name in MASKS:
        return lambda bits: f"{bits:0{shape.width}b}"
    return lambda bits: str(unpack(shape, bits))


def macro_pins(params: HwParams) -> dict[str, wiring.Member]:
    """The pins of a controller's port by their names in Verilog, without the prefix that names the macro."""
    port: Any = controller_port(params)
    return {"__".join(map(str, path)): member for path, member, _ in port.flatten(port.create())}


def record(vcd: Path) -> None:
    """Simulate an erase, a transfer of one row, the inference of one sample and a readout; all signals go to `vcd`."""
    controller: Any = Controller(PARAMS)
    simulator = Simulator(controller)
    simulator.add_clock(CLOCK_NS * 1e-9)

    async def array(ctx):
        await _play_array(ctx, controller.macro)

    received: list[int] = []

    async def results(ctx):
        ctx.set(controller.results.ready, 1)
        while True:
            *_, valid, word = await ctx.tick().sample(
                controller.results.valid, Value.cast(controller.results.payload)
            )
            if valid:
                received.append(word)

    async def host(ctx):
        driver = Host(_AmaranthBus(ctx, controller, received), PARAMS)
        await driver.configure(**SETTINGS)
        await driver.write_field("WRITE", AMPLITUDE, "amplitude")
        await driver.erase()
        counts = np.zeros((PARAMS.rows, PARAMS.columns), int)
        counts[2, 1], counts[2, 4] = 2, -1
        await driver.transfer(counts)
        pixels = np.arange(PARAMS.inputs)[None] * PIXEL_STEP
        await driver.run(Mode.INFER, pixels, np.zeros(1, int))
        await driver.conductances()

    simulator.add_testbench(array, background=True)
    simulator.add_testbench(results, background=True)
    simulator.add_testbench(host)
    with simulator.write_vcd(str(vcd)):
        simulator.run()


async def _play_array(ctx: Any, port: Any) -> None:
    """Holds column sums of fixed weights; ready again when the controller's time is over."""
    codes = np.zeros(PARAMS.row_words * PARAMS.dac_load_lanes, int)
    weights = np.fromfunction(
        lambda row, column: (5 * row + 3 * column) % 7 - 3, (len(codes), PARAMS.columns)
    )
    sums = np.zeros(PARAMS.adc_groups * PARAMS.adc_channels, int)
    ctx.set(port.ready, 1)
    ctx.set(port.dac_ready, 1)
    busy, reading = 0, 0
    while True:
        lsb, first = ctx.get(port.lsb), ctx.get(port.group) * PARAMS.adc_channels
        answers = [2 * sums[first + k] >= (2 * ctx.get(t) - 1) * lsb for k, t in enumerate(port.trial)]
        ctx.set(port.compare, sum(int(answer) << k for k, answer in enumerate(answers)))
        if ctx.get(port.dac_valid):
            word = ctx.get(port.dac_word) * PARAMS.dac_load_lanes
            codes[word : word + PARAMS.dac_load_lanes] = [ctx.get(code) for code in port.dac_codes]
        started = 0
        if ctx.get(port.integrate):
            started = ctx.get(port.integrate_cycles)
            sums[: PARAMS.columns] = codes @ weights
        for name, cycles in BUSY_CYCLES.items():
            if ctx.get(getattr(port, name)):
                started = cycles
        strobe, reading = ctx.get(port.write.strobe), reading or ctx.get(port.readout)
        await ctx.tick()
        busy = started or max(0, busy - 1)
        if reading and not busy:
            ctx.set(port.readout_plus, STATES[0])
            ctx.set(port.readout_minus, STATES[1])
        ctx.set(port.ready, not (busy or strobe))


class _AmaranthBus(Bus):
    """The bus of Amaranth's simulator; `received` gets the words of the results."""

    def __init__(self, ctx: Any, top: Any, received: list[int]):
        self._ctx, self._top, self._received, self._layout = ctx, top, received, BusRequest()
        ctx.set(top.response.ready, 1)

    async def read(self, address: int) -> int:
        return await self._access(address, 0, 0)

    async def write(self, address: int, value: int) -> None:
        await self._access(address, 1, value)

    async def send_samples(self, words: Iterable[int]) -> int:
        return await self._send(self._top.samples, words)

    async def send_counts(self, words: Iterable[int]) -> int:
        return await self._send(self._top.counts, words)

    async def results(self) -> list[int]:
        words = self._received[:]
        self._received.clear()
        return words

    async def pause(self, look: int) -> None:
        await self._ctx.tick().repeat(pause_cycles(look))

    async def _access(self, address: int, write: int, value: int) -> int:
        word = pack(self._layout, {"address": address, "write": write, "data": value})
        await self._send(self._top.request, [word])
        response = self._top.response
        data = await self._ctx.tick().sample(response.payload.data).until(response.valid)
        return data[-1]

    async def _send(self, port: Any, words: Iterable[int]) -> int:
        sent = 0
        for word in words:
            self._ctx.set(Value.cast(port.payload), word)
            self._ctx.set(port.valid, 1)
            await self._ctx.tick().until(port.ready)
            sent += 1
        self._ctx.set(port.valid, 0)
        return sent
