"""Frames: the receiver finds what the decoder of the spec finds, the sender sends what it encodes."""

import random

import pytest
from amaranth.lib.crc.catalog import CRC16_IBM_3740
from amaranth.sim import Simulator

from fpga.frames import FrameReceiver, FrameSender
from spec.link import PAYLOAD_MAX, START_REPLY, START_REQUEST, Decoder, Frame, crc16, encode, items, join

PERIOD = 1e-8
GAP_CYCLES = 50
SPACE_CYCLES = 2  # from byte to byte: as many as the receiver needs

BROKEN = "broken"  # a byte without stop bit
PAUSE = "pause"


def test_crc_is_the_one_of_the_hardware(seed):
    data = random.Random(seed).randbytes(100)
    assert crc16(b"123456789") == 0x29B1
    assert crc16(data) == CRC16_IBM_3740().compute(data)


def test_encode():
    frame = Frame(7, 2, b"\x01\x02\x03")
    assert encode(START_REQUEST, frame)[:-2] == bytes((START_REQUEST, 7, 2, 3, 0, 1, 2, 3))
    assert Decoder(START_REQUEST).feed(encode(START_REQUEST, frame)) == [frame]
    with pytest.raises(ValueError, match="longer than"):
        encode(START_REQUEST, Frame(0, 0, bytes(PAYLOAD_MAX + 1)))


def test_items():
    assert items(join([1, 0x203], 2), 2) == [1, 0x203]
    with pytest.raises(OverflowError):
        join([256], 1)


def decoded(line):
    """What the decoder of the spec makes of a line: good frames, dropped ones."""
    decoder, frames = Decoder(START_REQUEST), []
    for byte in line:
        if byte in (BROKEN, PAUSE):
            decoder.drop()
        else:
            frames += decoder.feed(bytes((byte,)))
    return frames, decoder.dropped


def received(line):
    """What the receiver makes of it."""
    dut, frames, dropped = FrameReceiver(GAP_CYCLES), [], []
    simulator = Simulator(dut)
    simulator.add_clock(PERIOD)

    async def drive(ctx):
        for byte in line:
            if byte == PAUSE:
                await ctx.tick().repeat(GAP_CYCLES)
                continue
            ctx.set(dut.i.payload, {"data": 0xEE if byte == BROKEN else byte, "error": byte == BROKEN})
            ctx.set(dut.i.valid, 1)
            await ctx.tick()
            ctx.set(dut.i.valid, 0)
            ctx.set(dut.i.payload, {"data": START_REQUEST, "error": 0})
            await ctx.tick().repeat(SPACE_CYCLES - 1)
            if ctx.get(dut.frame.valid):
                frames.append(await take(ctx))
        assert ctx.get(dut.received) == len(frames)
        dropped.append(ctx.get(dut.dropped))

    async def take(ctx):
        header, payload = ctx.get(dut.frame.payload), []
        for position in range(header.length):
            ctx.set(dut.payload.position, position)
            await ctx.tick()
            payload.append(ctx.get(dut.payload.data))
        ctx.set(dut.frame.ready, 1)
        await ctx.tick()
        ctx.set(dut.frame.ready, 0)
        return Frame(header.sequence, header.code, bytes(payload))

    simulator.add_testbench(drive)
    simulator.run()
    return frames, *dropped


GOOD = encode(START_REQUEST, Frame(3, 1, b"abc"))
LONGEST = encode(START_REQUEST, Frame(255, 255, bytes(range(256)) * (PAYLOAD_MAX // 256)))
TOO_LONG = bytes((START_REQUEST, 1, 1, *(PAYLOAD_MAX + 1).to_bytes(2, "little")))


def flipped(frame, bit):
    return (int.from_bytes(frame, "little") ^ 1 << bit).to_bytes(len(frame), "little")


@pytest.mark.parametrize(
    ("line", "good", "dropped"),
    [
        ([*GOOD], 1, 0),
        ([*GOOD, *GOOD], 2, 0),
        ([*encode(START_REQUEST, Frame(0, 0))], 1, 0),
        ([*LONGEST, *GOOD], 2, 0),
        ([*flipped(GOOD, 8 * len(GOOD) - 1), *GOOD], 1, 1),
        ([*flipped(GOOD, 50), *GOOD], 1, 1),
        ([1, 2, 3, BROKEN, *GOOD], 1, 0),
        ([*GOOD[:-1], PAUSE, *GOOD], 1, 1),
        ([*GOOD[:1], PAUSE, *GOOD], 1, 1),
        ([*GOOD[:6], BROKEN, *GOOD[6:], *GOOD], 1, 1),
        ([*GOOD[:3], BROKEN, *GOOD], 1, 1),
        ([*TOO_LONG, *GOOD], 1, 1),
        ([*GOOD[:-2], *GOOD, PAUSE, *GOOD], 1, 1),
    ],
    ids=[
        "good", "two", "empty", "longest", "CRC", "payload", "noise", "truncated", "start only", "stop bit",
        "stop bit in header", "length", "truncated without a pause",
    ],
)  # fmt: skip
def test_receiver_finds_good_frames(line, good, dropped):
    frames, dropped_frames = decoded(line)
    assert (len(frames), dropped_frames) == (good, dropped)
    assert received(line) == (frames, dropped_frames)


def test_receiver_equals_the_decoder_on_noise(seed):
    rng, line = random.Random(seed), []
    for _ in range(60):
        frame = encode(
            START_REQUEST, Frame(rng.randrange(256), rng.randrange(8), rng.randbytes(rng.randrange(9)))
        )
        kind = rng.randrange(4)
        if kind == 1:
            frame = flipped(frame, rng.randrange(8 * len(frame)))
        line += frame[: rng.randrange(len(frame))] if kind == 2 else frame
        line += rng.choices([PAUSE, BROKEN, START_REQUEST, 0x11], k=kind == 3)
    frames, dropped = decoded(line)
    assert len(frames) > 10 and dropped > 10
    assert received(line) == (frames, dropped)


@pytest.mark.parametrize("payload", [b"", b"x", bytes(range(20))], ids=len)
@pytest.mark.parametrize("stall", [0, 3])
def test_sender_sends_what_the_spec_encodes(payload, stall):
    dut, sent, frame = FrameSender(), [], Frame(0x81, 2, payload)
    simulator = Simulator(dut)
    simulator.add_clock(PERIOD)

    async def memory(ctx):
        async for _, _, position in ctx.tick().sample(dut.payload.position):
            ctx.set(dut.payload.data, payload[position] if position < len(payload) else 0xEE)

    async def drive(ctx):
        ctx.set(dut.frame.payload, {"sequence": frame.sequence, "code": frame.code, "length": len(payload)})
        for _ in range(2):
            ctx.set(dut.frame.valid, 1)
            while not await byte(ctx):
                pass
            ctx.set(dut.frame.valid, 0)
            await ctx.tick()
            assert not ctx.get(dut.o.valid)

    async def byte(ctx):
        """Take one byte; whether it was the frame's last."""
        for _ in range(stall):
            await ctx.tick()
        ctx.set(dut.o.ready, 1)
        value, taken = await ctx.tick().sample(dut.o.payload, dut.frame.ready).until(dut.o.valid)
        ctx.set(dut.o.ready, 0)
        sent.append(value)
        return taken

    simulator.add_testbench(memory, background=True)
    simulator.add_testbench(drive)
    simulator.run()
    assert bytes(sent) == 2 * encode(START_REPLY, frame)


@pytest.mark.parametrize("ahead", [True, False])
def test_a_frame_comes_in_or_is_lost_while_another_is_held(ahead):
    dut, other = FrameReceiver(GAP_CYCLES, ahead), Frame(4, 2, b"defgh")
    simulator = Simulator(dut)
    simulator.add_clock(PERIOD)

    async def payload(ctx):
        found = bytearray()
        for position in range(ctx.get(dut.frame.payload.length)):
            ctx.set(dut.payload.position, position)
            await ctx.tick()
            found.append(ctx.get(dut.payload.data))
        return bytes(found)

    async def drive(ctx):
        for byte in GOOD + encode(START_REQUEST, other):
            ctx.set(dut.i.payload, {"data": byte, "error": 0})
            ctx.set(dut.i.valid, 1)
            await ctx.tick()
            ctx.set(dut.i.valid, 0)
            await ctx.tick().repeat(SPACE_CYCLES - 1)
        for sequence, data in ((3, b"abc"), (4, b"defgh"))[: 1 + ahead]:
            assert ctx.get(dut.frame.valid) and ctx.get(dut.frame.payload.sequence) == sequence
            assert await payload(ctx) == data
            ctx.set(dut.frame.ready, 1)
            await ctx.tick()
            ctx.set(dut.frame.ready, 0)
        assert not ctx.get(dut.frame.valid)
        assert (ctx.get(dut.received), ctx.get(dut.dropped)) == (1 + ahead, 0)

    simulator.add_testbench(drive)
    simulator.run()
