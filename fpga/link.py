"""The device's end of the host link: requests to the controller's streams, and replies (spec/link.py)."""

from amaranth.hdl import Cat, Module, Mux, ResetInserter, Signal, signed, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.enum import Enum
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out, connect, flipped

from fpga.frames import LENGTH, FrameReceiver, FrameSender, count, reached
from fpga.items import item_sizes, sample_parts, window
from fpga.result_queue import ResultQueue
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
    Command,
    Statistics,
    Status,
)
from spec.params import HwParams

PATIENCE_CYCLES = 4096
"""How long a stream may be not ready before it refuses the rest of a frame."""
RESULT_SLOTS = 512
"""Results that wait for the host; when they are full the run waits."""
NO_COMMAND = (1 << max(Command).bit_length()) - 1
"""In the place of a command's code that is none."""
assert NO_COMMAND not in list(Command)


class Part(Enum):
    """What is fetched of a request SAMPLES."""

    PLACE = 0
    GROUP = 1
    MASK = 2


class Link(wiring.Component):
    """Executes requests, one at a time, and answers each once it is done.

    gap_cycles: a pause of so many cycles inside a frame ends it.  i, o: bytes from and to the host.
    request, response: register bus.  samples, counts: streams of the controller; a word that is not taken within
    patience_cycles is withdrawn and refused, so that a request never waits for a run.  results: result_slots of them are
    kept for the host.

    Items are executed one after the other, each as bytes come and go: 2 cycles per byte that comes, 1 per byte that goes,
    and what the bus needs; a word of samples takes 5 cycles, 2 for each of its bytes, and 1 for each pixel that is 0, at
    most.  The next request comes in meanwhile.
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
        # The item at hand: its bytes come in at the top, those of its answer leave from the bottom.
        sizes = [size for item in self.sizes.values() for size in (item.taken, item.given)]
        self.item = Signal(DATA_BITS * max(TAKEN_BYTES, self.params.dac_load_lanes, *sizes))
        self.incoming, self.shift = Signal(DATA_BITS), Signal()
        self.left = Signal(range(len(self.item) // DATA_BITS + 1))  # bytes that are to come or to go
        self.position = Signal(LENGTH)  # of the request's byte after the next
        self.filled = Signal(LENGTH)  # bytes of the reply
        self.step, self.stepped, self.over = Signal(), Signal(), Signal()
        self.done = Signal(LENGTH)  # items that were taken or given
        self.sequence, self.status = Signal(SEQUENCE_BITS), Signal(CODE_BITS)  # of the reply
        self.command = Signal(range(NO_COMMAND + 1))
        self.hello, self.repeated = Signal(), Signal()
        self.waited = Signal(range(self.patience_cycles + 1))  # cycles with this one
        self.ended = Signal()  # what is stored is the end of the reply
        self._request(m)
        self._reply(m)
        self._results(m)
        self._sample(m)
        self._streams(m)
        with m.FSM():
            self._commands(m)
            self._items(m)
            self._give(m)
            self._unpack(m)
            self._offer(m)
            self._end(m)
        return m

    def _request(self, m):
        """The request's next byte, or that it is `over`: one further by a `step`, which comes every other cycle at most."""
        byte, payload = Signal(DATA_BITS), self.receiver.payload
        m.d.comb += [payload.position.eq(self.position), self.incoming.eq(byte)]
        m.d.sync += self.stepped.eq(self.step)
        with m.If(self.step):
            m.d.sync += [byte.eq(payload.data), self.position.eq(self.position + 1)]
            m.d.sync += self.over.eq(self.position == self.receiver.frame.payload.length)
        with m.If(self.shift):
            m.d.sync += self.item.eq(Cat(self.item[DATA_BITS:], self.incoming))

    def _reply(self, m):
        """The last reply: its header, and its payload in a memory."""
        memory: Memory = Memory(shape=DATA_BITS, depth=PAYLOAD_MAX, init=[])
        m.submodules.memory = memory
        write, read = memory.write_port(), memory.read_port()
        self.storing, header = write.en, self.sender.frame.payload
        m.d.comb += [
            write.addr.eq(self.filled),
            write.data.eq(self.item),
            read.addr.eq(self.sender.payload.position),
            self.sender.payload.data.eq(read.data),
            header.sequence.eq(self.sequence),
            header.code.eq(self.status),
            header.length.eq(self.filled),
        ]

    def _results(self, m):
        """Results wait here until the host asks for them; HELLO drops them."""
        queue = ResultQueue(self.params, self.result_slots)
        m.submodules.result_queue = ResetInserter(self.hello)(queue)
        connect(m, flipped(self.results), queue.i)
        self.result = queue.o
        self.statistics: dict[Statistics, Signal] = {}
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
        request, access = self.request.payload, self._fetched(ADDRESS_BYTES + DATA_BYTES)
        m.d.comb += [
            self.counts.payload.eq(self._fetched(self.sizes[Command.COUNTS].taken)),
            self.samples.payload.eq(Cat(self._fetched(self.params.dac_load_lanes), self.label)),
            request.write.eq(self.command == Command.WRITE),
            request.address.eq(access),
            request.data.eq(access[DATA_BITS * ADDRESS_BYTES :]),
        ]

    def _fetched(self, size):
        """The last bytes that came in."""
        return self.item[len(self.item) - DATA_BITS * size :]

    def _sample(self, m):
        """The word of samples at hand, and where it is in the session's stream."""
        self.part = Signal(Part)
        self.place = Signal(DATA_BITS * PLACE_BYTES)
        self.sampled = Signal(DATA_BITS * PLACE_BYTES)  # place of the next word that is to be taken
        self.words = Signal(DATA_BITS * GROUP_BYTES)  # that the group still has
        self.label, lanes = Signal(self.params.class_bits), self.params.dac_load_lanes
        self.mask, self.lanes = Signal(lanes), Signal(range(lanes + 1))  # lanes to come
        with m.If(self.hello):
            m.d.sync += self.sampled.eq(0)

    def _commands(self, m):
        """A request comes in: executed from the first item, or answered again."""
        frame, known = self.receiver.frame, Signal()  # known: there was a request since reset
        code, again = frame.payload.code, Signal()
        always = (self.command == Command.HELLO) | (self.command == Command.SAMPLES)
        with m.State("IDLE"):
            none = code[len(self.command) :].any()
            m.d.sync += self.command.eq(Mux(none, NO_COMMAND, code))
            m.d.sync += again.eq(known & (frame.payload.sequence == self.sequence))
            with m.If(frame.valid):
                m.next = "REQUEST"
        with m.State("REQUEST"):
            with m.If(again & ~always):
                m.d.comb += [self.repeated.eq(1), frame.ready.eq(1)]
                m.next = "SEND"
            with m.Else():
                m.d.comb += [self.step.eq(1), self.hello.eq(self.command == Command.HELLO)]
                m.d.sync += [known.eq(1), self.sequence.eq(frame.payload.sequence)]
                m.d.sync += [self.status.eq(Status.OK), self.filled.eq(0)]
                m.next = "ITEM"
        with m.State("ITEM"):
            m.d.sync += self.waited.eq(1)
            with m.Switch(self.command):
                with m.Case(Command.SAMPLES):
                    self._part_or_end(m)
                for command, size in self.sizes.items():
                    with m.Case(command):
                        if size.taken:
                            self._fetch_or_end(m, command, size)
                        else:
                            self._give_or_end(m, command, size)
                with m.Default():
                    self._refuse(m, Status.UNKNOWN)

    def _refuse(self, m, status):
        m.d.sync += self.status.eq(status)
        m.next = "END"

    def _fetch(self, m, size):
        m.d.sync += self.left.eq(size)
        m.next = "FETCH"

    def _fetch_or_end(self, m, command, size):
        """Another item of the request, if there is one, and its answer has room."""
        with m.If(self.over):
            m.next = "END"
        if size.given:
            with m.Elif(self._full(command)):
                self._refuse(m, Status.BAD_LENGTH)
        with m.Else():
            self._fetch(m, size.taken)

    def _part_or_end(self, m):
        """Another part of a request SAMPLES."""
        with m.If(self.part == Part.PLACE):
            self._fetch(m, self.parts.place)
        with m.Elif(self.words != 0):
            m.d.sync += self.part.eq(Part.MASK)
            self._fetch(m, self.parts.mask)
        with m.Elif(self.over):
            m.next = "END"
        with m.Else():
            m.d.sync += self.part.eq(Part.GROUP)
            self._fetch(m, self.parts.group)

    def _give_or_end(self, m, command, size):
        """Another item of the reply of a command without items, if there is one and it has room."""
        m.d.sync += [self.left.eq(size.given), self.done.eq(self.done + 1)]
        m.next = command.name
        with m.If(self._full(command)):
            m.next = "END"
        with m.If(~self.over):
            self._refuse(m, Status.BAD_LENGTH)

    def _full(self, command):
        """No more items are given, or there is no room for another."""
        most = PAYLOAD_MAX // self.sizes[command].given
        return reached(self.done, most if command in (Command.READ, Command.RESULTS) else 1)

    def _items(self, m):
        """An item's bytes in, its effect, its answer's bytes out."""
        with m.State("FETCH"), m.If(~self.stepped):
            m.d.comb += [self.shift.eq(1), self.step.eq(1)]
            m.d.sync += self.left.eq(self.left - 1)
            with m.If(self.left == 1), m.Switch(self.command):
                with m.Case(Command.SAMPLES):
                    m.next = "PART"
                with m.Case(Command.COUNTS):
                    m.next = "OFFER_COUNT"
                with m.Case(Command.READ):
                    m.d.sync += self.left.eq(DATA_BYTES)
                    m.next = "ALIGN"
                with m.Default():
                    m.next = "ACCESS"
            with m.If(self.over):
                self._refuse(m, Status.BAD_LENGTH)
        with m.State("ALIGN"):  # an address of READ goes where that of WRITE is
            m.d.comb += self.shift.eq(1)
            m.d.sync += self.left.eq(self.left - 1)
            with m.If(self.left == 1):
                m.next = "ACCESS"
        with m.State("ACCESS"):
            m.d.comb += self.request.valid.eq(1)
            with m.If(self.request.ready):
                m.next = "RESPONSE"
        with m.State("RESPONSE"):
            m.d.comb += self.response.ready.eq(1)
            m.d.sync += [self.item.eq(self.response.payload.data), self.left.eq(DATA_BYTES)]
            with m.If(self.response.valid):
                m.d.sync += self.done.eq(self.done + 1)
                m.next = "STORE"
                with m.If(self.request.payload.write):
                    m.next = "ITEM"
        with m.State("STORE"):
            m.d.comb += [self.storing.eq(1), self.shift.eq(1)]
            m.d.sync += [self.left.eq(self.left - 1), self.filled.eq(self.filled + 1)]
            with m.If(self.left == 1):
                m.next = "ITEM"
                with m.If(self.ended):
                    m.next = "SEND"

    def _give(self, m):
        """Items of the commands without items in the request: a state of each command."""
        answers = {
            Command.HELLO: VERSION,
            Command.RESULTS: self.result.payload,
            Command.STATISTICS: Cat(self.statistics.values()),
        }
        for command in (command for command in answers if command in self.sizes):
            with m.State(command.name):
                m.d.sync += self.item.eq(answers[command])
                m.next = "STORE"
                if command is Command.RESULTS:
                    m.d.comb += self.result.ready.eq(1)
                    with m.If(~self.result.valid):
                        m.next = "END"

    def _unpack(self, m):
        """Parts of a request SAMPLES, until there is a word."""
        with m.State("PART"):
            m.next = "ITEM"
            with m.Switch(self.part):
                with m.Case(Part.PLACE):
                    m.d.sync += [self.place.eq(self._fetched(self.parts.place)), self.part.eq(Part.GROUP)]
                with m.Case(Part.GROUP):
                    group = self._fetched(self.parts.group)
                    m.d.sync += self.label.eq(group)
                    m.d.sync += self.words.eq(group[DATA_BITS * self.parts.label :])
                with m.Case(Part.MASK):
                    m.d.sync += self.mask.eq(self._fetched(self.parts.mask))
                    m.d.sync += self.lanes.eq(self.params.dac_load_lanes)
                    m.next = "LANES"
        with m.State("LANES"), m.If(~self.stepped):
            with m.If(self.lanes == 0):
                m.next = "WORD"
            with m.Elif(self.mask[0] & self.over):
                self._refuse(m, Status.BAD_LENGTH)
            with m.Else():
                m.d.comb += [self.shift.eq(1), self.step.eq(self.mask[0])]
                with m.If(~self.mask[0]):
                    m.d.comb += self.incoming.eq(0)
                m.d.sync += [self.lanes.eq(self.lanes - 1), self.mask.eq(self.mask >> 1)]

    def _offer(self, m):
        """A word to its stream: taken in time, or refused with all that follow."""
        ahead = Signal(signed(len(self.place)))  # of the word to take; both places rest while a word comes
        m.d.sync += ahead.eq(self.place - self.sampled)
        with m.State("WORD"):
            m.next = "END"
            with m.If(ahead == 0):
                m.next = "OFFER_SAMPLE"
            with m.If(ahead < 0):
                m.d.sync += [self.place.eq(self.place + 1), self.words.eq(self.words - 1)]
                m.next = "ITEM"
        with m.State("OFFER_SAMPLE"):
            m.d.comb += self.samples.valid.eq(1)
            self._taken_or_end(m, self.samples.ready)
            with m.If(self.samples.ready):
                m.d.sync += [self.place.eq(self.place + 1), self.words.eq(self.words - 1)]
                m.d.sync += self.sampled.eq(self.sampled + 1)
        with m.State("OFFER_COUNT"):
            m.d.comb += self.counts.valid.eq(1)
            self._taken_or_end(m, self.counts.ready)
            with m.If(self.counts.ready):
                m.d.sync += self.done.eq(self.done + 1)

    def _taken_or_end(self, m, ready):
        m.d.sync += self.waited.eq(self.waited + 1)
        with m.If(ready):
            m.next = "ITEM"
        with m.Elif(reached(self.waited, self.patience_cycles)):
            m.next = "END"

    def _end(self, m):
        """The reply's end, and the reply."""
        samples, counts = self.command == Command.SAMPLES, self.command == Command.COUNTS
        with m.State("END"):
            m.d.comb += self.receiver.frame.ready.eq(1)
            m.d.sync += [self.item.eq(Mux(samples, self.sampled, self.done)), self.left.eq(TAKEN_BYTES)]
            m.d.sync += self.ended.eq(1)
            m.next = "SEND"
            with m.If(samples | counts):
                m.next = "STORE"
        with m.State("SEND"):
            m.d.comb += self.sender.frame.valid.eq(1)
            m.d.sync += [self.position.eq(0), self.done.eq(0), self.ended.eq(0)]
            m.d.sync += [self.part.eq(Part.PLACE), self.words.eq(0)]
            with m.If(self.sender.frame.ready):
                m.next = "IDLE"
