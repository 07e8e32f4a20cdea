"""The host driver's bus into the bench: words in bulk, Python once for each of the driver's calls."""

from collections.abc import Awaitable, Callable

from hw.register_file import BusRequest
from sim.bus import STALL_CYCLES, Bus, pause_cycles
from sim.fast.library import Harness, Work
from sim.payloads import Words, pack


class HarnessBus(Bus):
    """`Bus` on a `Harness`; `perform` lets the clock run until the harness has done what it was asked for."""

    def __init__(self, harness: Harness, perform: Callable[[], Awaitable[None]]):
        self.harness, self.perform = harness, perform
        self._request = BusRequest()

    async def read(self, address: int) -> int:
        return await self._access(address, 0, 0)

    async def write(self, address: int, value: int) -> None:
        await self._access(address, 1, value)

    async def send_samples(self, words: Words) -> int:  # type: ignore[override]
        return await self._send(Work.SAMPLES, words)

    async def send_counts(self, words: Words) -> int:  # type: ignore[override]
        return await self._send(Work.COUNTS, words)

    async def results(self) -> list[int]:
        return self.harness.results().tolist()

    async def pause(self, look: int) -> None:
        self.harness.ask(Work.PAUSE, bytes(pause_cycles(look)))
        await self.perform()

    async def _access(self, address: int, write: int, value: int) -> int:
        request = pack(self._request, {"address": address, "write": write, "data": value})
        length = (self._request.size + 7) // 8
        self.harness.ask(Work.ACCESS, request.to_bytes(length, "little"), length)
        await self.perform()
        return self.harness.response

    async def _send(self, work: Work, words: Words) -> int:
        self.harness.ask(work, words.tobytes(), words.rows.shape[1], patience=STALL_CYCLES)
        await self.perform()
        return self.harness.taken
