"""Digests of items: what a run in bulk leaves of its stages, by the same text on the bench and beside the golden model."""

from collections.abc import Sequence
from dataclasses import dataclass

import numba
import numpy as np
from numba import types

from model.jit import kernel
from model.record import RunRecord, Strobes
from sim.items import STROBES, item_forms, mask_words, packed
from sim.scoreboard import Suspect, samples_of
from spec.numerics import MASK32, draw
from spec.params import HwParams
from spec.stages import STAGES

_NEVER = 1 << 62


@kernel
def digest(item):
    """32 bits of an item, int32[n]: each element's draw under its value as key, added up."""
    total = np.int64(0)
    for place in range(item.shape[0]):
        total += draw(np.int64(item[place]) & MASK32, place)
    return total & MASK32


@kernel
def digests(items):
    """Those of several items, int32[n, elements]: uint32[n]."""
    found = np.empty(items.shape[0], np.uint32)
    for k in range(items.shape[0]):
        found[k] = digest(items[k])
    return found


@numba.cfunc(types.int64(types.CPointer(types.int32), types.int64), cache=True)
def digest_hook(item, length):
    """`digest` as a C function."""
    return digest(numba.carray(item, (length,)))


def strobe_digests(strobes: Strobes) -> np.ndarray:
    """Those of the items of stage strobe, uint32[n]."""
    row, depress = (np.asarray(part, np.int32)[:, None] for part in (strobes.row, strobes.depress))
    return digests(np.hstack([row, mask_words(strobes.up), mask_words(strobes.down), depress]))


class GoldenDigests:
    """Takes the stages of a golden run chunk by chunk (`watch`), and has digests and samples of all items so far."""

    def __init__(self, params: HwParams):
        self._forms = item_forms(params)
        self.done = 0
        self._digests: dict[str, list[np.ndarray]] = {}
        self._samples: dict[str, list[np.ndarray]] = {}

    def __call__(self, chunk: dict[str, Sequence]) -> None:
        for stage in STAGES:
            items = chunk.get(stage.name, ())
            if len(items) and stage.name not in STROBES:
                rows = np.stack(items)
                if columns := self._forms[stage.name].columns:
                    rows = packed(rows, columns)
                self._digests.setdefault(stage.name, []).append(digests(rows))
                samples = np.asarray(samples_of(stage.name, chunk))
                self._samples.setdefault(stage.name, []).append(self.done + samples)
        self.done += len(chunk["verdict"])

    def finish(self, record: RunRecord) -> "Expected":
        """All of the run, with its record's strobes: as many as entries, they are the entries' in order."""
        found = {name: np.concatenate(parts) for name, parts in self._digests.items()}
        samples = {name: np.concatenate(parts) for name, parts in self._samples.items()}
        for stage, strobes in (("strobe", record.strobes), ("upper_strobe", record.upper)):
            entry = stage.replace("strobe", "entry")
            if strobes is not None:
                found[stage] = strobe_digests(strobes)
                if len(found.get(entry, ())) == len(strobes):
                    samples[stage] = samples.get(entry, np.zeros(0, np.int64))
        return Expected(found, samples)


@dataclass(frozen=True)
class Expected:
    """What the golden model says of an operation: by stage, digests of its items and, where it is known, their samples."""

    digests: dict[str, np.ndarray]
    samples: dict[str, np.ndarray]


def first_suspect(
    number: int, operation: str, expected: Expected, got: dict[str, np.ndarray]
) -> Suspect | None:
    """Of the first sample that has a difference, in its first stage; items of unknown sample come last.

    number, operation: of the operation, for the suspect; got: digests by stage.
    """
    found, total = [], 0
    for order, stage in enumerate(STAGES):
        want, have = (side.get(stage.name, np.zeros(0, np.uint32)) for side in (expected.digests, got))
        both = min(len(want), len(have))
        unequal = np.flatnonzero(want[:both] != have[:both])
        count = len(unequal) + abs(len(want) - len(have))
        if count:
            item, samples = int(unequal[0]) if len(unequal) else both, expected.samples.get(stage.name, ())
            sample = int(samples[item]) if item < len(samples) else None
            found.append((_NEVER if sample is None else sample, order, stage, item, sample))
            total += count
    if not found:
        return None
    *_, stage, item, sample = min(found, key=lambda entry: entry[:2])
    return Suspect(number, operation, stage.name, stage.block, item, sample, total)
