"""The compiled rules equal their Python text."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import model.jit as jit
from spec import numerics

words = st.integers(0, 2**32 - 1)


@given(words)
def test_mix32(word):
    assert jit.mix32(word) == numerics.mix32(word) <= numerics.MASK32
    assert jit.mix32(np.uint32(word)) == numerics.mix32(word)


@given(words, st.sampled_from([0x51, 0x52, 0x53, 0x54]), words)
def test_event_key(seed, domain, event):
    assert jit.event_key(seed, domain, event) == numerics.event_key(seed, domain, event) <= numerics.MASK32


@given(words, st.integers(0, 2**22))
def test_draw(key, index):
    assert jit.draw(key, index) == numerics.draw(key, index) <= numerics.MASK32


@given(st.integers(0, 1023), st.integers(0, 1023), st.integers(0, 1), st.integers(1, 1024))
def test_cell_index(row, column, minus, columns):
    assert jit.cell_index(row, column, minus, columns) == numerics.cell_index(row, column, minus, columns)


@given(st.integers(-(2**60), 2**60), st.integers(0, 40))
def test_round_shift(value, shift):
    assert jit.round_shift(value, shift) == numerics.round_shift(value, shift)


@given(st.integers(-(2**62), 2**62), st.integers(-(2**40), 2**40), st.integers(0, 2**40))
def test_saturate(value, low, width):
    assert jit.saturate(value, low, low + width) == numerics.saturate(value, low, low + width)


@given(st.integers(0, 2**31), st.integers(-1, 1))
def test_isqrt_around_squares(root, offset):
    value = max(root * root + offset, 0)
    assert jit.isqrt(value) == numerics.isqrt(value)


@pytest.mark.parametrize("bits", [1, 8, 16, 32])
def test_signed_limit(bits):
    assert jit.signed_limit(bits) == numerics.signed_limit(bits)


def test_python_text_also_vectorises():
    keys = np.arange(1000, dtype=np.int64) * 4_294_967
    assert numerics.mix32(keys).tolist() == [numerics.mix32(int(key)) for key in keys]
