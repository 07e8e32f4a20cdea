"""Payload values and their bits."""

import pytest
from amaranth.hdl import signed, unsigned
from amaranth.lib import data
from hypothesis import given
from hypothesis import strategies as st

from sim.payloads import difference, pack, unpack

LAYOUT = data.StructLayout({"flag": 1, "codes": data.ArrayLayout(signed(5), 3), "row": unsigned(4)})
VALUES = st.fixed_dictionaries(
    {
        "flag": st.integers(0, 1),
        "codes": st.lists(st.integers(-16, 15), min_size=3, max_size=3),
        "row": st.integers(0, 15),
    }
)


@given(VALUES)
def test_bits_are_those_of_amaranth(value):
    bits = pack(LAYOUT, value)
    assert bits == LAYOUT.const(value).as_bits()
    assert unpack(LAYOUT, bits) == value


@given(st.integers(-8, 7))
def test_plain_shapes(value):
    assert unpack(signed(4), pack(signed(4), value)) == value
    assert unpack(4, pack(signed(4), value)) == value % 16


@pytest.mark.parametrize(
    ("shape", "value"), [(signed(4), 8), (signed(4), -9), (unsigned(4), 16), (unsigned(4), -1)]
)
def test_what_does_not_fit_is_refused(shape, value):
    with pytest.raises(ValueError, match="does not fit"):
        pack(shape, value)


def test_difference_names_the_first_member():
    one = {"flag": 1, "codes": [1, 2, 3], "row": 4}
    assert difference(one, one) is None
    assert difference(one, one | {"codes": [1, 2, -3], "row": 0}) == "codes[2]: expected 3, got -3"
    assert difference([5], [6]) == "[0]: expected 5, got 6"
    assert difference(5, 6) == "value: expected 5, got 6"
