"""The ways from the host driver to a controller: what every bus offers, and the one of a cocotb simulation."""

from collections.abc import Iterable
from typing import Any, Protocol

import cocotb
from cocotb.simtime import get_sim_time
from cocotb.triggers import First, RisingEdge, Timer

from hw.register_file import BusRequest, BusResponse
from sim.feed import COUNTS, SAMPLES
from sim.payloads import pack, unpack
from sim.streams import StreamPins, read

REQUEST, RESPONSE, RESULTS = "request", "response", "results"
"""Streams of the controller's top, by their names there; the others are in sim/feed.py."""

STALL_CYCLES = 5000
"""How long a word waits to be taken before the sender looks whether the run goes on."""
FIRST_PAUSE_CYCLES, LONGEST_PAUSE_CYCLES = 4, 256
"""Between two looks at a register that is waited for: each pause is twice the last, up to the longest."""


def pause_cycles(look: int) -> int:
    """Cycles between the `look`-th look (from 0) at a register and the next."""
    return min(LONGEST_PAUSE_CYCLES, FIRST_PAUSE_CYCLES << min(look, LONGEST_PAUSE_CYCLES.bit_length()))


class Bus(Protocol):
    """Registers by address, streams as words (sim/payloads.py)."""

    async def read(self, address: int) -> int:
        """The 32-bit word of a register."""

    async def write(self, address: int, value: int) -> None:
        """Write a 32-bit word; returns when the hardware has it."""

    async def read_all(self, addresses: Iterable[int]) -> list[int]:
        """The words of several registers, read in order; a bus may ask for them in one go."""
        return [await self.read(address) for address in addresses]

    async def write_all(self, writes: Iterable[tuple[int, int]]) -> None:
        """Write several words (address, value) in order; as `read_all`."""
        for address, value in writes:
            await self.write(address, value)

    async def send_samples(self, words: Iterable[int]) -> int:
        """Send words of raw samples; returns how many were taken, fewer than all when one waits for too long."""

    async def send_counts(self, words: Iterable[int]) -> int:
        """Send pulse counts of a transfer, or what else the host wants of the cells (`Count`); as `send_samples`."""

    async def results(self) -> list[int]:
        """The words of the results that came since the last call."""

    async def pause(self, look: int) -> None:
        """Let some time pass after the `look`-th look (from 0) at a register that is waited for."""


class CocotbBus(Bus):
    """The bus of a simulation: the controller's top as `dut`, its clock.  One access at a time.

    Python wakes only when something happens: while a word waits for ready, the simulator runs on its own.
    """

    def __init__(self, dut: Any, clock: Any):
        self._clock = clock
        self._request, self._response = StreamPins(dut, REQUEST), StreamPins(dut, RESPONSE)
        self._samples, self._counts = StreamPins(dut, SAMPLES), StreamPins(dut, COUNTS)
        self._results = StreamPins(dut, RESULTS)
        self._request_layout, self._response_layout = BusRequest(), BusResponse()
        self._period = 0
        self._received: list[int] = []
        for pins in (self._request, self._samples, self._counts):
            pins.valid.value = 0
            pins.payload.value = 0
        for pins in (self._response, self._results):
            pins.ready.value = 1
        cocotb.start_soon(self._receive())

    async def read(self, address: int) -> int:
        return await self._access(address, 0, 0)

    async def write(self, address: int, value: int) -> None:
        await self._access(address, 1, value)

    async def send_samples(self, words: Iterable[int]) -> int:
        return await self._send(self._samples, words)

    async def send_counts(self, words: Iterable[int]) -> int:
        return await self._send(self._counts, words)

    async def results(self) -> list[int]:
        received, self._received = self._received, []
        return received

    async def pause(self, look: int) -> None:
        # Ends in the middle of a cycle: what is driven where an edge is due races with it.
        await Timer(pause_cycles(look) * await self._clock_period() - self._period // 2, "step")

    async def _access(self, address: int, write: int, value: int) -> int:
        request, response = self._request, self._response
        word = {"address": address, "write": write, "data": value}
        request.payload.value = pack(self._request_layout, word)
        request.valid.value = 1
        await self._until(request.ready)
        request.valid.value = 0
        await self._until(response.valid)
        return unpack(self._response_layout, read(response.payload))["data"]

    async def _until(self, pin: Any) -> None:
        """The next rising edge at which a pin is 1."""
        await RisingEdge(self._clock)
        while not read(pin):
            await RisingEdge(self._clock)

    async def _send(self, pins: StreamPins, words: Iterable[int]) -> int:
        taken = 0
        for word in words:
            pins.payload.value = word
            pins.valid.value = 1
            await RisingEdge(self._clock)
            if not read(pins.ready) and not await self._taken_late(pins):
                break
            taken += 1
        pins.valid.value = 0
        pins.payload.value = pins.mask
        return taken

    async def _taken_late(self, pins: StreamPins) -> bool:
        """Wait for ready; whether it came in time."""
        patience = Timer(STALL_CYCLES * await self._clock_period(), "step")
        late = False
        while not (late or read(pins.ready)):
            late = await First(RisingEdge(pins.ready), patience) is patience
            # The timer ends where an edge is due: what is driven before it has passed races with it.
            await RisingEdge(self._clock)
        return bool(read(pins.ready))

    async def _receive(self) -> None:
        """Collect the results."""
        valid, payload = self._results.valid, self._results.payload
        while True:
            await RisingEdge(valid)
            await RisingEdge(self._clock)
            while read(valid):
                self._received.append(read(payload))
                await RisingEdge(self._clock)

    async def _clock_period(self) -> int:
        if not self._period:
            await RisingEdge(self._clock)
            first = get_sim_time("step")
            await RisingEdge(self._clock)
            self._period = get_sim_time("step") - first
        return self._period
