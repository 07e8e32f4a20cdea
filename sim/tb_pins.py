"""The cocotb bench of a controller on the worked adapter's pins: as sim/tb_cosim.py, with a board behind the pins."""

import cocotb
from cocotb.triggers import Timer

from hw.interfaces import AMPLITUDE_BITS
from sim.cosim import CosimResult, leave_result
from sim.pin_board import PinBoard
from sim.rtl_controller import RtlController
from sim.tb_cosim import CLOCK_NS, play_beside
from spec.converter_parts import PARTS


class PinsController(RtlController):
    """The states of the cells come from the board: no pin reads them."""

    def __init__(self, host, monitor, board: PinBoard):
        super().__init__(host, monitor)
        self.board = board

    async def conductances(self, **options):
        return self.board.golden.conductances()


@cocotb.test()
async def cosim(dut):
    await leave_result(lambda job, progress: _play(dut, job, progress))


async def _play(dut, job, progress) -> CosimResult:
    await Timer(1, "ns")  # the pins have their levels of reset
    board = PinBoard(dut, job.params, PARTS, job.image, job.params.guard_min_cycles * CLOCK_NS)

    def differences() -> list[str]:
        """What the board has noted, and pulses that are not as programmed."""
        lines = board.watch.broken[:1]
        width, amplitude = job.registers["PULSE"], job.registers["WRITE"] >> 1
        wrong = [w for w in board.widths if w != width * CLOCK_NS]
        if wrong or not board.widths:
            lines.append(f"{len(wrong)} of {len(board.widths)} pulses have another width than {width} cycles")
        below = PARTS.dac.code_bits - AMPLITUDE_BITS
        if any(level != amplitude << below for level in board.amplitudes):
            lines.append(f"pulses of another amplitude than {amplitude}")
        if {round(ns / CLOCK_NS) for ns in board.integrations} != {job.registers["INTEGRATE"]}:
            lines.append(f"an integration of other than {job.registers['INTEGRATE']} cycles")
        return lines

    return await play_beside(
        dut, job, progress, lambda host, monitor: PinsController(host, monitor, board), differences
    )
