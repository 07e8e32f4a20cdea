"""The device's end of the host link: requests to the controller's streams, and replies (spec/link.py)."""

from dataclasses import dataclass

from amaranth.hdl import Cat, Module, Mux, ResetInserter, Signal, unsigned
from amaranth.lib import stream, wiring
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
    PAYLOAD_MAX,
    SEQUENCE_BITS,
    STATISTIC_BITS,
    TAKEN_BYTES,
    VERSION,
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
    """Sizes of all commands' items."""
    return {
        Command.HELLO: Item(0, 1),
        Command.READ: Item(ADDRESS_BYTES, DATA_BYTES),
        Command.WRITE: Item(ADDRESS_BYTES + DATA_BYTES, 0),
        Command.SAMPLES: Item(bytes_for(Pixels(p).size), 0),
        Command.COUNTS: Item(bytes_for(Count(p).size), 0),
        Command.RESULTS: Item(0, bytes_for(Result(p).size)),
        Command.STATISTICS: Item(0, len(Statistics) * bytes_for(STATISTIC_BITS)),
    }


class Link(wiring.Component):
    """Executes requests, one at a time, and answers each once it is done.

    gap_cycles: a pause of so many cycles inside a frame ends it.  i, o: bytes from and to the host.
    request, response: register bus.  samples, counts: streams of the controller; a word that is not taken within
    patience_cycles is withdrawn and refused, so that a request never waits for a run.  results: result_slots of them are
    kept for the host.

    Items are executed one after the other, each as bytes come and go: a cycle per byte, and what the bus needs.
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
        m.submodules.receiver = self.receiver = FrameReceiver(self.gap_cycles)
        m.submodules.sender = self.sender = FrameSender()
        connect(m, flipped(self.i), self.receiver.i)
        connect(m, self.sender.o, flipped(self.o))
        sizes = self.sizes.values()
        # The item at hand: its bytes end up at the top; its answer leaves from the bottom; `left` bytes are to come.
        self.item = Signal(DATA_BITS * max(size.taken for size in sizes))
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
        m.d.comb += self.receiver.payload.position.eq(self.position)
        with m.FSM():
            self._commands(m)
            self._items(m)
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
        self.result, self.result_there, self.result_take = fifo.r_data, fifo.r_rdy, fifo.r_en
        m.d.comb += [
            fifo.w_data.eq(self.results.payload),
            fifo.w_en.eq(self.results.valid),
            self.results.ready.eq(fifo.w_rdy),
        ]
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
            self.samples.payload.eq(self._item(Command.SAMPLES)),
            self.counts.payload.eq(self._item(Command.COUNTS)),
            request.write.eq(write),
            request.address.eq(Mux(write, written, self._item(Command.READ))),
            request.data.eq(written[DATA_BITS * ADDRESS_BYTES :]),
        ]

    def _item(self, command):
        """The bits of the item at hand when it is one of `command`."""
        return self.item[len(self.item) - DATA_BITS * self.sizes[command].taken :]

    def _commands(self, m):
        """A request comes in: executed from the first item, or answered again."""
        frame, known = self.receiver.frame, Signal()  # known: there was a request since reset
        again = known & (frame.payload.sequence == self.sequence) & (self.command != Command.HELLO)
        with m.State("IDLE"):
            m.d.sync += [self.position.eq(0), self.done.eq(0)]
            with m.If(frame.valid & again):
                m.d.comb += [self.repeated.eq(1), frame.ready.eq(1)]
                m.next = "SEND"
            with m.Elif(frame.valid):
                m.d.comb += self.hello.eq(self.command == Command.HELLO)
                m.d.sync += [known.eq(1), self.sequence.eq(frame.payload.sequence)]
                m.d.sync += [self.status.eq(Status.OK), self.filled.eq(0)]
                m.next = "ITEM"
        with m.State("ITEM"), m.Switch(self.command):
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

    def _give_or_end(self, m, command, size):
        """Another item of the reply of a command without items, if there is one and it has room."""
        statistics = Cat(self.statistics[k] for k in Statistics)
        value = {Command.HELLO: VERSION, Command.RESULTS: self.result, Command.STATISTICS: statistics}[
            command
        ]
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
        waited = Signal(range(self.patience_cycles + 1))
        following = self.position + 1
        with m.State("FETCH"):
            m.d.comb += self.receiver.payload.position.eq(following)
            m.d.sync += [self.position.eq(following), self.left.eq(self.left - 1), waited.eq(0)]
            m.d.sync += self.item.eq(Cat(self.item[DATA_BITS:], self.receiver.payload.data))
            with m.If((self.left == 1) & self._streamed):
                m.next = "OFFER"
            with m.Elif(self.left == 1):
                m.next = "REQUEST"
        with m.State("OFFER"):
            taken, patient = Signal(), waited != self.patience_cycles
            for port, command in ((self.samples, Command.SAMPLES), (self.counts, Command.COUNTS)):
                with m.If(self.command == command):
                    m.d.comb += [port.valid.eq(patient), taken.eq(port.valid & port.ready)]
            m.d.sync += waited.eq(waited + 1)
            with m.If(taken):
                m.d.sync += self.done.eq(self.done + 1)
                m.next = "ITEM"
            with m.Elif(~patient):
                m.next = "END"
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

    def _end(self, m):
        """The reply's end, and the reply."""
        with m.State("END"):
            m.d.sync += [self.answer.eq(self.done), self.left.eq(TAKEN_BYTES)]
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
