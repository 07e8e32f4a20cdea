"""Converters crossed: every kind and channel width of a short job, RTL against golden model on both simulators."""

from dataclasses import replace

import pytest

from sim.cosim import cosim_random
from spec.device_file import load_device
from spec.params import ADC_KINDS, INSTANCES

TINY = replace(INSTANCES["TINY"], name="CONVERTERS", adc_bits=4)
SAMPLES = 12
COLUMNS_PER_CHANNEL = (1, 2, 5, 32)


def array(kind: str, per_channel: int):
    """Small hardware whose converters serve `per_channel` columns each; the last of them one fewer, where it can."""
    columns = max(6, per_channel)
    channels = -(-columns // per_channel)
    return replace(TINY, adc_kind=kind, columns=columns, adc_channels=channels)


def check(params, simulator):
    found = cosim_random(params, load_device("AlOx/HfO2"), "accumulate", simulator, SAMPLES, 3)
    assert (found.mismatches, found.differences) == (0, [])
    assert found.result.predictions.size == SAMPLES


@pytest.mark.parametrize("kind", ["ramp"])
def test_rtl_equals_golden_model(kind, simulator):
    check(array(kind, 3), simulator)


@pytest.mark.slow
@pytest.mark.parametrize("per_channel", COLUMNS_PER_CHANNEL)
@pytest.mark.parametrize("kind", ADC_KINDS)
def test_rtl_equals_golden_model_for_every_converter(kind, per_channel, simulator):
    check(array(kind, per_channel), simulator)
