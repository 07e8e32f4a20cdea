"""A board at a serial port: the command line talks to `FpgaTop` in a simulation, over good and over bad lines."""

import errno
import json
import os
import threading
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import serial

from fpga.board_job import run_on as play_on
from fpga.host_link import ATTEMPTS, UartBus
from fpga.simulated.board import QUIET_CYCLES, DirectChannel, SimulatedBoard
from fpga.simulated.noise import PERFECT, NoisyLine, Rates
from fpga.simulated.terminal import Terminal
from fpga.uart import DIVISOR_MIN, FRAME_BITS
from model.system import run
from sim.host import Host
from sim.stimulus import ENOUGH_PULSES, make_stimulus
from spec.device_file import load_device
from spec.device_image import offset
from spec.params import INSTANCES
from spec.registers import Mode
from tests.cli.conftest import program  # noqa: F401

TINY = INSTANCES["TINY"]
ACCIDENTS = ("drop", "duplicate", "corrupt", "delay")
RATE = 0.001


@contextmanager
def terminal(rates: Rates = PERFECT, seed: int = 0):
    """A served TINY board; yields its terminal."""
    with SimulatedBoard(TINY) as board:
        served = Terminal(board, rates, seed)
        thread = threading.Thread(target=served.serve)
        thread.start()
        try:
            yield served
        finally:
            served.stop()
            thread.join()


def run_on(program, port: str, *options: str) -> tuple[int, dict, str]:  # noqa: F811
    """Exit status, result, errors."""
    left = program("run-on", port, "--params", "TINY", "--json", *options)
    return left.status, json.loads(left.out) if left.out else {}, left.err


def test_a_job_on_a_board_equals_the_golden_model(program):  # noqa: F811
    with terminal() as served:
        status, result, _ = run_on(program, served.path, "--patience", "30")
    assert (status, result["mismatches"], result["completed"]) == (0, 0, True)
    assert min(result["pulses_up"], result["pulses_down"]) >= ENOUGH_PULSES
    assert result["retries"] == 0
    assert result["link"]["dropped"] == result["link"]["repeated"] == 0


@pytest.mark.parametrize("accident", ACCIDENTS)
def test_on_a_bad_line_nothing_is_lost_and_nothing_done_twice(accident, program):  # noqa: F811
    with terminal(Rates(**{accident: RATE}), seed=1) as served:
        status, result, _ = run_on(program, served.path)
        accidents = [line.accidents[accident] for line in (served.to_board, served.to_host)]
    assert (status, result["mismatches"], result["completed"]) == (0, 0, True)
    assert min(result["pulses_up"], result["pulses_down"]) >= ENOUGH_PULSES
    assert min(accidents) > 0, "nothing happened on one of the lines"
    assert result["retries"] > 0
    assert result["link"]["dropped"] > 0
    # What was executed already was answered again; a reply that is only late may come before the host loses patience.
    assert result["link"]["repeated"] > 0 or accident == "delay"


def test_late_replies_are_no_answers_to_later_requests():
    """Replies that come after the host has asked again come twice, the second while it asks something else."""
    with SimulatedBoard(TINY) as board:
        late = NoisyLine(Rates(delay=0.02), seed=5, delay=QUIET_CYCLES // DirectChannel.SLICE_CYCLES + 100)
        bus = UartBus(DirectChannel(board, to_host=late), TINY)
        found = run(play_on(bus, make_stimulus(TINY, load_device("AlOx/HfO2"), "accumulate", 40, 0)))
    assert (found.mismatches, found.differences) == (0, [])
    assert found.retries > 5 and found.statistics["repeated"] > 5


def test_a_job_on_real_data_is_the_method_on_the_board(program, tmp_path):  # noqa: F811
    from tests.cli.conftest import save_data

    with terminal() as served:
        data, hardware = save_data(tmp_path / "tiny.npz", 240), tmp_path / "tiny.toml"
        hardware.write_text(program("params", "--dump", "TINY").out)
        options = (
            "--params",
            str(hardware),
            "--data",
            str(data),
            "--samples",
            "60",
            "--tests",
            "20",
            "--offline",
            "plain",
        )
        status, result, _ = run_on(program, served.path, *options)
    assert (status, result["mismatches"]) == (0, 0)
    assert result["samples"] == 60
    assert 0 <= result["open_loop_accuracy"] <= 1 and 0 <= result["hybrid_accuracy"] <= 1


def test_an_array_that_plays_another_device_is_noticed(program, monkeypatch):  # noqa: F811
    load = Host.load_image

    async def other(self, image):
        words = list(image.words)
        words[offset("seed")] ^= 1  # other cells vary
        await load(self, replace(image, words=words))

    monkeypatch.setattr(Host, "load_image", other)
    with terminal() as served:
        status, result, _ = run_on(program, served.path)
    assert status == 1
    assert result["mismatches"] > 0 and result["differences"]


def test_a_board_of_other_parameters_is_refused(program):  # noqa: F811
    with terminal() as served:
        left = program("run-on", served.path, "--params", "DIGITS")
    assert left.status == 2
    assert "PARAMS_HASH" in left.err and len(left.err.splitlines()) == 1


def test_a_port_that_is_not_there_is_named(program, tmp_path):  # noqa: F811
    left = program("run-on", str(tmp_path / "ttyNONE"), "--params", "TINY")
    assert left.status == 2
    assert "ttyNONE: cannot be opened: No such file or directory" in left.err.replace("\n", " ")


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.EACCES, "Permission denied; its users are those of the port's group"),
        (errno.EAGAIN, "Resource temporarily unavailable; another program has it open"),
    ],
)
def test_a_port_that_is_refused_is_told_with_what_helps(program, monkeypatch, number, message):  # noqa: F811
    def refuse(*_, **__):
        raise serial.SerialException(number, "could not open port")

    monkeypatch.setattr(serial, "Serial", refuse)
    left = program("run-on", "/dev/ttyUSB0", "--params", "TINY")
    assert left.status == 2
    assert f"ttyUSB0: cannot be opened: {message}" in left.err.replace("\n", " ")


def test_a_port_where_nothing_answers_is_told(program):  # noqa: F811
    master, slave = os.openpty()
    try:
        left = program("run-on", os.ttyname(slave), "--params", "TINY", "--patience", "0.05")
    finally:
        os.close(master)
        os.close(slave)
    assert left.status == 3
    assert f"no reply to HELLO after {ATTEMPTS} attempts" in left.err


def test_a_link_lost_in_the_job_is_a_difference(program, monkeypatch):  # noqa: F811
    with terminal() as served:
        transfer = Host.transfer

        async def cut(self, *arguments, **options):
            served.to_board.rates = Rates(drop=1)
            return await transfer(self, *arguments, **options)

        monkeypatch.setattr(Host, "transfer", cut)
        status, result, _ = run_on(program, served.path, "--patience", "0.05")
    assert status == 1 and not result["completed"]
    assert f"no reply to READ after {ATTEMPTS} attempts" in result["differences"][-1]


@pytest.mark.parametrize(
    "options",
    [("--board", "ulx3s", "--params", "TINY"), ("--tests", "3"), ("--rule", "none"), ("--board", "x")],
)
def test_bad_options_are_one_line(options, program):  # noqa: F811
    left = program("run-on", "/dev/null", *options)
    assert left.status == 2 and len(left.err.splitlines()) == 1


def payload_share(params, board: SimulatedBoard, samples: int) -> float:
    """Share of the time of an inference in which the line to the board carries words of samples."""
    bus = UartBus(DirectChannel(board), params)
    run(bus.connect())
    host = Host(bus, params)
    rng = np.random.default_rng(1)
    pixels, labels = rng.integers(0, 256, (samples, params.inputs)), rng.integers(0, params.classes, samples)
    cycles = board.cycles
    run(host.run(Mode.INFER, pixels, labels))
    return bus.sample_bytes * FRAME_BITS * DIVISOR_MIN / (board.cycles - cycles)


def test_samples_fill_most_of_the_line():
    """Of a sample of 15 bytes: the 2 of its result come back while the line to the board is idle."""
    with SimulatedBoard(TINY) as board:
        share = payload_share(TINY, board, 600)
    assert 0.75 < share < 1, f"{share:.1%}"


@pytest.mark.parametrize("accident", ACCIDENTS)
def test_accidents_are_what_their_names_say(accident):
    data = bytes(range(256)) * 8
    line = NoisyLine(Rates(**{accident: 0.02}), seed=7)
    came = line.pass_on(data)
    happened = line.accidents[accident]
    assert happened > 10 and sum(line.accidents.values()) == happened
    if accident == "drop":
        assert len(came) == len(data) - happened
    elif accident == "duplicate":
        assert len(came) == len(data) + happened
    elif accident == "corrupt":
        assert sum(a != b for a, b in zip(came, data, strict=True)) == happened
    else:
        assert line.holds and len(came) < len(data)
        for _ in range(line.delay):
            came += line.pass_on(b"")
        assert came == data


def test_a_good_line_changes_nothing():
    line = NoisyLine()
    assert line.pass_on(b"abc") == b"abc" and line.accidents == Counter()
