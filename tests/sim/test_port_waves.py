"""What the timing diagrams of the macro port show is what its document says."""

from dataclasses import replace
from pathlib import Path

import pytest

from crosstrain.port_text import pins_text
from sim.port_waves import AMPLITUDE, BUSY_CYCLES, DIAGRAMS, PARAMS, SETTINGS, diagrams, macro_pins, record
from sim.random_hardware import random_hardware
from sim.timing_diagram import read_waves, rises, value_at
from spec.params import INSTANCES

DOCUMENT = Path(__file__).parents[2] / "docs" / "macro_port.md"


@pytest.fixture(scope="module")
def cycles(tmp_path_factory):
    """Values of all pins in each cycle."""
    vcd = tmp_path_factory.mktemp("port") / "port.vcd"
    record(vcd)
    waves = {name: wave for name, (_, wave) in read_waves(vcd, "bench.top").items()}
    edges = rises(waves["clk"])
    return {name: [value_at(wave, edge) for edge in edges] for name, wave in waves.items()}


def begins(levels: list) -> list[int]:
    return [k for k in range(1, len(levels)) if (levels[k - 1], levels[k]) == (0, 1)]


def test_waveforms_keep_what_the_document_says(cycles):
    strobe, ready = cycles["macro__write__strobe"], cycles["macro__ready"]
    starts = begins(strobe)
    assert len(starts) == 2
    for start in starts:
        after = start + SETTINGS["PULSE"]
        assert strobe[start : after + 1] == [1] * SETTINGS["PULSE"] + [0]
        for name in ("row", "up", "down", "depress", "amplitude"):
            lines = cycles[f"macro__write__{name}"]
            assert len({*lines[start - SETTINGS["GUARD"] : after + SETTINGS["GUARD"]]}) == 1
        assert cycles["macro__write__amplitude"][start] == AMPLITUDE
    taken = {"integrate": SETTINGS["INTEGRATE"], **BUSY_CYCLES}
    for name, busy in taken.items():
        levels = cycles[f"macro__{name}"]
        assert begins(levels)
        for start in begins(levels):
            assert levels[start + 1] == 0
            assert ready[start : start + busy + 2] == [1, *[0] * busy, 1]


def test_each_drawing_shows_its_operation_to_the_end(cycles):
    for name, diagram in DIAGRAMS.items():
        pin = cycles[f"macro__{diagram.begin}"]
        first = next(k for k in range(1, len(pin)) if pin[k] != pin[k - 1]) - 2
        last = first + diagram.cycles
        assert cycles["macro__ready"][last] == 1, name
        if name == "pulses":
            assert sum(start in range(first, last) for start in begins(cycles["macro__write__strobe"])) == 2
        if name == "read":
            groups = {*cycles["macro__group"][first:last]}
            assert groups == set(range(PARAMS.adc_groups)) and cycles["macro__group"][last] == 0


def test_committed_drawings_are_those_of_the_simulation():
    text = DOCUMENT.read_text(encoding="utf-8")
    for name, drawing in diagrams().items():
        file = DOCUMENT.with_suffix("") / f"{name}.svg"
        assert file.read_text(encoding="utf-8") == drawing, "run `crosstrain docs`"
        assert f"(macro_port/{file.name})" in text


def test_table_of_pins_has_those_of_any_hardware():
    table = pins_text()
    hardware = [random_hardware(seed) for seed in range(30)] + list(INSTANCES.values())
    hardware += [replace(INSTANCES["TINY"], upper_layer="analog", transposed=1).upper]
    for params in hardware:
        for name in macro_pins(params):
            assert f"| `{name}` |" in table
