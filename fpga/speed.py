"""Samples a second of a board: what its array does at a clock, what its line carries, and the golden model beside them."""

from dataclasses import dataclass, replace

import numpy as np

from fpga.packing import Packer
from fpga.uart import FRAME_BITS
from hw.macro import timing
from model.bench import golden_speed
from model.cycles import emulated_array, predict, work_of
from model.system import GoldenController, run
from model.training.hybrid import HybridJob, hybrid
from sim.feed import sample_words
from spec.link import PAYLOAD_MAX, PLACE_BYTES, START_REQUEST, Command, Frame, encode
from spec.params import HwParams
from spec.registers import Mode

TRACED = 500
"""Training samples whose cycles are counted, and whose bytes, from the first on."""
BAUDS = (1_000_000, 2_000_000, 3_000_000)


@dataclass(frozen=True)
class BoardSpeed:
    """cycles: of a training sample on the emulated array, by the cycle model, which the RTL equals.

    bytes: of a sample on the line, frames included.  golden: training samples/s of the golden model on one CPU core.
    """

    cycles: float
    bytes: float
    golden: float

    def array(self, clock_MHz: float) -> float:
        """Training samples/s of the emulated array."""
        return clock_MHz * 1e6 / self.cycles

    def line(self, baud: int) -> float:
        """Samples/s that the line carries."""
        return baud / FRAME_BITS / self.bytes


def board_speed(job: HybridJob) -> BoardSpeed:
    """On the job's samples; all of them by the golden model.  Raises as `training_cycles`."""
    first = replace(job, train_pixels=job.train_pixels[:TRACED], train_labels=job.train_labels[:TRACED])
    return BoardSpeed(
        training_cycles(first),
        line_bytes(job.params, first.train_pixels, first.train_labels) / len(first.train_labels),
        golden_speed(job)[0],
    )


def training_cycles(job: HybridJob) -> float:
    """Cycles of a training sample of a job, while the host is never late.

    Raises InputError for hardware that the cycle model does not know.
    """
    golden = GoldenController(job.params, job.image)
    registers = run(hybrid(golden, job)).registers
    trace = run(golden.run(Mode.TRAIN, job.train_pixels, job.train_labels, trace=True)).trace
    work = work_of(job.params, trace)
    # a strobe's masks are arrays or lists there
    array = emulated_array(job.params, registers, trace, work, timing)  # type: ignore[arg-type]
    return predict(job.params, Mode.TRAIN, registers, work, array)["CYCLES"] / len(job.train_labels)


def line_bytes(params: HwParams, pixels: np.ndarray, labels: np.ndarray) -> int:
    """Bytes on the line for samples: pixels uint8[n, inputs], labels int[n]."""
    packer, total = Packer(params), 0
    rows = packer.rows(sample_words(params, pixels, labels))
    while len(rows):
        data, words = packer.pack(rows, PAYLOAD_MAX - PLACE_BYTES)
        total += len(encode(START_REQUEST, Frame(0, Command.SAMPLES, bytes(PLACE_BYTES) + data)))
        rows = rows[words:]
    return total
