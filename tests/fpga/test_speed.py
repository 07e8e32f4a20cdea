"""Samples a second: what is computed is what the board's top does at its pins."""

import numpy as np
import pytest

from fpga.host_link import UartBus
from fpga.simulated.board import DirectChannel, SimulatedBoard
from fpga.speed import BAUDS, BoardSpeed, line_bytes
from fpga.uart import DIVISOR_MIN, FRAME_BITS
from model.system import run
from sim.host import CHUNK, Host
from spec.params import INSTANCES
from spec.registers import Mode

DIGITS = INSTANCES["DIGITS"]


def streamed(divisor: int) -> tuple[float, int, int]:
    """Samples into DIGITS: share of the line that carried a byte, bytes of the requests, and those computed."""
    rng = np.random.default_rng(3)
    pixels = rng.integers(1, 256, (2 * CHUNK, DIGITS.inputs)) * (rng.random((2 * CHUNK, DIGITS.inputs)) < 0.5)
    labels = rng.integers(0, DIGITS.classes, len(pixels))
    with SimulatedBoard(DIGITS, divisor) as board:
        channel = DirectChannel(board)
        bus = UartBus(channel, DIGITS)
        run(bus.connect())
        host = Host(bus, DIGITS)
        marks = []
        send = bus.send_samples

        async def seen(words):
            marks.append((board.line_busy, board.cycles))
            taken = await send(words)
            marks.append((board.line_busy, board.cycles))
            return taken

        bus.send_samples = seen
        run(host.run(Mode.INFER, pixels, labels))
    busy, cycles = (sum(b[k] - a[k] for a, b in zip(marks[::2], marks[1::2], strict=True)) for k in (0, 1))
    assert bus.retries == 0
    computed = sum(line_bytes(DIGITS, pixels[k : k + CHUNK], labels[k : k + CHUNK]) for k in (0, CHUNK))
    assert busy == bus.sample_bytes * FRAME_BITS * divisor
    return busy / cycles, bus.sample_bytes, computed


def test_samples_fill_the_line_and_are_as_many_bytes_as_computed():
    share, sent, computed = streamed(25)  # 1 Mbaud at 25 MHz
    assert sent == computed
    assert share > 0.97, f"{share:.1%}"


def test_a_line_of_the_fastest_rate_is_full_too():
    share, _, _ = streamed(DIVISOR_MIN)
    assert share > 0.9, f"{share:.1%}"


def test_rates_follow_from_cycles_and_bytes():
    found = BoardSpeed(cycles=2000, bytes=250, golden=1)
    assert found.array(25) == pytest.approx(12_500)
    assert [found.line(baud) for baud in BAUDS] == pytest.approx([400, 800, 1200])
