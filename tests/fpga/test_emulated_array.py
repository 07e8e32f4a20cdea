"""The FPGA's top at its pins trains on MNIST with the emulated array, as the golden model does."""

from dataclasses import replace

import pytest

from fpga.board_job import SPOTS, run_on
from fpga.boards import BOARDS
from fpga.host_link import UartBus
from fpga.simulated.board import DirectChannel, SimulatedBoard
from model.system import run
from sim.data_job import data_job
from spec.run_file import run_from_dict
from tests.fpga.test_board import payload_share

SAMPLES = 48
LEAST_PULSES = 100
CALIBRATION = 8
"""Samples of a probe of the range: each costs the line a thousand bytes."""


@pytest.mark.slow
def test_ulx3s_trains_on_mnist_as_the_golden_model():
    board = BOARDS["ulx3s"]
    run_spec = run_from_dict(
        {"data": "mnist", "params": board.instance, "rule": board.params.rules[0], "offline": {"kind": "plain", "epochs": 2},
         "threshold": 1, "margin": 60.0, "seeds": [3], "train_samples": SAMPLES, "test_samples": 8}
    )  # fmt: skip
    job = data_job(run_spec, lambda *_: None)
    job = replace(
        job,
        calibration=job.calibration[:CALIBRATION],
        calibration_hidden=job.calibration_hidden[:CALIBRATION],
        calibration_planes=job.calibration_planes[: CALIBRATION * board.params.dac_bits],
    )
    with SimulatedBoard(board.params) as simulated:
        bus = UartBus(DirectChannel(simulated), board.params)
        found = run(run_on(bus, job, read_out=False))
    assert (found.mismatches, found.differences) == (0, [])
    strobes = found.record.strobes
    assert min(strobes.pulses_up, strobes.pulses_down) >= LEAST_PULSES
    assert strobes.pulses_up + strobes.pulses_down > SPOTS / 2


@pytest.mark.slow
def test_images_fill_the_line():
    params = BOARDS["ulx3s"].params
    with SimulatedBoard(params) as board:
        share = payload_share(params, board, 40)
    assert 0.95 < share < 1, f"{share:.1%}"
