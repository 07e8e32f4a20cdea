"""The rules of the write lines hold for every input, and every seeded fault breaks one."""

import subprocess
import sys

import pytest

from formal import run
from formal.faults import DRIVER_FAULTS, GATE_FAULTS, VERIFY_FAULTS, WORD_DRIVER_FAULTS, WORD_FAULTS

pytestmark = pytest.mark.skipif(run.tools_missing() is not None, reason=str(run.tools_missing()))

LARGE = (
    "word_gate ICEBREAKER",
    "pulse_gate MNIST",
    "pulse_gate MNIST_VERIFY",
    "write_path DIGITS",
    "write_path MNIST",
)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name in LARGE else []) for name in run.TASKS]
)
def test_proof_ends_as_it_should(name):
    result = run.prove(name)
    assert result.ok, result


def test_every_fault_is_a_task():
    faults = (GATE_FAULTS, DRIVER_FAULTS, VERIFY_FAULTS, WORD_FAULTS, WORD_DRIVER_FAULTS)
    assert sum("fault:" in name for name in run.TASKS) == sum(map(len, faults)) >= 10


def test_a_counterexample_names_the_rule():
    result = run.prove("pulse_gate fault: two modes in a run")
    assert (result.verdict, result.engine) == ("counterexample", "boolector bmc")
    assert "run" in result.detail


def test_main_prints_a_table_and_fails_when_a_proof_does(monkeypatch, capsys):
    fault = run.TASKS["pulse_gate fault: no watchdog"]
    monkeypatch.setitem(run.TASKS, fault.name, run.replace(fault, depth=2))
    assert run.main([fault.name]) == 1
    printed = capsys.readouterr().out
    assert fault.name in printed
    assert "not found" in printed
    assert run.main(["pulse_gate SMALL"]) == 0


def test_missing_tools_are_named(monkeypatch):
    monkeypatch.setattr(run.shutil, "which", lambda *args, **kwargs: None)
    with pytest.raises(FileNotFoundError, match=r"no yowasp-sby, .* pip install -e .\[formal\]"):
        run.prove("pulse_gate SMALL")


def test_proofs_load_no_simulator_and_no_golden_model():
    text = "import sys, formal.run; print(*{'numba', 'cocotb', 'cocotb_test'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    assert not done.stdout.strip()
