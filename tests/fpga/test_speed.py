"""Samples a second: what is computed is what the board's top does at its pins."""

import numpy as np
import pytest

from fpga.host_link import UartBus
from fpga.simulated.board import DirectChannel, SimulatedBoard
from fpga.speed import BAUDS, BoardSpeed, line_bytes
from fpga.uart import DIVISOR_MIN, FRAME_BITS
from model.system import run
from sim.host import Host, sample_words
from spec.params import INSTANCES
from spec.registers import Mode

TINY = INSTANCES["TINY"]
SAMPLES = 400


async def stream(host: Host, board: SimulatedBoard, pixels: np.ndarray, labels: np.ndarray) -> float:
    """Samples into a run; the share of that time in which the line to the board carried a byte of them."""
    await host.bus.connect()
    await host.configure(MODE=Mode.INFER, SAMPLES=len(labels))
    await host._trigger("start")
    busy, cycles = board.line_busy, board.cycles
    assert await host.bus.send_samples(words := sample_words(TINY, pixels, labels)) == len(words)
    share = (board.line_busy - busy) / (board.cycles - cycles)
    assert len(await host.bus.results()) == len(labels)
    return share


@pytest.mark.parametrize(("divisor", "least"), [(25, 0.97), (DIVISOR_MIN, 0.9)])
def test_samples_fill_the_line_and_are_as_many_bytes_as_computed(divisor, least):
    """25 cycles a bit: 1 Mbaud at 25 MHz."""
    rng = np.random.default_rng(3)
    pixels = rng.integers(1, 256, (SAMPLES, TINY.inputs)) * (rng.random((SAMPLES, TINY.inputs)) < 0.5)
    labels = rng.integers(0, TINY.classes, SAMPLES)
    with SimulatedBoard(TINY, divisor) as board:
        bus = UartBus(DirectChannel(board), TINY)
        share = run(stream(Host(bus, TINY), board, pixels, labels))
    assert bus.retries == 0
    assert bus.sample_bytes == line_bytes(TINY, pixels, labels)
    assert share > least, f"{share:.1%}"


def test_rates_follow_from_cycles_and_bytes():
    found = BoardSpeed(cycles=2000, bytes=250, golden=1)
    assert found.array(25) == pytest.approx(12_500)
    assert [found.line(baud) for baud in BAUDS] == pytest.approx([400, 800, 1200])
    assert FRAME_BITS == 10
