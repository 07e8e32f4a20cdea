"""Frames of spec/link.py on streams of bytes: one block that finds requests, one that sends replies."""

from amaranth.hdl import Cat, Const, Module, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.crc.catalog import CRC16_IBM_3740
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from fpga.uart import DATA_BITS, RECEIVED
from spec.link import (
    CODE_BITS,
    CRC_BITS,
    LENGTH_BITS,
    PAYLOAD_MAX,
    SEQUENCE_BITS,
    START_REPLY,
    START_REQUEST,
    STATISTIC_BITS,
    bytes_for,
)

LENGTH = range(PAYLOAD_MAX + 1)
POSITION = range(PAYLOAD_MAX)


def count(m, counter, event):
    """Count events, every other cycle at most, up to the counter's highest value."""
    full = Signal()
    m.d.sync += full.eq(counter.all())
    with m.If(event & ~full):
        m.d.sync += counter.eq(counter + 1)


def reached(counter, value):
    """Whether a counter that starts at 0 is at `value`; what it says above that means nothing."""
    return Cat(counter[k] for k in range(len(counter)) if value >> k & 1).all()


HEADER = data.StructLayout(
    {"sequence": unsigned(SEQUENCE_BITS), "code": unsigned(CODE_BITS), "length": unsigned(LENGTH_BITS)}
)
"""A frame's header as it is sent, low byte first."""
HEADER_BYTES = bytes_for(HEADER.size)
HEADER_PLACE_BITS = (HEADER_BYTES - 1).bit_length()
CRC_BYTES = bytes_for(CRC_BITS)


class PayloadRead(wiring.Signature):
    """A payload's memory: `data` is the byte at the `position` of the cycle before."""

    def __init__(self):
        super().__init__({"position": Out(POSITION), "data": In(DATA_BITS)})


class FrameReceiver(wiring.Component):
    """Finds good requests in the bytes of `i`; golden: spec.link.Decoder.

    i: a byte every other cycle at most.  gap_cycles: a pause of so many cycles inside a frame ends it.  frame: valid
    while a good frame is held; its payload is read through `payload`.  With `ahead`, another may come meanwhile; bytes after that one, without it bytes
    after the first, are lost until the first is taken (`frame.ready`).
    received, dropped: counters of good and of dropped frames, which stop at their highest value.
    """

    def __init__(self, gap_cycles: int, ahead: bool = True):
        self.gap_cycles = gap_cycles
        self.ahead = ahead
        super().__init__(
            {
                "i": In(stream.Signature(RECEIVED, always_ready=True)),
                "frame": Out(stream.Signature(HEADER)),
                "payload": In(PayloadRead()),
                "received": Out(STATISTIC_BITS),
                "dropped": Out(STATISTIC_BITS),
            }
        )

    def elaborate(self, platform):
        m = Module()
        header = Signal(HEADER)
        place = Signal(LENGTH)  # of the byte in this part of the frame
        whole = Signal()  # the payload has come; known a cycle after the byte before
        good, bad, drop = Signal(), Signal(), Signal()
        held, keep = Signal(), Signal()  # keep: what came takes the held one's place
        held_header = Signal(HEADER) if self.ahead else header
        bank = Signal()  # of the memory, that the next frame comes into
        m.d.comb += [
            good.eq(self.i.valid & ~self.i.payload.error),
            bad.eq(self.i.valid & self.i.payload.error | self._paused(m)),
            self.frame.valid.eq(held),
            self.frame.payload.eq(held_header),
        ]
        m.d.sync += whole.eq(place == header.length)
        with m.FSM() as fsm:
            body = fsm.ongoing("BODY")
            inside = fsm.ongoing("HEADER") | body | fsm.ongoing("CRC")
            crc = self._crc(m, start=fsm.ongoing("HUNT"), valid=good & inside)
            self._store(m, bank, place, valid=good & body & ~whole)
            with m.State("HUNT"):
                m.d.sync += place.eq(0)
                hunts = Const(1) if self.ahead else ~held
                with m.If(hunts & good & (self.i.payload.data == START_REQUEST)):
                    m.next = "HEADER"
            with m.State("HEADER"):
                with m.If(good):
                    m.d.sync += header.eq(Cat(header.as_value()[DATA_BITS:], self.i.payload.data))
                    m.d.sync += place.eq(place + 1)
                    with m.If(reached(place, HEADER_BYTES - 1)):
                        m.d.sync += place.eq(0)
                        m.next = "LENGTH"
                with m.If(bad):
                    m.d.comb += drop.eq(1)
                    m.next = "HUNT"
            with m.State("LENGTH"):
                m.next = "BODY"
                with m.If(header.length > PAYLOAD_MAX):
                    m.d.comb += drop.eq(1)
                    m.next = "HUNT"
            with m.State("BODY"):
                with m.If(good):
                    m.d.sync += place.eq(place + 1)
                    with m.If(whole):
                        m.next = "CRC"
                with m.If(bad):
                    m.d.comb += drop.eq(1)
                    m.next = "HUNT"
            with m.State("CRC"):
                with m.If(good):
                    m.next = "FRAME"
                with m.If(bad):
                    m.d.comb += drop.eq(1)
                    m.next = "HUNT"
            with m.State("FRAME"):
                free = ~held | self.frame.ready
                m.d.comb += [drop.eq(~crc.match_detected), keep.eq(crc.match_detected & free)]
                if self.ahead:
                    with m.If(free):
                        m.d.sync += held_header.eq(header)
                with m.If(drop | keep):
                    m.next = "HUNT"
        with m.If(keep):
            m.d.sync += held.eq(1)
            if self.ahead:
                m.d.sync += bank.eq(~bank)
        with m.Elif(self.frame.ready):
            m.d.sync += held.eq(0)
        count(m, self.received, self.frame.valid & self.frame.ready)
        count(m, self.dropped, drop)
        return m

    def _paused(self, m):
        """No byte for gap_cycles; said once more, later, when no frame is open any more."""
        timer = Signal(range(self.gap_cycles + 1))
        m.d.sync += timer.eq(timer + 1)
        with m.If(self.i.valid):
            m.d.sync += timer.eq(0)
        return reached(timer, self.gap_cycles)

    def _crc(self, m, start, valid):
        m.submodules.crc = crc = CRC16_IBM_3740().create()
        m.d.comb += [crc.start.eq(start), crc.data.eq(self.i.payload.data), crc.valid.eq(valid)]
        return crc

    def _store(self, m, bank, place, valid):
        """The payloads' memory: one comes in, one is read."""
        memory: Memory = Memory(shape=DATA_BITS, depth=(1 + self.ahead) * PAYLOAD_MAX, init=[])
        m.submodules.memory = memory
        write, read = memory.write_port(), memory.read_port()
        m.d.comb += [
            write.addr.eq(Cat(place[: len(self.payload.position)], bank)[: len(write.addr)]),
            write.data.eq(self.i.payload.data),
            write.en.eq(valid),
            read.addr.eq(Cat(self.payload.position, ~bank)[: len(read.addr)]),
            self.payload.data.eq(read.data),
        ]


class FrameSender(wiring.Component):
    """Sends replies on `o`, a byte every third cycle at most.

    frame: the header; its payload is read through `payload`, which must hold until the frame is taken.  `frame.ready`
    is 1 in the cycle of the frame's last byte.
    """

    def __init__(self):
        super().__init__(
            {
                "frame": In(stream.Signature(HEADER)),
                "payload": Out(PayloadRead()),
                "o": Out(stream.Signature(unsigned(DATA_BITS))),
            }
        )

    def elaborate(self, platform):
        m = Module()
        header = self.frame.payload
        place = Signal(LENGTH)  # of the next byte in its part of the frame
        byte, waits = self.o.payload, Signal()  # the byte that goes out next waits for the line
        sent, rests = waits & self.o.ready, Signal()
        load = ~waits & ~rests  # the one after that is known
        stored, whole = Signal(DATA_BITS), Signal()  # the payload's next byte; there is none
        m.submodules.crc = crc = CRC16_IBM_3740().create()
        m.d.comb += [
            self.o.valid.eq(waits),
            self.payload.position.eq(place),
            crc.data.eq(byte),
            crc.valid.eq(sent),
        ]
        m.d.sync += [stored.eq(self.payload.data), whole.eq(place == header.length), rests.eq(sent)]
        with m.If(sent):
            m.d.sync += waits.eq(0)
        with m.FSM():
            with m.State("START"):
                m.d.sync += [place.eq(0), byte.eq(START_REPLY), waits.eq(self.frame.valid)]
                with m.If(self.frame.valid):
                    m.next = "STARTED"
            with m.State("STARTED"), m.If(load):
                m.d.comb += crc.start.eq(1)
                m.next = "HEADER"
            with m.State("HEADER"), m.If(load):
                m.d.sync += [
                    byte.eq(header.as_value().word_select(place[:HEADER_PLACE_BITS], DATA_BITS)),
                    waits.eq(1),
                ]
                m.d.sync += place.eq(place + 1)
                with m.If(reached(place, HEADER_BYTES - 1)):
                    m.d.sync += place.eq(0)
                    m.next = "PAYLOAD"
            with m.State("PAYLOAD"), m.If(load):
                m.d.sync += [byte.eq(stored), waits.eq(1), place.eq(place + 1)]
                with m.If(whole):
                    m.d.sync += [waits.eq(0), place.eq(0)]
                    m.next = "CRC"
            with m.State("CRC"), m.If(load):
                # Once the high byte is in the CRC itself, the low one is in its place.
                m.d.sync += [byte.eq(crc.crc[-DATA_BITS:]), waits.eq(1), place.eq(place + 1)]
                with m.If(reached(place, CRC_BYTES - 1)):
                    m.next = "LAST"
            with m.State("LAST"), m.If(sent):
                m.d.comb += self.frame.ready.eq(1)
                m.next = "START"
        return m
