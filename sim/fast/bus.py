"""The host driver's bus into the library: nothing in it ever waits."""

from collections.abc import Iterable

from hw.interfaces import Count, Pixels
from hw.register_file import BusRequest
from sim.bus import STALL_CYCLES, Bus, pause_cycles
from sim.fast.library import Library
from sim.payloads import pack


class LibraryBus(Bus):
    """`Bus` on a `Library`."""

    def __init__(self, library: Library):
        self.library = library
        self._request = BusRequest()
        self._sample_bytes = (Pixels(library.params).size + 7) // 8
        self._count_bytes = (Count(library.params).size + 7) // 8

    async def read(self, address: int) -> int:
        return self._access(address, 0, 0)

    async def write(self, address: int, value: int) -> None:
        self._access(address, 1, value)

    async def send_samples(self, words: Iterable[int]) -> int:
        return self._send("samples", words, self._sample_bytes)

    async def send_counts(self, words: Iterable[int]) -> int:
        return self._send("counts", words, self._count_bytes)

    async def results(self) -> list[int]:
        return self.library.results().tolist()

    async def pause(self, look: int) -> None:
        self.library.pause(pause_cycles(look))

    def _access(self, address: int, write: int, value: int) -> int:
        return self.library.access(pack(self._request, {"address": address, "write": write, "data": value}))

    def _send(self, stream: str, words: Iterable[int], length: int) -> int:
        return self.library.send(
            stream, b"".join(word.to_bytes(length, "little") for word in words), length, STALL_CYCLES
        )
