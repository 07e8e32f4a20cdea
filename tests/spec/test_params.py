"""Hardware parameters as files, and what is refused."""

from dataclasses import replace

import pytest

from spec.errors import InputError
from spec.params import INSTANCES
from spec.params_file import dump, from_dict, load

TINY = INSTANCES["TINY"]


@pytest.mark.parametrize("changes", [{}, {"adc_kind": "ramp", "encodings": ("amplitude", "bit_serial")}])
def test_what_is_dumped_is_read_back(changes, tmp_path):
    params = replace(TINY, name="mine", **changes)
    file = tmp_path / "mine.toml"
    file.write_text(dump(params))
    assert load(str(file)) == params


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("adc_kind", "flash"),
        ("adc_kind", 3),
        ("rules", []),
        ("encodings", ["phase"]),
        ("encodings", ["bit_serial", "amplitude"]),
        ("encodings", ["amplitude", "amplitude"]),
    ],
)
def test_an_unknown_choice_is_refused(key, value):
    with pytest.raises(InputError, match=key):
        from_dict({key: value})


def test_a_ramp_takes_a_trial_for_each_code_but_the_lowest():
    ramp = replace(TINY, adc_kind="ramp", adc_bits=4, sar_settle_cycles=2, cmp_latency_cycles=1)
    assert ramp.conversion_cycles == 14 * 3
    assert replace(ramp, adc_kind="sar").conversion_cycles == 4 * 3


@pytest.mark.parametrize(
    ("changes", "converters"),
    [
        ({}, (0, 1, 0, 1, 0, 1)),
        ({"macro_columns": 4}, (0, 1, 0, 1, 2, 3)),
        ({"macro_columns": 3, "columns": 7}, (0, 1, 0, 2, 3, 2, 4)),  # the last macro leaves one idle
    ],
)
def test_columns_of_a_macro_share_its_converters(changes, converters):
    params = replace(TINY, **changes)
    assert params.column_converters == converters
    assert max(converters) < params.group_channels
    for group in range(params.adc_groups):
        for converter, column in enumerate(params.group_columns(group)):
            assert column is None or converters[column] == converter
