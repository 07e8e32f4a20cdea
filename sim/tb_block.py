"""The bench of every block: plays cases that come over a socket, one JSON line each, and answers with what came out.

Started by sim/simulation.py, which describes a case.  One simulator process serves many cases, so that a search for
failing inputs costs milliseconds a try.
"""

import json
import os
import socket
from collections.abc import Callable
from typing import Any

import cocotb
from cocotb.triggers import RisingEdge, Timer

from sim.clock import start_clock
from sim.streams import Recorder, Sink, Source, StreamError, StreamPins, read

PERIOD_NS = 10
RESET_CYCLES = 2


class CaseRun:
    """One case on a design: reset, setup, then all streams at once."""

    def __init__(self, dut: Any, case: dict):
        self.dut, self.case, self.cycle = dut, case, 0
        self._clock = getattr(dut, "clk", None)
        for pin, value in case["config"].items():
            getattr(dut, pin).value = value
        gaps = {name: stream["gaps"] for name, stream in case["sources"].items()}
        self.sources = {name: Source(StreamPins(dut, name), [], gaps[name]) for name in gaps}
        self.sinks = {name: Sink(StreamPins(dut, name), s["stalls"]) for name, s in case["sinks"].items()}
        self.events = {name: Recorder(dut, **event) for name, event in case["events"].items()}
        self._drivers: list[Source | Sink | Recorder] = [
            *self.sources.values(),
            *self.sinks.values(),
            *self.events.values(),
        ]

    async def play(self) -> None:
        """Play the case until nothing happens any more, or too much came.  Raises StreamError."""
        await self._reset()
        for action, name, value in self.case["setup"]:
            await getattr(self, f"_{action}")(name, value)
        for name, stream in self.case["sources"].items():
            self.sources[name].items += stream["items"]
            self._hold_back(self.sources[name], stream["after"])
        quiet = 0
        while not self._exceeded() and quiet < self.case["linger" if self._complete() else "patience"]:
            quiet = 0 if await self._step() else quiet + 1

    async def _reset(self) -> None:
        if self._clock is None:
            return
        self.dut.rst.value = 1
        for _ in range(RESET_CYCLES):
            await RisingEdge(self._clock)
        self.dut.rst.value = 0

    def _hold_back(self, source: Source, after: dict[str, int]) -> None:
        """Let item k of a source wait for the outputs that it follows."""
        sinks = [(self.sinks[sink], per_item) for sink, per_item in after.items()]
        source.may = lambda k: all(len(sink.items) >= (k + 1) * per_item for sink, per_item in sinks)

    def _surplus(self) -> list[int]:
        """Per output stream, how many items came beyond those expected."""
        return [len(self.sinks[name].items) - s["expected"] for name, s in self.case["sinks"].items()]

    def _complete(self) -> bool:
        return all(source.done for source in self.sources.values()) and all(n >= 0 for n in self._surplus())

    def _exceeded(self) -> bool:
        return any(n > 0 for n in self._surplus())

    async def _step(self) -> bool:
        """One cycle; whether anything was transferred."""
        # A block without a register has no clock.
        await (Timer(PERIOD_NS, "ns") if self._clock is None else RisingEdge(self._clock))
        before = [len(driver.cycles) for driver in self._drivers]
        for driver in self._drivers:
            driver.step(self.cycle)
        self.cycle += 1
        return before != [len(driver.cycles) for driver in self._drivers]

    async def _until(self, done: Callable[[], bool], what: str) -> None:
        for _ in range(self.case["patience"]):
            if done():
                return
            await self._step()
        raise StreamError(f"setup: {what} did not end")

    async def _send(self, name: str, items: list[int]) -> None:
        """Setup: send items on a stream before all others."""
        self.sources[name].items += items
        await self._until(lambda: self.sources[name].done, f"sending on {name}")

    async def _pulse(self, name: str, value: int) -> None:
        """Setup: drive a pin for one cycle."""
        pin = getattr(self.dut, name)
        pin.value = value
        await self._step()
        pin.value = 0
        await self._step()

    async def _wait(self, name: str, value: int) -> None:
        """Setup: wait until a pin has a value."""
        await self._until(lambda: read(getattr(self.dut, name)) == value, f"waiting for {name} = {value}")

    def result(self, error: str) -> dict:
        outputs = self.sinks | self.events
        return {
            "error": error,
            "outputs": {name: driver.items for name, driver in outputs.items()},
            "cycles": {name: driver.cycles for name, driver in (outputs | self.sources).items()},
            "levels": {} if error else {pin: read(getattr(self.dut, pin)) for pin in self.case["levels"]},
        }


@cocotb.test()
async def serve(dut):
    """Cases until the other side closes."""
    link = socket.socket(socket.AF_UNIX)
    link.connect(os.environ["BLOCK_SOCKET"])
    if hasattr(dut, "clk"):
        start_clock(dut.clk, PERIOD_NS)
    with link, link.makefile("rw") as lines:
        for line in lines:
            run, error = CaseRun(dut, json.loads(line)), ""
            try:
                await run.play()
            except StreamError as broken:
                error = f"cycle {run.cycle}: {broken}"
            lines.write(json.dumps(run.result(error)) + "\n")
            lines.flush()
