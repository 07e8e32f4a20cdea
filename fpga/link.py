"""The device's end of the host link: requests to the controller's streams, and replies (spec/link.py)."""

from dataclasses import dataclass

from amaranth.hdl import Cat, Module, Mux, ResetInserter, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.enum import Enum
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out, connect, flipped

from fpga.frames import LENGTH, FrameReceiver, FrameSender, count
from fpga.uart import DATA_BITS, RECEIVED
from hw.interfaces import Count, Pixels, Result
from hw.register_file import BusRequest, BusResponse
from spec.link import (
    ADDRESS_BYTES,
    CODE_BITS,
    DATA_BYTES,
    GROUP_BYTES,
    PAYLOAD_MAX,
    PLACE_BYTES,
    SEQUENCE_BITS,
    STATISTIC_BITS,
    TAKEN_BYTES,
    VERSION,
    WINDOW,
    Command,
    Statistics,
    Status,
    bytes_for,
)
from spec.params import HwParams

PATIENCE_CYCLES = 4096
"""How long a stream may be not ready before it refuses the rest of a frame."""
RESULT_SLOTS = 512
"""Results that wait for the host; when they are full the run waits."""


@dataclass(frozen=True)
class Item:
    """Bytes of a command's items in the request and in the reply."""

    taken: int
    given: int


def item_sizes(p: HwParams) -> dict[Command, Item]:
    """Sizes of the commands' items; those of SAMPLES have none.  Compact hardware counts no frames."""
    statistics = {Command.STATISTICS: Item(0, len(Statistics) * bytes_for(STATISTIC_BITS))}
    return {
        Command.HELLO: Item(0, 1),
        Command.READ: Item(ADDRESS_BYTES, DATA_BYTES),
        Command.WRITE: Item(ADDRESS_BYTES + DATA_BYTES, 0),
        Command.COUNTS: Item(bytes_for(Count(p).size), 0),
        Command.RESULTS: Item(0, bytes_for(Result(p).size)),
        **({} if p.compact else statistics),
    }


@dataclass(frozen=True)
class Parts:
    """Bytes of what a request SAMPLES is made of."""

    place: int
    label: int
    group: int
    mask: int


def window(p: HwParams) -> int:
    """Requests SAMPLES that may be unanswered; compact hardware has room for one."""
    return 1 if p.compact else WINDOW


def sample_parts(p: HwParams) -> Parts:
    label = bytes_for(p.class_bits)
    return Parts(PLACE_BYTES, label, label + GROUP_BYTES, bytes_for(p.dac_load_lanes))


class Part(Enum):
    """What is fetched of a request SAMPLES."""

    PLACE = 0
    GROUP = 1
    MASK = 2
    PIXEL = 3


class Link(wiring.Component):
    """Executes requests, one at a time, and answers each once it is done.

    gap_cycles: a pause of so many cycles inside a frame ends it.  i, o: bytes from and to the host.
    request, response: register bus.  samples, counts: streams of the controller; a word that is not taken within
    patience_cycles is withdrawn and refused, so that a request never waits for a run.  results: result_slots of them are
    kept for the host.

    Items are executed one after the other, each as bytes come and go: a cycle per byte, and what the bus needs; a word
    of samples takes 2 cycles and 1 for each pixel, 3 for each that is not 0.  The next request comes in meanwhile.
    """

    def __init__(
        self,
        params: HwParams,
        gap_cycles: int,
        patience_cycles: int = PATIENCE_CYCLES,
        result_slots: int = RESULT_SLOTS,
    ):
        self.params = params
        self.gap_cycles = gap_cycles
        self.patience_cycles = patience_cycles
        self.result_slots = result_slots
        self.sizes = item_sizes(params)
        self.parts = sample_parts(params)
        super().__init__(
            {
                "i": In(stream.Signature(RECEIVED, always_ready=True)),
                "o": Out(stream.Signature(unsigned(DATA_BITS))),
                "request": Out(stream.Signature(BusRequest())),
                "response": In(stream.Signature(BusResponse())),
                "samples": Out(stream.Signature(Pixels(params))),
                "counts": Out(stream.Signature(Count(params))),
                "results": In(stream.Signature(Result(params))),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.receiver = self.receiver = FrameReceiver(self.gap_cycles, ahead=window(self.params) > 1)
        m.submodules.sender = self.sender = FrameSender()
        connect(m, flipped(self.i), self.receiver.i)
        connect(m, self.sender.o, flipped(self.o))
        sizes = self.sizes.values()
        # The item at hand: its bytes end up at the top; its answer leaves from the bottom; `left` bytes are to come.
        largest = max(self.parts.place, self.parts.group, self.parts.mask, *(size.taken for size in sizes))
        self.item = Signal(DATA_BITS * largest)
        self.answer = Signal(DATA_BITS * max(TAKEN_BYTES, *(size.given for size in sizes)))
        self.left = Signal(range(max(len(self.item), len(self.answer)) // DATA_BITS + 1))
        self.position, self.filled = (
            Signal(LENGTH),
            Signal(LENGTH),
        )  # bytes used of the request, and of the reply
        self.done = Signal(LENGTH)  # items that were taken, or given without one
        self.sequence, self.status = Signal(SEQUENCE_BITS), Signal(CODE_BITS)  # of the reply
        self.command = self.receiver.frame.payload.code
        self.hello, self.repeated = Signal(), Signal()
        self._reply(m)
        self._results(m)
        self._streams(m)
        self._sample(m)
        m.d.comb += self.receiver.payload.position.eq(self.position)
        with m.FSM():
            self._commands(m)
            self._items(m)
            self._unpack(m)
            self._offer(m)
            self._end(m)
        return m

    def _reply(self, m):
        """The last reply: its header, and its payload in a memory."""
        memory: Memory = Memory(shape=DATA_BITS, depth=PAYLOAD_MAX, init=[])
        m.submodules.memory = memory
        write, read = memory.write_port(), memory.read_port()
        self.storing, header = write.en, self.sender.frame.payload
        m.d.comb += [
            write.addr.eq(self.filled),
            write.data.eq(self.answer),
            read.addr.eq(self.sender.payload.position),
            self.sender.payload.data.eq(read.data),
            header.sequence.eq(self.sequence),
            header.code.eq(self.status),
            header.length.eq(self.filled),
        ]

    def _results(self, m):
        """Results wait here until the host asks for them; HELLO drops them."""
        fifo = SyncFIFOBuffered(width=Result(self.params).size, depth=self.result_slots)
        m.submodules.result_fifo = ResetInserter(self.hello)(fifo)
        self.statistics: dict[Statistics, Signal] = {}
        self.result, self.result_there, self.result_take = fifo.r_data, fifo.r_rdy, fifo.r_en
        m.d.comb += [
            fifo.w_data.eq(self.results.payload),
            fifo.w_en.eq(self.results.valid),
            self.results.ready.eq(fifo.w_rdy),
        ]
        if Command.STATISTICS in self.sizes:
            repeated = Signal(STATISTIC_BITS)
            count(m, repeated, self.repeated)
            self.statistics = {
                Statistics.FRAMES: self.receiver.received,
                Statistics.DROPPED: self.receiver.dropped,
                Statistics.REPEATED: repeated,
            }

    def _streams(self, m):
        """The item at hand on each way out."""
        request, written = self.request.payload, self._item(Command.WRITE)
        write = self.command == Command.WRITE
        m.d.comb += [
            self.counts.payload.eq(self._item(Command.COUNTS)),
            request.write.eq(write),
            request.address.eq(Mux(write, written, self._item(Command.READ))),
            request.data.eq(written[DATA_BITS * ADDRESS_BYTES :]),
        ]

    def _item(self, command):
        """The bits of the item at hand when it is one of `command`."""
        return self._fetched(self.sizes[command].taken)

    def _fetched(self, size):
        """The last bytes that were fetched."""
        return self.item[len(self.item) - DATA_BITS * size :]

    def _sample(self, m):
        """The word of samples at hand, and where it is in the session's stream."""
        p = self.params
        self.part = Signal(Part)
        self.place, self.sampled = (
            Signal(DATA_BITS * PLACE_BYTES),
            Signal(DATA_BITS * PLACE_BYTES),
        )  # of this word, and of the next that is to be taken
        self.words = Signal(DATA_BITS * GROUP_BYTES)  # that the group still has
        self.label, self.pixels = Signal(p.class_bits), Signal(DATA_BITS * p.dac_load_lanes)
        self.mask, self.lanes = Signal(p.dac_load_lanes), Signal(range(p.dac_load_lanes + 1))  # lanes to come
        self.pixel, self.more = Signal(DATA_BITS), Signal()  # the next of its pixels, when there is one
        m.d.comb += self.samples.payload.eq(Cat(self.pixels, self.label))
        with m.If(self.more):
            m.d.sync += self.pixels.eq(Cat(self.pixels[DATA_BITS:], self.pixel))
            m.d.sync += [self.lanes.eq(self.lanes - 1), self.mask.eq(self.mask >> 1)]
        with m.If(self.hello):
            m.d.sync += self.sampled.eq(0)

    def _commands(self, m):
        """A request comes in: executed from the first item, or answered again."""
        frame, known = self.receiver.frame, Signal()  # known: there was a request since reset
        always = (self.command == Command.HELLO) | (self.command == Command.SAMPLES)
        again = known & (frame.payload.sequence == self.sequence) & ~always
        with m.State("IDLE"):
            m.d.sync += [self.position.eq(0), self.done.eq(0)]
            with m.If(frame.valid & again):
                m.d.comb += [self.repeated.eq(1), frame.ready.eq(1)]
                m.next = "SEND"
            with m.Elif(frame.valid):
                m.d.comb += self.hello.eq(self.command == Command.HELLO)
                m.d.sync += [known.eq(1), self.sequence.eq(frame.payload.sequence)]
                m.d.sync += [self.status.eq(Status.OK), self.filled.eq(0)]
                m.d.sync += [self.part.eq(Part.PLACE), self.words.eq(0)]
                m.next = "ITEM"
        with m.State("ITEM"), m.Switch(self.command):
            with m.Case(Command.SAMPLES):
                self._part_or_end(m)
            for command, size in self.sizes.items():
                with m.Case(command):
                    if size.taken:
                        self._fetch_or_end(m, size)
                    else:
                        self._give_or_end(m, command, size)
            with m.Default():
                m.d.sync += self.status.eq(Status.UNKNOWN)
                m.next = "END"

    def _fetch_or_end(self, m, size):
        """Another item of the request, if there is one, it is complete, and its answer has room."""
        length = self.receiver.frame.payload.length
        with m.If(self.position == length):
            m.next = "END"
        with m.Elif((length - self.position < size.taken) | self._full(size)):
            m.d.sync += self.status.eq(Status.BAD_LENGTH)
            m.next = "END"
        with m.Else():
            m.d.sync += self.left.eq(size.taken)
            m.next = "FETCH"

    def _part_or_end(self, m):
        """Another part of a request SAMPLES."""
        with m.If(self.part == Part.PLACE):
            self._fetch_part(m, Part.PLACE, self.parts.place)
        with m.Elif(self.words != 0):
            self._fetch_part(m, Part.MASK, self.parts.mask)
        with m.Elif(self.position == self.receiver.frame.payload.length):
            m.next = "END"
        with m.Else():
            self._fetch_part(m, Part.GROUP, self.parts.group)

    def _fetch_part(self, m, part, size):
        with m.If(self.receiver.frame.payload.length - self.position < size):
            m.d.sync += self.status.eq(Status.BAD_LENGTH)
            m.next = "END"
        with m.Else():
            m.d.sync += [self.part.eq(part), self.left.eq(size)]
            m.next = "FETCH"

    def _give_or_end(self, m, command, size):
        """Another item of the reply of a command without items, if there is one and it has room."""
        value = {
            Command.HELLO: VERSION,
            Command.RESULTS: self.result,
            Command.STATISTICS: Cat(self.statistics.values()),
        }[command]
        more = self.result_there & ~self._full(size) if command is Command.RESULTS else self.done == 0
        with m.If(self.receiver.frame.payload.length != 0):
            m.d.sync += self.status.eq(Status.BAD_LENGTH)
            m.next = "END"
        with m.Elif(more):
            if command is Command.RESULTS:
                m.d.comb += self.result_take.eq(1)
            m.d.sync += [self.answer.eq(value), self.left.eq(size.given), self.done.eq(self.done + 1)]
            m.next = "STORE"
        with m.Else():
            m.next = "END"

    def _full(self, size):
        return self.filled > PAYLOAD_MAX - size.given

    @property
    def _streamed(self):
        """Whether the reply ends with the number of items that were taken."""
        return (self.command == Command.SAMPLES) | (self.command == Command.COUNTS)

    def _items(self, m):
        """An item's bytes in, its effect, its answer's bytes out."""
        self.waited = Signal(range(self.patience_cycles + 1))
        following = self.position + 1
        with m.State("FETCH"):
            m.d.comb += self.receiver.payload.position.eq(following)
            m.d.sync += [self.position.eq(following), self.left.eq(self.left - 1), self.waited.eq(0)]
            m.d.sync += self.item.eq(Cat(self.item[DATA_BITS:], self.receiver.payload.data))
            with m.If(self.left == 1), m.Switch(self.command):
                with m.Case(Command.SAMPLES):
                    m.next = "PART"
                with m.Case(Command.COUNTS):
                    m.next = "OFFER"
                with m.Default():
                    m.next = "REQUEST"
        with m.State("REQUEST"):
            m.d.comb += self.request.valid.eq(1)
            with m.If(self.request.ready):
                m.next = "RESPONSE"
        with m.State("RESPONSE"):
            m.d.comb += self.response.ready.eq(1)
            m.d.sync += [self.answer.eq(self.response.payload.data), self.left.eq(DATA_BYTES)]
            with m.If(self.response.valid & self.request.payload.write):
                m.next = "ITEM"
            with m.Elif(self.response.valid):
                m.next = "STORE"
        self._store(m, "STORE", "ITEM")

    def _unpack(self, m):
        """Parts of a request SAMPLES, until there is a word."""
        with m.State("PART"):
            m.next = "ITEM"
            with m.Switch(self.part):
                with m.Case(Part.PLACE):
                    m.d.sync += [self.place.eq(self._fetched(self.parts.place)), self.part.eq(Part.GROUP)]
                with m.Case(Part.GROUP):
                    group = self._fetched(self.parts.group)
                    m.d.sync += [
                        self.label.eq(group),
                        self.words.eq(group[DATA_BITS * self.parts.label :]),
                    ]
                with m.Case(Part.MASK):
                    m.d.sync += [
                        self.mask.eq(self._fetched(self.parts.mask)),
                        self.lanes.eq(self.params.dac_load_lanes),
                    ]
                    m.next = "LANES"
                with m.Case(Part.PIXEL):
                    m.d.comb += [self.pixel.eq(self._fetched(1)), self.more.eq(1)]
                    m.next = "LANES"
        with m.State("LANES"):
            with m.If(self.lanes == 0):
                m.next = "OFFER"
            with m.Elif(self.mask[0]):
                self._fetch_part(m, Part.PIXEL, 1)
            with m.Else():
                m.d.comb += self.more.eq(1)

    def _offer(self, m):
        """A word to its stream: taken in time, or refused with all that follow."""
        samples, counts = self.command == Command.SAMPLES, self.command == Command.COUNTS
        taken, passed, ends = Signal(), Signal(), Signal()
        patient = self.waited != self.patience_cycles
        ahead = (self.place - self.sampled)[: len(self.place)]  # with a sign
        with m.State("OFFER"):
            m.d.comb += [
                self.samples.valid.eq(samples & patient & (ahead == 0)),
                self.counts.valid.eq(counts & patient),
                taken.eq(self.samples.valid & self.samples.ready | self.counts.valid & self.counts.ready),
                passed.eq(samples & ahead[-1]),
                ends.eq(~patient | samples & (ahead != 0)),
            ]
            m.d.sync += self.waited.eq(self.waited + 1)
            with m.If(taken | passed):
                m.d.sync += [self.done.eq(self.done + 1), self.words.eq(self.words - 1)]
                m.d.sync += [self.place.eq(self.place + 1), self.sampled.eq(self.sampled + (samples & taken))]
                m.next = "ITEM"
            with m.Elif(ends):
                m.next = "END"

    def _end(self, m):
        """The reply's end, and the reply."""
        with m.State("END"):
            place_or_number = Mux(self.command == Command.SAMPLES, self.sampled, self.done)
            m.d.sync += [self.answer.eq(place_or_number), self.left.eq(TAKEN_BYTES)]
            m.next = "RELEASE"
            with m.If(self._streamed):
                m.next = "STORE_TAKEN"
        self._store(m, "STORE_TAKEN", "RELEASE")
        with m.State("RELEASE"):
            m.d.comb += self.receiver.frame.ready.eq(1)
            m.next = "SEND"
        with m.State("SEND"):
            m.d.comb += self.sender.frame.valid.eq(1)
            with m.If(self.sender.frame.ready):
                m.next = "IDLE"

    def _store(self, m, state, following):
        """The answer's bytes behind the reply's payload."""
        with m.State(state):
            m.d.comb += self.storing.eq(1)
            m.d.sync += [self.answer.eq(self.answer >> DATA_BITS), self.left.eq(self.left - 1)]
            m.d.sync += self.filled.eq(self.filled + 1)
            with m.If(self.left == 1):
                m.next = following
