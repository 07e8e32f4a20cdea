"""The commands that show, generate and simulate."""

import json
import re
import shutil
import tomllib
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from crosstrain.cli import app
from crosstrain.commands import documents
from crosstrain.dataflow import data_flow
from model.bench import Scaling, Speed
from model.record import RunRecord, Strobes
from model.training.effect_levels import LEVELS
from model.training.write_costs import WAYS
from sim.cosim import CosimResult, Phase
from spec.device_file import load_device, preset_names
from spec.params import INSTANCES
from spec.params_file import from_dict
from spec.stages import STAGES

COMMANDS = sorted(
    command.name or command.callback.__name__.replace("_", "-") for command in app.registered_commands
)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(program, command):
    outcome = program(command, "--help")
    assert outcome.status == 0 and command in outcome.out


def test_without_a_command_the_commands_are_listed(program):
    outcome = program()
    assert all(command in outcome.out + outcome.err for command in COMMANDS)


def test_params_lists_every_instance(program):
    outcome = program("params")
    assert outcome.status == 0 and all(name in outcome.out for name in INSTANCES)


@pytest.mark.parametrize("name", INSTANCES)
def test_dumped_params_read_back_the_same(program, tmp_path, name):
    text = program("params", "--dump", name).out
    assert from_dict(tomllib.loads(text)) == INSTANCES[name]


def test_devices_lists_every_preset_and_marks_what_is_assumed(program):
    outcome = program("devices")
    assert outcome.status == 0
    assert all(name in outcome.out for name in preset_names())
    assumed = next(spec for spec in map(load_device, preset_names()) if "on_off" in spec.assumed)
    assert f"{assumed.on_off:g}*" in program("devices", assumed.name).out


def test_device_shown_reads_back_the_same(program, tmp_path):
    shown = program("devices", "EpiRAM").out
    path = tmp_path / "device.toml"
    path.write_text(shown[shown.index("name = ") :])
    assert load_device(str(path)) == load_device("EpiRAM")


def test_generated_documents_are_up_to_date(program):
    outcome = program("docs", "--check")
    assert (outcome.status, outcome.err) == (0, "")


def test_a_stale_document_is_named_with_the_remedy(program, monkeypatch, tmp_path):
    for folder in ("docs", "hw"):
        shutil.copytree(
            documents.ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__")
        )
    monkeypatch.setattr(documents, "ROOT", tmp_path)
    path = tmp_path / "docs" / "registers.md"
    path.write_text(path.read_text().replace("MARGIN", "MARGINE"))
    (tmp_path / "docs" / "parameters.md").unlink()
    outcome = program("docs", "--check")
    assert outcome.status == 1
    assert "docs/registers.md is out of date: run `crosstrain docs`" in outcome.err
    assert "docs/parameters.md is out of date" in outcome.err and "architecture" not in outcome.err
    assert program("docs").status == 0 and program("docs", "--check").status == 0
    assert "MARGINE" not in path.read_text()


def test_graph_has_every_block_of_the_data_flow():
    edges = data_flow(Path(documents.ROOT / "hw" / "controller.py").read_text()).edges
    names = {name for edge in edges for name in edge}
    assert {stage.block for stage in STAGES} <= names
    assert {"samples", "results", "counts", "macro", "commit_queue", "pulse_driver", "pulse_gate"} <= names
    assert ("macro", "column_adc") in edges and ("pulse_gate", "macro") in edges
    blocks = {path.stem for path in (documents.ROOT / "hw").glob("*.py")}
    blocks |= {"samples", "counts", "results", "macro"}
    assert {name for name in names if not name.endswith("_fifo")} <= blocks


@pytest.fixture
def found(monkeypatch) -> CosimResult:
    """What `cosim` is told, in place of a simulation."""
    masks = np.ones((25, 6), np.uint8)
    strobes = Strobes(np.zeros(25, np.int32), masks, masks, np.zeros(25, np.uint8))
    record = RunRecord(np.zeros(40, np.int32), np.zeros(40, np.int32), strobes)
    result = CosimResult(record, 0, [], {}, 2.0, 5000, None, {"clipped codes": 3})
    monkeypatch.setattr("sim.cosim.cosim_random", lambda *args, **kwargs: replace(result, **changes))
    changes: dict = {}
    result.__dict__["changes"] = changes
    return result


def test_cosim_prints_what_it_found(program, found, tmp_path):
    outcome = program("cosim", "--out", tmp_path)
    assert outcome.status == 0
    for text in (
        "mismatches        0",
        "150 up, 150 down",
        "clipped codes     3",
        "5000",
        "samples/s         20",
    ):
        assert text in outcome.out
    assert "vacuous" not in outcome.out
    as_json = json.loads(program("cosim", "--json").out)
    assert as_json["mismatches"] == 0 and as_json["pulses_up"] == 150
    assert json.loads((tmp_path / "result.json").read_text()) == as_json


def test_cosim_tells_the_pulses_of_an_analog_upper_layer(program, found):
    found.result.upper = found.result.strobes
    assert "upper layer's     150 up, 150 down" in program("cosim").out
    assert json.loads(program("cosim", "--json").out)["upper_pulses_down"] == 150
    found.result.upper = Strobes.empty(3)
    found.__dict__["changes"].update(registers={"TRAINED": 3})
    assert "vacuous" in program("cosim").out


def test_cosim_fails_on_a_mismatch_and_shows_the_first(program, found):
    found.__dict__["changes"].update(mismatches=2, differences=["run 2: adc 5[3]: expected 4, got 5"])
    outcome = program("cosim")
    assert outcome.status == 1 and "expected 4, got 5" in outcome.out
    assert "the same with --waves writes a waveform; docs/debugging.md" in outcome.out


def test_cosim_shows_the_waveform_of_a_first_difference(program, found):
    line = "run 2 (train): delta (block backprop_delta), sample 3, element 1: expected 4, got 5"
    found.__dict__["changes"].update(mismatches=2, differences=[line], replayed=Path("build/waves/tiny.vcd"))
    outcome = program("cosim")
    assert outcome.status == 1 and "its first difference as a waveform: build/waves/tiny.vcd" in outcome.out
    assert json.loads(program("cosim", "--json").out)["replayed"] == "build/waves/tiny.vcd"


def test_cosim_says_when_it_proves_nothing(program, found):
    few = found.result.strobes
    found.result.strobes = Strobes(few.row[:1], few.up[:1], few.down[:1], few.depress[:1])
    outcome = program("cosim")
    assert outcome.status == 0 and "vacuous" in outcome.out


def test_cosim_fails_when_the_run_breaks_off(program, found):
    found.__dict__["changes"].update(result=None, mismatches=1, differences=["the hardware makes no end"])
    outcome = program("cosim")
    assert outcome.status == 1 and "makes no end" in outcome.out and "broke off" in outcome.out


def test_a_failed_simulation_is_told_without_a_traceback(program, monkeypatch):
    from sim.cosim import SimulationError

    def fail(*args, **kwargs):
        raise SimulationError("verilator on TINY: no compiler")

    monkeypatch.setattr("sim.cosim.cosim_random", fail)
    outcome = program("cosim")
    assert outcome.status == 3
    assert outcome.err == "crosstrain: the simulation failed: verilator on TINY: no compiler\n"


def test_lint_fails_on_a_message(program, monkeypatch, tmp_path):
    monkeypatch.setattr("spec.params.INSTANCES", {"TINY": INSTANCES["TINY"]})
    monkeypatch.setattr("crosstrain.commands.build.ProcessPoolExecutor", Pool)
    monkeypatch.setattr("hw.lint.lint", lambda path, top: [f"%Warning: {path.name}"] if "top" in top else [])
    outcome = program("build", "--lint", "--out", tmp_path)
    assert outcome.status == 1
    assert outcome.out == "Controller TINY: no messages\nEmulatedTop TINY: 1 messages\n"
    assert outcome.err == "%Warning: emulatedtop_tiny.sv\n"


class Pool:
    """Executes here, where the test's patches are."""

    def __init__(self, _):
        self.map = map

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None


def test_program_ends_quietly_when_interrupted(program, monkeypatch):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("spec.params_file.load", interrupt)
    outcome = program("params", "TINY")
    assert outcome.status == 130 and "Traceback" not in outcome.err


@pytest.mark.slow
def test_effects_measures_every_level(program, config, tmp_path):
    outcome = program("effects", "--config", config, "--out", tmp_path)
    assert outcome.status == 0, outcome
    lines = (tmp_path / "effects.md").read_text().splitlines()
    assert [line.split(" | ")[0] for line in lines[2:]] == [f"| {name}" for name in LEVELS]
    assert "AlOx/HfO2, noise-aware network, seeds: 2" in outcome.out and "label_sigma 1" in outcome.out


def test_writes_counts_every_way(program, data, tmp_path):
    outcome = program(
        "writes", "--data", data, "--params", "TINY", "--device", "AlOx/HfO2", "--seeds", 1, "--out", tmp_path
    )
    assert outcome.status == 0, outcome
    assert "mismatches 0" in outcome.out
    costs = json.loads((tmp_path / "writes.json").read_text())
    assert [cost["way"] for cost in costs] == list(WAYS)
    reads = [
        cost["result"]["transfer"]["VERIFY_READS"] + cost["result"]["online"].get("VERIFY_READS", 0)
        for cost in costs
    ]
    assert reads[0] == 0 < min(reads[1:])


def test_bench_shows_what_happens_once_apart(program, monkeypatch):
    online = SimpleNamespace(counters={"online": {"SAMPLES_DONE": 200, "CYCLES": 5000}})
    phases = [Phase("transfer", 0, 900, 0.1, 0.1), Phase("run 1 (train)", 100, 6000, 0.1, 0.5)]
    found = CosimResult(online, 0, [], {}, 0.0, 5000, phases=phases)
    monkeypatch.setattr("model.bench.speed", lambda params, count: Speed(params.name, 1000.0, 10.0, 12.3))
    monkeypatch.setattr("model.bench.scaling", lambda params, count, n: Scaling(n, 1000.0, 950.0 * n))
    monkeypatch.setattr("model.study.execute.cores", lambda: 2)
    monkeypatch.setattr("model.bench.bench_job", lambda params, count: count)
    monkeypatch.setattr("sim.toolchain.icarus_missing", lambda: "not there")
    for run in ("cosim.run_cosim", "fast.under_cocotb.run_bulk", "fast.pair.run_fast"):
        monkeypatch.setattr(f"sim.{run}", lambda job, *args, **kwargs: replace(found, seconds=job / 1000))
    out = program("bench", "--samples", "250", "--bulk", "4000").out
    for words in (
        ("DIGITS", "1,000", "10", "100.0", "12.3"),
        ("MNIST", "1,000", "1,900", "1.90"),
        ("verilator", "250", "800.0", "20,000"),
        ("icarus", "not installed"),
        ("verilator, in bulk", "4,000", "200.0", "12,000"),
        ("fast engine", "4,000", "200.0", "12,000"),
    ):
        assert any(re.search(r"\W+".join(words), line) for line in out.splitlines()), (words, out)


def test_a_board_without_a_kept_report_is_told_before_it_is_built(program, monkeypatch, tmp_path):
    from fpga import build, report

    monkeypatch.setattr(report, "kept_path", lambda board: tmp_path / f"{board}.json")
    monkeypatch.setattr(build, "build_board", None)
    left = program("build", "--board", "ulx3s", "--check")
    assert left.status == 1
    assert "ulx3s: no report is kept to compare with: make one with --keep" in left.err


@pytest.mark.parametrize(("more", "inputs"), [((), "synthetic data"), (("--data", "mnist"), "mnist")])
def test_bench_puts_a_board_beside_the_golden_model(program, monkeypatch, more, inputs):
    from crosstrain.commands import bench
    from fpga import speed

    seen = []
    found = speed.BoardSpeed(cycles=2500, bytes=250, golden=4321)
    monkeypatch.setattr(bench, "_board_job", lambda params, data: seen.append((params.name, data)))
    monkeypatch.setattr(speed, "board_speed", lambda job: found)
    out = program("bench", "--board", "ulx3s", "--clock", "50", *more).out
    assert all(text in out for text in (inputs, "50 MHz", "20,000", "4,321", "1 Mbaud", "400", "1,200"))
    assert seen == [("ULX3S", more[1] if more else None)]


@pytest.mark.parametrize("data", [None, "digits"])
def test_job_of_a_board_has_its_hardware_and_rule(data, monkeypatch, tmp_path):
    from crosstrain.commands import bench

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(bench, "BOARD_SAMPLES", 5)
    params = replace(INSTANCES["DIGITS"], name="ONE_RULE", rules=("counter",))
    job = bench._board_job(params, data)
    assert job.params == params and job.rule == "counter" and len(job.train_labels) == 5


@pytest.mark.parametrize("option", [("--clock", "50"), ("--data", "mnist")], ids=" ".join)
def test_an_option_of_a_board_is_refused_without_one(program, option):
    left = program("bench", *option)
    assert left.status == 2 and f"{option[0]}: needs --board" in left.err
