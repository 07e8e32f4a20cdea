"""Converters and input encodings crossed: a short job on the RTL against the golden model, on both simulators."""

from dataclasses import replace

import pytest

from sim.cosim import run_cosim
from sim.stimulus import make_stimulus
from spec.choices import ADC_KINDS, ENCODINGS
from spec.device_file import load_device
from spec.params import INSTANCES

TINY = replace(INSTANCES["TINY"], name="CONVERTERS", dac_bits=4, adc_bits=4)
SAMPLES = 12
COLUMNS_PER_CHANNEL = (1, 2, 5, 32)


def array(per_channel: int, **changes):
    """Small hardware whose converters serve `per_channel` columns each; the last group is not full, where it can."""
    columns = max(6, per_channel)
    return replace(TINY, columns=columns, adc_channels=-(-columns // per_channel), **changes)


def check(params, encoding, simulator):
    stimulus = make_stimulus(params, load_device("AlOx/HfO2"), "accumulate", SAMPLES, 3, encoding)
    found = run_cosim(stimulus, simulator)
    assert (found.mismatches, found.differences) == (0, [])
    assert len(found.result.predictions) == SAMPLES
    assert len(found.result.strobes) > 0
    assert found.coverage["clipped codes"] > 0


@pytest.mark.parametrize(
    ("kind", "encodings", "encoding", "calibration"),
    [
        ("sar", ENCODINGS[:2], "pulse_width", 0),
        ("ramp", ENCODINGS, "bit_serial", 1),
    ],
)
def test_rtl_equals_golden_model(kind, encodings, encoding, calibration, simulator):
    check(
        array(4, adc_kind=kind, encodings=encodings, calibration=calibration, converter_errors=1),
        encoding,
        simulator,
    )


@pytest.mark.slow
@pytest.mark.parametrize("per_channel", COLUMNS_PER_CHANNEL)
@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("calibration", [0, 1])
@pytest.mark.parametrize("kind", ADC_KINDS)
def test_rtl_equals_golden_model_for_every_converter(kind, calibration, encoding, per_channel, simulator):
    params = array(
        per_channel, adc_kind=kind, encodings=ENCODINGS, calibration=calibration, converter_errors=1
    )
    check(params, encoding, simulator)


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_rtl_equals_golden_model_where_one_encoding_is_built_in(encoding, simulator):
    check(array(3, encodings=(encoding,)), encoding, simulator)
