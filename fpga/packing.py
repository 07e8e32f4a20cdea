"""Words of samples as a request SAMPLES carries them (spec/link.py)."""

from collections.abc import Iterable

import numpy as np

from fpga.items import sample_parts
from hw.interfaces import Pixels
from sim.payloads import Words
from spec.link import GROUP_BYTES, bytes_for
from spec.params import HwParams

GROUP_MAX = (1 << 8 * GROUP_BYTES) - 1


class Packer:
    """Packs words of some hardware."""

    def __init__(self, params: HwParams):
        self._parts = sample_parts(params)
        self._lanes = params.dac_load_lanes
        self._size = bytes_for(Pixels(params).size)

    def rows(self, words: Iterable[int]) -> np.ndarray:
        """Words as uint8[words, bytes of a word], the lowest byte first."""
        if isinstance(words, Words):
            return words.rows
        data = b"".join(word.to_bytes(self._size, "little") for word in words)
        return np.frombuffer(data, np.uint8).reshape(-1, self._size)

    def pack(self, rows: np.ndarray, most: int) -> tuple[bytes, int]:
        """As many of the first words as fit into `most` bytes, at least one, and how many they are."""
        rows = rows[: max(1, most // self._parts.mask)]
        pixels, labels = rows[:, : self._lanes], rows[:, self._lanes :]
        starts = _starts(labels)
        there = pixels != 0
        sizes = starts * self._parts.group + self._parts.mask + there.sum(axis=1)
        count = max(1, int(np.searchsorted(np.cumsum(sizes), most, side="right")))
        starts, there = starts[:count], there[:count]
        first = np.flatnonzero(starts)
        head = np.zeros((count, self._parts.group), np.uint8)
        head[:, : self._parts.label] = labels[:count]
        head[first, self._parts.label] = np.diff([*first, count])
        masks = np.packbits(there, axis=1, bitorder="little")
        kept = [np.repeat(starts[:, None], head.shape[1], axis=1), np.ones(masks.shape, bool), there]
        data = np.concatenate([head, masks, pixels[:count]], axis=1)[np.concatenate(kept, axis=1)]
        return data.tobytes(), count


def _starts(labels: np.ndarray) -> np.ndarray:
    """Which words begin a group: the first of a label, and where a group would be too long.  bool[words]"""
    places = np.arange(len(labels))
    changes = np.append(True, (labels[1:] != labels[:-1]).any(axis=1))
    return (places - np.maximum.accumulate(np.where(changes, places, 0))) % GROUP_MAX == 0
