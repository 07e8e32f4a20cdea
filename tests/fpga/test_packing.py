"""Packed samples: what the host packs is what the format of spec/link.py says."""

import numpy as np
import pytest

from fpga.items import sample_parts
from fpga.packing import GROUP_MAX, Packer
from sim.feed import sample_words
from spec.link import bytes_for
from spec.params import INSTANCES


def unpacked(params, data: bytes) -> list[tuple[int, list[int]]]:
    """Label and pixels of each word, byte by byte as the format is described."""
    parts, words = sample_parts(params), []
    data = iter(data)
    for first in data:
        label = first | sum(next(data) << 8 * k for k in range(1, parts.label))
        for _ in range(next(data)):
            mask = sum(next(data) << 8 * k for k in range(bytes_for(params.dac_load_lanes)))
            words.append((label, [next(data) if mask >> k & 1 else 0 for k in range(params.dac_load_lanes)]))
    return words


@pytest.mark.parametrize("name", ["TINY", "DIGITS", "ULX3S", "ICEBREAKER"])
@pytest.mark.parametrize("most", [30, 1022])
def test_packed_samples_read_back(name, most, seed):
    params, rng = INSTANCES[name], np.random.default_rng(seed)
    pixels = rng.integers(1, 256, (7, params.inputs)) * (rng.random((7, params.inputs)) < 0.3)
    labels = np.array([0, 1, 1, 1, 1, 2, 0])
    words = sample_words(params, pixels, labels)
    packer, done, found = Packer(params), 0, []
    while done < len(words):
        data, count = packer.pack(packer.rows(words)[done:], most)
        assert count >= 1 and len(data) <= most
        found += unpacked(params, data)
        done += count
    padded = np.zeros((7, params.row_words * params.dac_load_lanes), int)
    padded[:, : params.inputs] = pixels
    rows = padded.reshape(-1, params.dac_load_lanes).tolist()
    assert found == list(zip(np.repeat(labels, params.row_words).tolist(), rows, strict=True))


def test_a_long_group_is_split():
    params = INSTANCES["TINY"]
    packer = Packer(params)
    data, count = packer.pack(packer.rows([0] * (GROUP_MAX + 5)), 1000)
    assert count == GROUP_MAX + 5
    assert data == bytes((0, GROUP_MAX, *[0] * GROUP_MAX, 0, 5, *[0] * 5))


def test_the_zeros_of_an_image_are_not_sent():
    params = INSTANCES["ULX3S"]
    pixels = np.zeros((1, params.inputs), int)
    pixels[0, 300:450] = 7
    packer = Packer(params)
    data, count = packer.pack(packer.rows(sample_words(params, pixels, np.array([3]))), 1000)
    assert count == params.row_words and len(data) == 2 + params.row_words + 150
