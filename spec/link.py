"""The host link's frames on a byte stream: the only place where their format is written.

RTL (`fpga/frames.py`, `fpga/link.py`), host (`fpga/host_link.py`) and tests read it.  A frame, every number with its
low byte first:

    start (1) | sequence (1) | code (1) | length (2) | payload (length) | CRC (2, over all but start; high byte first)

The host sends requests (code: `Command`), the device answers each with one reply of the same sequence number
(code: `Status`).  A request's payload is a row of items, executed in order; so is a reply's.

Rules.  A frame with a wrong CRC, a length above PAYLOAD_MAX, a byte without stop bit or a pause inside it is dropped
and counted, and the next start byte begins a new one.  A request with the sequence number of the last one is not
executed again: its reply is sent again.  HELLO is always executed; it opens a session, in which the number grows by 1
(modulo 256).  No request waits for a run: a stream that is not ready refuses its items, and the reply says how many it
took.

SAMPLES is always executed, too, and does nothing twice: it begins with the place of its first word in the session's
stream, words that were taken before are passed over, and at a gap it ends.  So the host may send WINDOW of them before
the first is answered, which keeps the line full; any other request is sent when all before it are answered.  Words are
packed: most pixels are 0, and those are not sent.

Compact hardware holds one request: any is sent when all before it are answered.  It does not know STATISTICS.
"""

from binascii import crc_hqx
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

VERSION = 2
START_REQUEST = 0xA5
START_REPLY = 0x5A

SEQUENCE_BITS = 8
CODE_BITS = 8
LENGTH_BITS = 16
CRC_BITS = 16
PAYLOAD_MAX = 1024
"""Longest payload in bytes; both directions."""

WINDOW = 2
"""Requests SAMPLES that may be unanswered: one is executed while the next comes in."""

GAP_MS = 20
"""A pause of this length inside a frame ends it: longer than USB adapters pause between two packets."""


class Command(IntEnum):
    """Code of a request."""

    HELLO = 0
    READ = 1
    WRITE = 2
    SAMPLES = 3
    COUNTS = 4
    RESULTS = 5
    STATISTICS = 6


class Status(IntEnum):
    """Code of a reply."""

    OK = 0
    UNKNOWN = 1
    BAD_LENGTH = 2


COMMAND_DOC = {
    Command.HELLO: "opens a session and drops results that nobody took; the reply is VERSION (1 byte)",
    Command.READ: "items: a register's address (2); reply items: its word (4)",
    Command.WRITE: "items: a register's address (2) and its new word (4)",
    Command.SAMPLES: "the place of the first word (2), then groups of words of one label: label, number of words (1), and of "
    "each word a mask of the pixels that are not 0 and these; the reply is the place of the next word (2)",
    Command.COUNTS: "items: words of the stream of pulse counts; the reply says how many it took (2)",
    Command.RESULTS: "reply items: results of samples that wait to be taken, oldest first",
    Command.STATISTICS: "reply items: Statistics since reset (2 each), each stops at its highest value",
}

STATUS_DOC = {
    Status.OK: "executed",
    Status.UNKNOWN: "no such command; nothing was done",
    Status.BAD_LENGTH: "an item was incomplete, or its reply had no room; those before it were executed",
}


class Statistics(IntEnum):
    """Items of the reply to STATISTICS, in order."""

    FRAMES = 0
    DROPPED = 1
    REPEATED = 2


STATISTICS_DOC = {
    Statistics.FRAMES: "good frames before this one, repeated ones included",
    Statistics.DROPPED: "frames that were begun and dropped",
    Statistics.REPEATED: "frames that were answered from the last reply",
}

STATISTIC_BITS = 16
PLACE_BYTES = 2
GROUP_BYTES = 1
"""Of the number of words in a group."""
ADDRESS_BYTES = 2
DATA_BYTES = 4
TAKEN_BYTES = 2


def bytes_for(bits: int) -> int:
    """Bytes of an item of `bits` bits."""
    return -(-bits // 8)


def crc16(data: bytes | bytearray) -> int:
    """CRC-16/IBM-3740 (polynomial 0x1021, start value 0xFFFF, not reflected) of `data`."""
    return crc_hqx(data, (1 << CRC_BITS) - 1)


@dataclass(frozen=True)
class Frame:
    """One frame without its start byte and CRC."""

    sequence: int
    code: int
    payload: bytes = b""


def encode(start: int, frame: Frame) -> bytes:
    """A frame as bytes.  Raises ValueError when the payload is too long."""
    if len(frame.payload) > PAYLOAD_MAX:
        raise ValueError(f"a payload of {len(frame.payload)} bytes is longer than {PAYLOAD_MAX}")
    head = bytes((frame.sequence, frame.code)) + len(frame.payload).to_bytes(bytes_for(LENGTH_BITS), "little")
    body = head + frame.payload
    return bytes((start,)) + body + crc16(body).to_bytes(bytes_for(CRC_BITS), "big")


def items(payload: bytes, size: int) -> list[int]:
    """The items of `size` bytes in a payload."""
    return [int.from_bytes(payload[k : k + size], "little") for k in range(0, len(payload), size)]


def join(words: Iterable[int], size: int) -> bytes:
    """A payload of items of `size` bytes.  Raises OverflowError when one does not fit."""
    return b"".join(word.to_bytes(size, "little") for word in words)


class Decoder:
    """Finds frames in bytes; golden function of `fpga/frames.py`'s receiver.

    start: the start byte to look for.  `dropped` counts frames that were begun and not good.
    """

    _HEAD = 2 + bytes_for(LENGTH_BITS)
    _TAIL = bytes_for(CRC_BITS)

    def __init__(self, start: int):
        self._start = start
        self._body: bytearray | None = None
        self.dropped = 0

    def feed(self, data: bytes) -> list[Frame]:
        """Take bytes; return the good frames that end in them."""
        frames = []
        for byte in data:
            if self._body is None:
                self._body = bytearray() if byte == self._start else None
                continue
            self._body.append(byte)
            if len(self._body) < self._HEAD:
                continue
            length = int.from_bytes(self._body[2 : self._HEAD], "little")
            if length > PAYLOAD_MAX:
                self.drop()
            elif len(self._body) == self._HEAD + length + self._TAIL:
                if crc16(self._body) == 0:
                    frames.append(
                        Frame(self._body[0], self._body[1], bytes(self._body[self._HEAD : -self._TAIL]))
                    )
                    self._body = None
                else:
                    self.drop()
        return frames

    def drop(self) -> None:
        """A byte could not be read, or the line paused: a frame that was begun is dropped."""
        self.dropped += self._body is not None
        self._body = None
