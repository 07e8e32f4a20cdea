"""Samples a second: what is computed is what the board's top does at its pins."""

import numpy as np
import pytest

from fpga.host_link import UartBus
from fpga.simulated.board import DirectChannel, SimulatedBoard
from fpga.speed import BAUDS, BoardSpeed, line_bytes
from fpga.uart import FRAME_BITS
from model.system import run
from sim.feed import sample_words
from sim.host import Host
from spec.link import WINDOW
from spec.params import INSTANCES
from spec.registers import Mode

TINY = INSTANCES["TINY"]
SAMPLES = 480
"""Fewer than results wait in the device."""
DIVISOR = 25
"""Cycles a bit: 1 Mbaud at 25 MHz."""


async def stream(host: Host, board: SimulatedBoard, pixels: np.ndarray, labels: np.ndarray) -> float:
    """Samples into a run; the share of the time in which the line to the board carried a byte of them.

    From the first requests, two at once, until the last is sent; then the array has still to do what it was given.
    """
    await host.bus.connect()
    await host.configure(MODE=Mode.INFER, SAMPLES=len(labels))
    await host._trigger("start")
    channel, marks = host.bus._channel, []
    send = channel.send

    async def marked(data):
        marks.append((board.line_busy, board.cycles))
        await send(data)

    channel.send = marked
    words = sample_words(TINY, pixels, labels)
    assert await host.bus.send_samples(words) == len(words)
    channel.send = send
    assert len(marks) > WINDOW + 1
    (first_busy, first), (last_busy, last) = marks[0], marks[-1]
    share = (last_busy - first_busy) / (last - first)
    assert len(await host.bus.results()) == len(labels)
    return share


def test_samples_fill_the_line_and_are_as_many_bytes_as_computed():
    rng = np.random.default_rng(3)
    pixels = rng.integers(1, 256, (SAMPLES, TINY.inputs)) * (rng.random((SAMPLES, TINY.inputs)) < 0.5)
    labels = rng.integers(0, TINY.classes, SAMPLES)
    with SimulatedBoard(TINY, DIVISOR) as board:
        bus = UartBus(DirectChannel(board), TINY)
        share = run(stream(Host(bus, TINY), board, pixels, labels))
    assert bus.retries == 0
    assert bus.sample_bytes == line_bytes(TINY, pixels, labels)
    assert share > 0.97, f"{share:.1%}"


def test_rates_follow_from_cycles_and_bytes():
    found = BoardSpeed(cycles=2000, bytes=250, golden=1)
    assert found.array(25) == pytest.approx(12_500)
    assert [found.line(baud) for baud in BAUDS] == pytest.approx([400, 800, 1200])
    assert FRAME_BITS == 10
