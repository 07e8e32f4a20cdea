"""The cycle model against the RTL: the same counters, with a host that is never late."""

import json
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import pytest

from hw import input_buffer
from hw.commit_queue import LEAST_DEPTH
from hw.emit import to_systemverilog
from hw.macro import timing
from hw.top import EmulatedTop
from hw.update_lane import UpdateLane
from model.controller.counters import TIMES
from model.controller.settings import teacher_register
from model.cycles import (
    LANE_LATENCY,
    LEAST_QUEUE,
    Array,
    Work,
    emulated_array,
    predict,
    transfer_work,
    verify_work,
    work_of,
)
from model.cycles.state import AHEAD
from model.system import GoldenController, run
from model.training.calibrate import calibration_register
from sim.feed import code_words, sample_words
from sim.runner import run_bench
from sim.simulation import BUILD
from sim.stimulus import make_stimulus
from spec.device_file import load_device
from spec.errors import InputError
from spec.params import INSTANCES
from spec.registers import ADDRESS, EMULATOR_BASE, VERIFY_WAYS, Mode

TINY = INSTANCES["TINY"]
FEW = 4
"""Strobes of a transferred row at most."""
COUNTED = TIMES


@dataclass(frozen=True)
class Run:
    """One run of a sequence: its mode, its own register values, the way of a verify run."""

    mode: Mode
    registers: dict[str, int] = field(default_factory=dict)
    way: str = ""


def test_latencies_are_those_of_the_blocks():
    assert (LANE_LATENCY, LEAST_QUEUE, AHEAD) == (UpdateLane.LATENCY, LEAST_DEPTH, input_buffer.AHEAD)


def words_of(stimulus, run):
    """What the host streams in: the words of each stream."""
    s = stimulus
    if run.mode is Mode.TRANSFER:
        return {"counts": s.counts.ravel().tolist()}
    if run.mode is Mode.VERIFY:
        targets = s.targets[run.way]
        words = targets[..., 0] - targets[..., 1] if run.way == "pair" else targets
        return {"counts": words.ravel().tolist()}
    words = {"samples": list(sample_words(s.params, s.pixels, s.labels))}
    if run.registers.get("TEACHER"):
        words["counts"] = list(code_words(s.params, s.teacher.hidden))
    return words


def counted(stimulus, runs, folder):
    """The counters of each run, the first on an erased array."""
    s, p = stimulus, stimulus.params
    settings = s.registers | {"SAMPLES": len(s.pixels)}
    image = [(EMULATOR_BASE + k, int(word)) for k, word in enumerate(s.image.words)]
    job = {
        "before": image + [(ADDRESS[name], value) for name, value in settings.items()],
        "weights": [(ADDRESS["WEIGHT_DATA"], weight & 0xFF) for weight in s.weights.ravel().tolist()],
        "counted": [ADDRESS[name] for name in COUNTED],
        "runs": [],
    }
    for one in runs:
        registers = one.registers | {"MODE": int(one.mode)}
        written = [(ADDRESS[name], value) for name, value in registers.items()]
        job["runs"].append({"registers": written, "words": words_of(s, one)})
    asked, found = folder / "job.json", folder / "found.json"
    asked.write_text(json.dumps(job))
    build = BUILD / f"cycles-{p.hash32:08x}"
    source = to_systemverilog(EmulatedTop(p), "top", build / "top.sv")
    environment = {"CYCLES_JOB": str(asked), "CYCLES_FOUND": str(found)}
    run_bench("verilator", "top", [source], "tests.model.tb_cycles", build, extra_env=environment)
    return [dict(zip(COUNTED, values, strict=True)) for values in json.loads(found.read_text())]


def predicted(stimulus, runs):
    """The same of the golden model's runs."""
    s, found = stimulus, []
    golden = GoldenController(s.params, s.image)
    for step in (golden.configure(**s.registers), golden.load_weights(s.weights), golden.erase()):
        run(step)
    for one in runs:
        run(golden.configure(**one.registers))
        if one.mode is Mode.TRANSFER:
            trace = run(golden.transfer(s.counts, trace=True)).trace
            work = transfer_work(s.counts)
        elif one.mode is Mode.VERIFY:
            before = golden.array.pulses()
            trace = run(golden.verify(s.targets[one.way], one.way, trace=True)).trace
            work = verify_work(s.params, one.way, golden.array.pulses() - before)
        else:
            taught = s.teacher if one.registers.get("TEACHER") else None
            trace = run(golden.run(one.mode, s.pixels, s.labels, trace=True, teacher=taught)).trace
            work = work_of(s.params, trace)
        array = emulated_array(s.params, golden.registers, trace, work, timing)
        found.append(predict(s.params, one.mode, golden.registers, work, array))
    return found


@pytest.fixture
def check(tmp_path):
    return partial(equal, tmp_path)


def equal(
    folder, params, runs, rule="accumulate", samples=8, seed=4, encoding="", device="PCMO", **registers
):
    stimulus = make_stimulus(params, load_device(device), rule, samples, seed, encoding)
    stimulus.registers.update(registers)
    stimulus = replace(stimulus, counts=np.clip(stimulus.counts, -FEW, FEW))
    expected = predicted(stimulus, runs)
    assert expected == counted(stimulus, runs, folder)
    return expected


TRAIN, INFER = Run(Mode.TRAIN), Run(Mode.INFER)
TRAINED_BY_LABELS = Run(Mode.TRAIN, {"TEACHER": 0})


@pytest.mark.parametrize(
    "seed, depth, queue, rule",
    [(0, 1, 4, "accumulate"), (1, 2, 2, "counter"), (2, 16, 4, "accumulate"), (3, 2, 64, "counter")],
)
def test_counters_are_predicted(check, seed, depth, queue, rule):
    check(replace(TINY, commit_depth=depth, queue_depth=queue), [TRAIN, INFER], rule, seed=seed)


@pytest.mark.parametrize(
    "changes",
    [
        {"adc_kind": "ramp", "adc_bits": 4, "sar_settle_cycles": 2},
        {"cmp_latency_cycles": 2, "adc_channels": 1},
        {"adc_channels": 6, "bank_columns": 2},
        {"adc_bits": 3, "dac_load_lanes": 1, "rows": 40},
    ],
    ids=["ramp", "columns share a channel", "one group", "loading is slowest"],
)
def test_counters_are_predicted_for_other_converters_and_lanes(check, changes):
    check(replace(TINY, **changes), [TRAIN, INFER])


def test_counters_are_predicted_for_pulse_width(check):
    params = replace(TINY, dac_bits=5, encodings=("amplitude", "pulse_width"))
    check(params, [TRAIN], encoding="pulse_width", INTEGRATE=4)


@pytest.mark.parametrize("encoding", ["bit_serial", "amplitude"])
def test_counters_are_predicted_for_hardware_with_bit_planes(check, encoding):
    params = replace(TINY, dac_bits=4, encodings=("amplitude", "bit_serial"))
    check(params, [TRAIN, INFER], encoding=encoding)


@pytest.mark.parametrize("encodings", [("amplitude",), ("bit_serial",)])
def test_counters_are_predicted_with_calibration(check, encodings):
    params = replace(TINY, dac_bits=4, encodings=encodings, calibration=1, converter_errors=1)
    bits = {"shift": calibration_register(shift=1), "gains": calibration_register(gains=1)}
    measured = [Run(Mode.CALIBRATE, {"CALIBRATION": value}) for value in bits.values()]
    corrected = {"CALIBRATION": calibration_register(apply=1)}
    check(params, [*measured, Run(Mode.TRAIN, corrected), INFER])


@pytest.mark.parametrize(
    "changes",
    [{}, {"update_columns": 2, "columns": 5}, {"update_columns": 6}, {"guard_min_cycles": 4}],
    ids=["two words", "three words", "one word", "long guards"],
)
def test_counters_of_a_transfer_are_predicted(check, changes):
    found = check(replace(TINY, **changes), [Run(Mode.TRANSFER), INFER], PULSE=1)
    assert found[0]["CYCLES"] > 0


@pytest.mark.parametrize(
    ("averages", "encoding", "macro_columns"), [(1, "bit_serial", 6), (3, "amplitude", 4)]
)
def test_counters_of_program_verify_and_tuned_training_are_predicted(
    check, averages, encoding, macro_columns
):
    params = replace(TINY, rows=3, verify=1, encodings=("amplitude", "bit_serial"), dac_bits=3)
    params = replace(params, macro_columns=macro_columns)
    verified = [Run(Mode.VERIFY, {"VERIFY_WAY": k}, way) for k, way in enumerate(VERIFY_WAYS)]
    runs = [Run(Mode.TRANSFER), Run(Mode.TUNE), *verified]
    check(
        params, runs, encoding=encoding, device="ReRAM-OM-approx", VERIFY_AVERAGES=averages, VERIFY_PULSES=5
    )


@pytest.mark.parametrize("encoding", ["amplitude", "bit_serial"])
def test_counters_of_a_grid_are_predicted(check, encoding):
    params = replace(TINY, macro_rows=4, macro_columns=4, encodings=("amplitude", "bit_serial"), dac_bits=4)
    check(params, [Run(Mode.TRANSFER), TRAIN, INFER], encoding=encoding)


TAUGHT = Run(Mode.TRAIN, {"TEACHER": teacher_register(1)})


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="two words", marks=pytest.mark.slow),
        pytest.param(
            {"adc_channels": 5, "commit_depth": 1, "update_columns": 1},
            id="word of one column",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            {"rows": 1, "adc_bits": 3, "adc_channels": 6, "queue_depth": 64, "update_columns": 6},
            id="codes are slowest",
        ),
        pytest.param({"macro_columns": 4, "macro_rows": 4, "adc_channels": 3}, id="grid"),
        pytest.param({"verify": 1, "rows": 3}, id="tuned"),
    ],
)
def test_counters_of_training_with_a_teacher_are_predicted(check, changes):
    runs = [TAUGHT, TRAINED_BY_LABELS]
    if changes.get("verify"):
        runs.append(Run(Mode.TUNE, TAUGHT.registers))
    check(replace(TINY, **changes), runs)


def test_a_mode_without_runs_is_refused():
    with pytest.raises(InputError, match="no run is in this mode"):
        predict(TINY, Mode.DEBUG, {}, Work(), Array(*[Work().updates] * 2))
