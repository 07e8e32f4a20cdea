"""Modules with a seeded fault, and the originals beside them."""

import sys
from itertools import count

import pytest

import formal.pulse_gate
import model.controller.pulse_driver
from hw.pulse_gate import PulseGate
from model.controller.pulse_driver import slot_cycles
from sim.fast import build
from sim.fast.build import controller_text
from sim.mutants import load_mutant, mutated
from spec.params import INSTANCES

OLD, NEW = "guard_min) + max(width, 1)", "guard_min) + max(width, 2)"


def test_a_mutant_is_a_module_of_its_own():
    mutant = load_mutant("model.controller.pulse_driver", OLD, NEW)
    assert mutant.slot_cycles(1, 1) == 4
    assert slot_cycles(1, 1) == 3
    assert sys.modules["model.controller.pulse_driver"] is model.controller.pulse_driver is not mutant


@pytest.mark.parametrize("old", ["no such text", "width"])
def test_the_text_must_occur_once(old):
    with pytest.raises(ValueError, match="times, not once"):
        load_mutant("model.controller.pulse_driver", old, "")
    with (
        pytest.raises(ValueError, match="times, not once"),
        mutated("model.controller.pulse_driver", old, ""),
    ):
        pass


def test_a_mutant_stands_in_everywhere_until_the_end():
    original = model.controller.pulse_driver
    with mutated("model.controller.pulse_driver", OLD, NEW) as mutant:
        assert model.controller.pulse_driver is sys.modules["model.controller.pulse_driver"] is mutant
        assert slot_cycles(1, 1) == 4
    assert model.controller.pulse_driver is sys.modules["model.controller.pulse_driver"] is original
    assert slot_cycles(1, 1) == 3


def test_originals_come_back_after_an_error():
    original = slot_cycles
    with pytest.raises(RuntimeError), mutated("model.controller.pulse_driver", OLD, NEW):
        assert slot_cycles is not original
        raise RuntimeError
    assert slot_cycles is original is model.controller.pulse_driver.slot_cycles


def test_a_mutant_of_a_component_is_found_by_its_users():
    original = PulseGate
    with mutated("hw.pulse_gate", "self._working & self._overdue", "self._working | self._overdue") as mutant:
        assert formal.pulse_gate.PulseGate is PulseGate is mutant.PulseGate
    assert formal.pulse_gate.PulseGate is PulseGate is original


def test_the_kept_text_of_a_controller_is_that_of_its_modules(monkeypatch):
    texts = count()
    monkeypatch.setattr(build, "Controller", lambda params: None)  # Amaranth wants a real one elaborated
    monkeypatch.setattr(build, "fast_systemverilog", lambda component, name: str(next(texts)))
    controller_text.cache_clear()
    try:
        assert [controller_text(INSTANCES["TINY"]) for _ in range(2)] == ["0", "0"]
        with mutated("model.controller.pulse_driver", OLD, NEW):
            assert controller_text(INSTANCES["TINY"]) == "1"
        assert controller_text(INSTANCES["TINY"]) == "2"
    finally:
        controller_text.cache_clear()
