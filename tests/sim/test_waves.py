"""The signal lists beside a waveform."""

from dataclasses import replace

from sim.waves import signal_groups
from spec.params import INSTANCES
from spec.stages import STAGE_NAMES


def test_signals_are_listed_in_the_order_of_the_data_flow():
    params = replace(INSTANCES["TINY"], macro_rows=8, upper_layer="analog")  # which has every stage
    groups = signal_groups(params)
    assert list(groups) == ["clock", "request", "counts", "samples", "stages", "results", "response"]
    stages = [name.removeprefix("taps__") for name, _ in groups["stages"]]
    assert stages == ["valid", *STAGE_NAMES]
    assert dict(groups["stages"])["taps__valid"] == len(STAGE_NAMES)
