"""The host's end of the link: the bus of `sim/host.py`'s driver over any channel of bytes, such as a serial port."""

import errno
import os
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple, Protocol

import numpy as np

from fpga.items import item_sizes, window
from fpga.link import RESULT_SLOTS
from fpga.packing import Packer
from sim.bus import Bus
from spec.errors import InputError
from spec.link import (
    ADDRESS_BYTES,
    DATA_BYTES,
    GAP_MS,
    PAYLOAD_MAX,
    PLACE_BYTES,
    SEQUENCE_BITS,
    START_REPLY,
    START_REQUEST,
    STATISTIC_BITS,
    STATUS_DOC,
    VERSION,
    Command,
    Decoder,
    Frame,
    Statistics,
    Status,
    bytes_for,
    encode,
    items,
    join,
)
from spec.params import HwParams

ATTEMPTS = 8
"""How often a request is sent before the link is given up."""
REPLY_SECONDS = 0.25
"""Silence after which a request is sent again: longer than GAP_MS, after which the device has forgotten it."""
LONGEST_PATIENCE = 4
"""A silence lasts 1, 2, 4, ... times REPLY_SECONDS from attempt to attempt, at most 2 to this power."""
PAYLOAD_STEP = 32
"""Payloads are halved after each silence, and this longer after each reply: a short frame gets through a bad line."""
PLACES = 1 << 8 * PLACE_BYTES
MOST_WORDS = PLACES // 4
"""Of samples between two looks at what waits: a place stays unambiguous, and results make room."""
assert REPLY_SECONDS * 1000 > GAP_MS


class LinkError(RuntimeError):
    """The other end does not answer, or not as it should."""


class Channel(Protocol):
    """Bytes to and from the device."""

    async def send(self, data: bytes) -> None:
        """Send all bytes."""

    async def receive(self) -> bytes:
        """Bytes that came, at least one; none after a silence of the channel's time-out."""


class SerialChannel:
    """A serial port.  patience: seconds of silence after which a request is sent again.

    Raises InputError when it cannot be opened; LinkError when it is gone.
    """

    def __init__(self, port: str, baud: int, patience: float = REPLY_SECONDS):
        import serial  # only who has a board needs it

        self._gone = (serial.SerialException, OSError)
        try:
            self._port = serial.Serial(port, baud, timeout=patience, exclusive=True)
        except (serial.SerialException, ValueError) as error:
            raise InputError(f"cannot be opened: {_why(error)}", source=port) from None
        self._port.reset_input_buffer()

    async def send(self, data: bytes) -> None:
        with self._link_lost():
            self._port.write(data)

    async def receive(self) -> bytes:
        with self._link_lost():
            return self._port.read(max(1, self._port.in_waiting))

    @contextmanager
    def _link_lost(self) -> Iterator[None]:
        try:
            yield
        except self._gone as error:
            raise LinkError(f"the port is gone: {error}") from None

    def close(self) -> None:
        self._port.close()


class Flight(NamedTuple):
    """A request SAMPLES that is not answered yet: its number, and how many words of the call are before it and its last."""

    sequence: int
    first: int
    end: int


class UartBus(Bus):
    """The bus over a channel, with the coroutines of `sim.bus.Bus`; start it with `connect`.

    Every request is sent again until its reply comes, and executed once; raises LinkError after ATTEMPTS.
    `retries`: requests sent again so far.  `sample_bytes`: bytes of all requests SAMPLES so far.
    """

    def __init__(self, channel: Channel, params: HwParams):
        self._channel = channel
        self._sizes = item_sizes(params)
        self._window_size = window(params)
        self._decoder = Decoder(START_REPLY)
        self._sequence = 0
        self._received: list[int] = []
        self._payload = PAYLOAD_MAX
        self._packer = Packer(params)
        self._place = 0  # of the next word of samples in the session's stream
        self._waiting = 0  # words whose results were not asked for
        self._most_waiting = RESULT_SLOTS // 4 * params.row_words
        self.retries = self.sample_bytes = 0

    async def connect(self) -> None:
        """Open a session; drops results of an earlier one.  Raises LinkError."""
        (version,) = await self._ask(Command.HELLO)
        self._place = 0
        if version != VERSION:
            raise LinkError(f"the device speaks version {version} of the link, this driver version {VERSION}")

    async def read(self, address: int) -> int:
        (word,) = await self.read_all([address])
        return word

    async def write(self, address: int, value: int) -> None:
        await self.write_all([(address, value)])

    async def read_all(self, addresses: Iterable[int]) -> list[int]:
        """Words of several registers, in as few frames as possible."""
        words: list[int] = []
        for part in self._parts(list(addresses), DATA_BYTES):
            words += items(await self._ask(Command.READ, join(part, ADDRESS_BYTES)), DATA_BYTES)
        return words

    async def write_all(self, writes: Iterable[tuple[int, int]]) -> None:
        """Several words to registers (address, value), in order and in as few frames as possible."""
        pairs = [address | value << 8 * ADDRESS_BYTES for address, value in writes]
        for part in self._parts(pairs, ADDRESS_BYTES + DATA_BYTES):
            await self._ask(Command.WRITE, join(part, ADDRESS_BYTES + DATA_BYTES))

    async def send_samples(self, words: Iterable[int]) -> int:
        rows, taken = self._packer.rows(words), 0
        while taken < len(rows):
            part = rows[taken : taken + MOST_WORDS]
            now = await self._window(part)
            self._place = (self._place + now) % PLACES
            self._waiting += now
            taken += now
            if now < len(part) or self._waiting >= self._most_waiting:
                await self._collect()
            if now < len(part):
                break
        return taken

    async def send_counts(self, words: Iterable[int]) -> int:
        words, size, taken = list(words), self._sizes[Command.COUNTS].taken, 0
        for part in self._parts(words, size):
            now = int.from_bytes(await self._ask(Command.COUNTS, join(part, size)), "little")
            taken += now
            if now < len(part):
                await self._collect()
                break
        return taken

    async def results(self) -> list[int]:
        await self._collect()
        received, self._received = self._received, []
        return received

    async def pause(self, look: int) -> None:
        """Results make room meanwhile: a run waits when the device can keep no more of them."""
        await self._collect()

    async def statistics(self) -> dict[Statistics, int]:
        """The device's counts of frames; compact hardware has none."""
        if Command.STATISTICS not in self._sizes:
            return {}
        words = items(await self._ask(Command.STATISTICS), bytes_for(STATISTIC_BITS))
        return dict(zip(Statistics, words, strict=True))

    async def _window(self, rows: np.ndarray) -> int:
        """Send words of samples, a window's requests at a time; how many were taken before one was refused."""
        flights: deque[Flight] = deque()
        sent = taken = attempts = 0
        while taken < len(rows):
            while len(flights) < self._window_size and sent < len(rows):
                flights.append(await self._launch(rows, sent))
                sent = flights[-1].end
            replies = await self._replies(attempts)
            lost = not replies
            for reply in replies:
                flight = next((f for f in flights if f.sequence == reply.sequence), None)
                if flight is None:
                    continue
                now = self._taken(reply)
                attempts, taken = (0 if now > taken else attempts), max(taken, now)
                while flights and flights[0].end <= flight.end:
                    flights.popleft()
                if flight.first <= now < flight.end:
                    return await self._refused()
                lost |= now < flight.first  # the one before it did not arrive
            if lost:
                attempts += 1
                if attempts == ATTEMPTS:
                    raise LinkError(f"no reply to {Command.SAMPLES.name} after {ATTEMPTS} attempts")
                self._bad_line()
                flights.clear()
                sent = taken
        return taken

    async def _launch(self, rows: np.ndarray, first: int) -> Flight:
        data, words = self._packer.pack(rows[first:], self._payload - PLACE_BYTES)
        place = (self._place + first) % PLACES
        request = self._request(Command.SAMPLES, place.to_bytes(PLACE_BYTES, "little") + data)
        self.sample_bytes += len(request)
        await self._channel.send(request)
        return Flight(self._sequence, first, first + words)

    async def _refused(self) -> int:
        """How many words were taken, of all that is on its way: an empty request comes after it."""
        place = self._place.to_bytes(PLACE_BYTES, "little")
        return self._after(await self._ask(Command.SAMPLES, place))

    def _taken(self, reply: Frame) -> int:
        self._good_line()
        return self._after(_payload(Command.SAMPLES, reply))

    def _after(self, place: bytes) -> int:
        """Words from the call's first to a place."""
        return (int.from_bytes(place, "little") - self._place) % PLACES

    async def _replies(self, attempt: int) -> list[Frame]:
        """At least one, of whatever request; none after a silence, which is longer with each attempt.

        What is slow, as a simulation may be, answers in the end and is not buried under repetitions.
        """
        silences = 0
        while silences < 1 << min(attempt, LONGEST_PATIENCE):
            data = await self._channel.receive()
            silences = 0 if data else silences + 1
            if replies := self._decoder.feed(data):
                return replies
        self._decoder.drop()
        return []

    def _good_line(self) -> None:
        self._payload = min(PAYLOAD_MAX, self._payload + PAYLOAD_STEP)

    def _bad_line(self) -> None:
        self.retries += 1
        self._payload = max(PAYLOAD_STEP, self._payload // 2)

    def _request(self, command: Command, payload: bytes) -> bytes:
        """A new request."""
        self._sequence = (self._sequence + 1) % (1 << SEQUENCE_BITS)
        return encode(START_REQUEST, Frame(self._sequence, command, payload))

    async def _collect(self) -> None:
        self._waiting = 0
        self._received += items(await self._ask(Command.RESULTS), self._sizes[Command.RESULTS].given)

    def _parts(self, words: list, size: int) -> Iterator[list]:
        """Words of `size` bytes in lists that fit a frame, which is short while the line is bad."""
        start = 0
        while start < len(words):
            most = max(1, self._payload // size)
            yield words[start : start + most]
            start += most

    async def _ask(self, command: Command, payload: bytes = b"") -> bytes:
        """The reply to one request."""
        request = self._request(command, payload)
        for attempt in range(ATTEMPTS):
            await self._channel.send(request)
            while replies := await self._replies(0 if command is Command.HELLO else attempt):
                for reply in replies:
                    if reply.sequence == self._sequence:
                        self._good_line()
                        return _payload(command, reply)
            self._bad_line()
        raise LinkError(f"no reply to {command.name} after {ATTEMPTS} attempts")


_REMEDIES = {
    errno.EACCES: "; its users are those of the port's group (often dialout): usermod -a -G GROUP USER",
    errno.EAGAIN: "; another program has it open",
}


def _why(error: Exception) -> str:
    """What the system says of a port, and what helps; pyserial wraps it into its own words."""
    number = getattr(error, "errno", None)
    return os.strerror(number) + _REMEDIES.get(number, "") if number else str(error)


def _payload(command: Command, reply: Frame) -> bytes:
    if reply.code != Status.OK:
        meaning = {int(status): doc for status, doc in STATUS_DOC.items()}.get(reply.code, "unknown reason")
        raise LinkError(f"{command.name} was refused: {meaning}")
    return reply.payload
