"""The link's two ends against each other: the device's RTL in Amaranth's simulator, the host's bus above it."""

import pytest
from amaranth.sim import Simulator

from fpga.host_link import ATTEMPTS, PAYLOAD_STEP, LinkError, UartBus
from fpga.items import window
from fpga.link import Link
from hw.interfaces import Count, Pixels
from sim.blocks import COMPACT
from spec.link import (
    PAYLOAD_MAX,
    START_REPLY,
    START_REQUEST,
    VERSION,
    WINDOW,
    Command,
    Decoder,
    Frame,
    Statistics,
    Status,
    encode,
    join,
)
from spec.params import INSTANCES

PERIOD = 1e-8
TINY = INSTANCES["TINY"]
GAP_CYCLES = 60
PATIENCE_CYCLES = 10
RESULT_SLOTS = 16
SILENCE_CYCLES = 4000
SHORT_SILENCE_CYCLES = 200  # where no reply comes, and none takes long
SPACE_CYCLES = 2


class Device:
    """A link whose bus is a dict and whose streams are lists; `capacity` limits the words that each stream takes."""

    def __init__(self, params=TINY):
        self.link = Link(params, GAP_CYCLES, PATIENCE_CYCLES, RESULT_SLOTS)
        self.memory: dict[int, int] = {}
        self.accesses: list[tuple] = []
        self.taken = {"samples": [], "counts": []}
        self.capacity = {"samples": 10**6, "counts": 10**6}
        self.results: list[int] = []
        self.sent = bytearray()

    def run(self, bench):
        simulator = Simulator(self.link)
        simulator.add_clock(PERIOD)
        simulator.add_testbench(self._play, background=True)
        simulator.add_testbench(bench)
        simulator.run()

    async def _play(self, ctx):
        """All that is not the host, cycle by cycle: one bench, because each costs time."""
        link = self.link
        ctx.set(link.o.ready, 1)
        ctx.set(link.request.ready, 1)
        seen = ("request", "response", "samples", "counts", "results", "o")
        pins = [pin for name in seen for pin in self._pins(name)]
        async for _, _, *values in ctx.tick().sample(*pins):
            transfers = {
                name: payload
                for name, valid, ready, payload in zip(
                    seen, values[0::3], values[1::3], values[2::3], strict=True
                )
                if valid and ready
            }
            self._bus(ctx, transfers)
            self._streams(ctx, transfers)

    def _pins(self, name):
        port = getattr(self.link, name)
        return port.valid, port.ready, port.payload.as_value() if name in self.taken else port.payload

    def _bus(self, ctx, transfers):
        link = self.link
        if "request" in transfers:
            request = transfers["request"]
            self.accesses.append((request.address, request.write, request.data if request.write else 0))
            if request.write:
                self.memory[request.address] = request.data
            ctx.set(link.response.payload.data, 0 if request.write else self.memory.get(request.address, 0))
            ctx.set(link.response.valid, 1)
            ctx.set(link.request.ready, 0)
        elif "response" in transfers:
            ctx.set(link.response.valid, 0)
            ctx.set(link.request.ready, 1)

    def _streams(self, ctx, transfers):
        for name, taken in self.taken.items():
            taken += [transfers[name]] if name in transfers else []
            ctx.set(getattr(self.link, name).ready, len(taken) < self.capacity[name])
        self.sent += bytes([transfers["o"]] if "o" in transfers else [])
        if "results" in transfers:
            self.results.pop(0)
        ctx.set(self.link.results.valid, bool(self.results))
        if self.results:
            ctx.set(self.link.results.payload.as_value(), self.results[0])


class SimulatedChannel:
    """The link's bytes; `damage` (request number, bytes -> bytes) plays the line, `deaf` the way back."""

    def __init__(self, device, ctx):
        self.device, self.ctx, self.requests = device, ctx, 0
        self.damage = lambda number, data: data
        self.deaf = 0
        self.silence = SILENCE_CYCLES

    async def send(self, data):
        link, ctx = self.device.link, self.ctx
        for byte in self.damage(self.requests, data):
            ctx.set(link.i.payload.data, byte)
            ctx.set(link.i.valid, 1)
            await ctx.tick()
            ctx.set(link.i.valid, 0)
            await ctx.tick().repeat(SPACE_CYCLES - 1)
        self.requests += 1

    async def receive(self):
        sent = self.device.sent
        for _ in range(self.silence):
            if sent:
                break
            await self.ctx.tick()
        if self.deaf and sent:
            self.deaf -= 1
            await self.ctx.tick().repeat(self.silence)
            sent.clear()
            return b""
        data = bytes(sent)
        sent.clear()
        return data


def play(bench, params=TINY):
    """Run `bench(bus, device, channel)` on a connected bus."""
    device = Device(params)

    async def run(ctx):
        channel = SimulatedChannel(device, ctx)
        bus = UartBus(channel, params)
        await bus.connect()
        await bench(bus, device, channel)

    device.run(run)


def ask(*requests, params=TINY):
    """Send raw requests one after the other; the replies."""
    device, replies = Device(params), []

    async def run(ctx):
        channel, decoder = SimulatedChannel(device, ctx), Decoder(START_REPLY)
        for request in requests:
            channel.silence = SILENCE_CYCLES
            await channel.send(request)
            while data := await channel.receive():
                channel.silence = SHORT_SILENCE_CYCLES
                replies.extend(decoder.feed(data))
        assert decoder.dropped == 0

    device.run(run)
    return replies, device


def request(sequence, command, payload=b""):
    return encode(START_REQUEST, Frame(sequence, command, payload))


def test_registers():
    async def bench(bus, device, channel):
        await bus.write(0x1234, 0xDEADBEEF)
        assert await bus.read(0x1234) == 0xDEADBEEF
        assert await bus.read(0x1235) == 0
        assert device.accesses == [(0x1234, 1, 0xDEADBEEF), (0x1234, 0, 0), (0x1235, 0, 0)]
        assert bus.retries == 0

    play(bench)


def test_many_registers_in_one_frame():
    writes = [(k, 0x0101_0000 * k + k) for k in range(20)]

    async def bench(bus, device, channel):
        await bus.write_all(writes)
        assert device.memory == dict(writes)
        assert await bus.read_all(range(30)) == [device.memory.get(k, 0) for k in range(30)]
        statistics = await bus.statistics()
        assert statistics == {Statistics.FRAMES: 3, Statistics.DROPPED: 0, Statistics.REPEATED: 0}

    play(bench)


@pytest.mark.parametrize(("name", "layout"), [("samples", Pixels(TINY)), ("counts", Count(TINY))])
def test_streams_take_what_they_can(name, layout):
    words = [(k * k * 0x9E3779B97F4A7C15 >> 3) & ((1 << layout.size) - 1) for k in range(25)]

    async def bench(bus, device, channel):
        send = getattr(bus, f"send_{name}")
        device.capacity[name] = 7
        assert await send(words[:10]) == 7
        assert await send(words[7:]) == 0
        device.capacity[name] = len(words)
        assert await send(words[7:]) == len(words) - 7
        assert device.taken[name] == words
        assert await send([]) == 0

    play(bench)


def test_results_wait_for_the_host():
    results = [k % (1 << 5) for k in range(RESULT_SLOTS + 20)]

    async def bench(bus, device, channel):
        device.results = list(results)
        await channel.ctx.tick().repeat(4 * RESULT_SLOTS)
        assert len(device.results) == 20
        got = await bus.results()
        await bus.pause(0)
        assert got + await bus.results() == results
        assert await bus.results() == []

    play(bench)


def test_refused_samples_make_room_for_results():
    async def bench(bus, device, channel):
        device.results = list(range(4))
        device.capacity["samples"] = 0
        assert await bus.send_samples([1]) == 0
        assert device.results == []
        assert await bus.results() == [0, 1, 2, 3]

    play(bench)


def test_hello_drops_results_and_is_always_executed():
    async def bench(bus, device, channel):
        device.results = [1, 2, 3]
        await channel.ctx.tick().repeat(10)
        for _ in range(2):
            bus._sequence = 0
            await bus.connect()
        assert await bus.results() == []
        assert (await bus.statistics())[Statistics.REPEATED] == 0

    play(bench)


def test_repeated_request_is_answered_and_not_executed():
    write = request(5, Command.WRITE, join([0x10 | 7 << 16], 6))
    read = request(6, Command.READ, join([0x10], 2))
    replies, device = ask(write, write, read, read, write)
    assert replies == [Frame(5, Status.OK)] * 2 + [Frame(6, Status.OK, join([7], 4))] * 2 + [
        Frame(5, Status.OK)
    ]
    assert device.accesses == [(0x10, 1, 7), (0x10, 0, 0), (0x10, 1, 7)]


def test_first_request_may_have_any_sequence_number():
    replies, device = ask(request(0, Command.WRITE, join([0x10 | 7 << 16], 6)))
    assert replies == [Frame(0, Status.OK)]
    assert device.accesses == [(0x10, 1, 7)]


@pytest.mark.parametrize(
    ("code", "payload", "status", "reply"),
    [
        (99, b"", Status.UNKNOWN, b""),
        (Command.HELLO, b"", Status.OK, bytes((VERSION,))),
        (Command.HELLO, b"x", Status.BAD_LENGTH, b""),
        (Command.READ, b"", Status.OK, b""),
        (Command.READ, b"\x01\x00\x02", Status.BAD_LENGTH, bytes(4)),
        (Command.READ, bytes(2 * (PAYLOAD_MAX // 4 + 1)), Status.BAD_LENGTH, bytes(PAYLOAD_MAX)),
        (Command.WRITE, bytes(7), Status.BAD_LENGTH, b""),
        (Command.COUNTS, bytes(3), Status.BAD_LENGTH, b"\x01\x00"),
        (Command.COUNTS, b"", Status.OK, b"\x00\x00"),
        (Command.SAMPLES, b"\x00", Status.BAD_LENGTH, b"\x00\x00"),
        (Command.SAMPLES, b"\x00\x00", Status.OK, b"\x00\x00"),
        (Command.SAMPLES, b"\x00\x00\x01", Status.BAD_LENGTH, b"\x00\x00"),
        (Command.SAMPLES, b"\x00\x00\x01\x02\x00", Status.BAD_LENGTH, b"\x01\x00"),
        (Command.SAMPLES, b"\x00\x00\x01\x02\x00\x0f\x07", Status.BAD_LENGTH, b"\x01\x00"),
        (Command.SAMPLES, b"\x01\x00\x01\x01\x00", Status.OK, b"\x00\x00"),
        (Command.SAMPLES, b"\xff\xff\x01\x02\x00\x00", Status.OK, b"\x01\x00"),
        (Command.RESULTS, b"", Status.OK, b""),
    ],
)
def test_status(code, payload, status, reply):
    replies, _ = ask(request(1, code, payload))
    assert replies == [Frame(1, status, reply)]


def test_damaged_request_is_sent_again():
    async def bench(bus, device, channel):
        start, channel.silence = channel.requests, SHORT_SILENCE_CYCLES
        channel.damage = lambda n, data: (
            data[:5] if n == start else data[:-1] + b"?" if n == start + 1 else data
        )
        await bus.write(3, 4)
        assert device.accesses == [(3, 1, 4)]
        assert bus.retries == 2
        statistics = await bus.statistics()
        assert (statistics[Statistics.DROPPED], statistics[Statistics.REPEATED]) == (2, 0)

    play(bench)


def test_lost_reply_is_asked_for_again_and_the_samples_are_taken_once():
    async def bench(bus, device, channel):
        channel.deaf, channel.silence = 1, SHORT_SILENCE_CYCLES
        assert await bus.send_samples([1, 2, 3]) == 3
        assert device.taken["samples"] == [1, 2, 3]
        assert bus.retries == 1
        assert (await bus.statistics())[Statistics.REPEATED] == 0
        channel.deaf = 1
        assert await bus.send_counts([1, 2, 3]) == 3
        assert device.taken["counts"] == [1, 2, 3]
        assert bus.retries == 2
        assert (await bus.statistics())[Statistics.REPEATED] == 1

    play(bench)


MANY = [k % (1 << 30) * 0x9E3779B9 & ((1 << Pixels(TINY).size) - 1) for k in range(700)]


@pytest.mark.parametrize("params", [TINY, COMPACT], ids=lambda p: p.name)
def test_samples_are_sent_before_those_before_them_are_answered(params):
    async def bench(bus, device, channel):
        receive, unanswered = channel.receive, []

        async def count():
            unanswered.append(channel.requests - answered[0])
            data = await receive()
            answered[0] += data.count(START_REPLY) > 0
            return data

        answered, channel.receive = [channel.requests], count
        assert await bus.send_samples(MANY) == len(MANY)
        assert max(unanswered) == window(params)
        assert device.taken["samples"] == MANY

    assert (window(TINY), window(COMPACT)) == (WINDOW, 1)
    play(bench, params)


@pytest.mark.parametrize("params", [TINY, COMPACT], ids=lambda p: p.name)
@pytest.mark.parametrize("lost", [0, 1, 2])
def test_a_lost_request_of_several_leaves_no_gap(lost, params):
    async def bench(bus, device, channel):
        gone = channel.requests + lost
        channel.damage = lambda n, data: data[:-1] + b"?" if n == gone else data
        channel.silence = SHORT_SILENCE_CYCLES
        assert await bus.send_samples(MANY[:500]) == 500
        assert device.taken["samples"] == MANY[:500]
        assert bus.retries > 0

    play(bench, params)


def test_compact_hardware_counts_no_frames():
    async def bench(bus, device, channel):
        await bus.write(0x1234, 0xDEADBEEF)
        assert await bus.statistics() == {}
        assert await bus.read(0x1234) == 0xDEADBEEF

    play(bench, COMPACT)
    replies, _ = ask(request(1, Command.STATISTICS), params=COMPACT)
    assert replies == [Frame(1, Status.UNKNOWN)]


def test_samples_refused_with_others_on_their_way_are_taken_once():
    async def bench(bus, device, channel):
        device.capacity["samples"] = 150
        taken = await bus.send_samples(MANY)
        assert taken == 150
        device.capacity["samples"] = 10**6
        assert await bus.send_samples(MANY[taken:]) == len(MANY) - taken
        assert device.taken["samples"] == MANY

    play(bench)


def test_dead_link_is_given_up():
    async def bench(bus, device, channel):
        channel.silence = SHORT_SILENCE_CYCLES
        channel.damage = lambda n, data: b""
        with pytest.raises(LinkError, match=f"no reply to READ after {ATTEMPTS}"):
            await bus.read(0)

    play(bench)


def test_refusal_is_an_error():
    async def bench(bus, device, channel):
        with pytest.raises(LinkError, match="HELLO was refused: an item was incomplete"):
            await bus._ask(Command.HELLO, b"x")

    play(bench)


def test_words_are_split_into_frames():
    bus = UartBus(None, TINY)
    sizes = [[len(part) for part in bus._parts(list(range(2 * PAYLOAD_MAX)), size)] for size in (1, 1000)]
    assert sizes == [[PAYLOAD_MAX, PAYLOAD_MAX], [1] * 2 * PAYLOAD_MAX]
    assert [word for part in bus._parts(list(range(700)), 3) for word in part] == list(range(700))


def test_frames_are_short_while_the_line_is_bad():
    async def bench(bus, device, channel):
        channel.silence = SHORT_SILENCE_CYCLES
        lost = [b"", b""]
        channel.damage = lambda n, data: lost.pop() if lost else data
        await bus.read(0)
        assert bus.retries == 2
        assert bus._payload == PAYLOAD_MAX // 4 + PAYLOAD_STEP
        for _ in range(PAYLOAD_MAX // PAYLOAD_STEP):
            await bus.read(0)
        assert bus._payload == PAYLOAD_MAX

    play(bench)
