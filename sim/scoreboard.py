"""Traces compared stage by stage: the first difference in the order of the data flow names the block that is wrong."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np

from spec.stages import STAGES, Stage

Trace = Mapping[str, Sequence]
"""Arrays per stage in order of time, as `RunRecord.trace` has them; a stage may be absent."""

_PULSES = {
    "entry": "entry_sample",
    "strobe": "entry_sample",
    "upper_entry": "upper_entry_sample",
    "upper_strobe": "upper_entry_sample",
}
"""Where a trace has the samples of rows with pulses."""
_VERDICT = ("update", "target", "rival", "prediction")
_NEVER = 1 << 62


@dataclass(frozen=True)
class Difference:
    """One item of a stage that is not the same: its first element that differs, or an item that one side lacks."""

    stage: str
    block: str
    item: int
    """Number of the item within its stage."""
    sample: int | None
    """Number of the sample in the run, where it is known."""
    element: str
    expected: int | None
    """None: no item was expected."""
    got: int | None
    """None: no item came."""

    def __str__(self) -> str:
        where = f"item {self.item}" if self.sample is None else f"sample {self.sample}"
        if self.expected is None or self.got is None:
            what = "came, none was expected" if self.expected is None else "is missing"
            return f"{self.stage} (block {self.block}), {where}: item {self.item} {what}"
        values = f"expected {self.expected}, got {self.got}"
        return f"{self.stage} (block {self.block}), {where}, {self.element}: {values}"


@dataclass(frozen=True)
class Suspect:
    """The first item of a job whose digest is another: what a replay looks into."""

    number: int
    """Of the operation in the job, from 1."""
    operation: str
    stage: str
    block: str
    item: int
    """Number of the item within its stage and operation."""
    sample: int | None
    """Number of the sample in the run, where it is known."""
    items: int
    """How many items of all stages of the operation differ."""

    def __str__(self) -> str:
        where = f"item {self.item}" if self.sample is None else f"sample {self.sample}, item {self.item}"
        return f"{self.stage} (block {self.block}), {where} has another digest"


def first_difference(expected: Trace, got: Trace) -> Difference | None:
    """The earliest difference: of the first sample that has one, in its first stage."""
    return next(iter(differences(expected, got)), None)


def differences(expected: Trace, got: Trace) -> list[Difference]:
    """All items that differ, sample by sample in the order of the stages; items of unknown sample come last.

    A stage that `expected` lacks is not compared.
    """
    found = []
    for order, stage in enumerate(STAGES):
        if stage.name in expected:
            samples = samples_of(stage.name, expected)
            for difference in _stage_differences(
                stage, expected[stage.name], got.get(stage.name, ()), samples
            ):
                sample = _NEVER if difference.sample is None else difference.sample
                found.append((sample, order, difference.item, difference))
    return [difference for *_, difference in sorted(found, key=lambda entry: entry[:3])]


def _stage_differences(
    stage: Stage, expected: Sequence, got: Sequence, samples: Sequence[int] | None
) -> Iterator[Difference]:
    for item, (want, have) in enumerate(zip_longest(expected, got)):
        sample = int(samples[item]) if samples is not None and item < len(samples) else None
        where = (stage.name, stage.block, item, sample)
        if want is None or have is None:
            yield Difference(*where, "", _first(want), _first(have))
            continue
        want, have = np.asarray(want), np.asarray(have)
        if want.shape != have.shape:
            yield Difference(*where, "number of elements", want.size, have.size)
        elif (unequal := np.flatnonzero(want != have)).size:
            index = int(unequal[0])
            yield Difference(
                *where, _element(stage.name, index, want.size), int(want[index]), int(have[index])
            )


def _first(item) -> int | None:
    return None if item is None else int(np.asarray(item)[0])


def samples_of(stage: str, expected: Trace) -> Sequence[int] | None:
    """The sample of each item of a stage, if it can be told."""
    if stage == "delta":
        return (
            [n for n, verdict in enumerate(expected["verdict"]) if verdict[0]]
            if "verdict" in expected
            else None
        )
    if stage in _PULSES:
        return expected.get(_PULSES[stage])
    if stage in ("conversion", "column"):  # one per bit plane
        planes = max(1, len(expected[stage]) // max(1, len(expected.get("adc", ()))))
        return [item // planes for item in range(len(expected[stage]))]
    return range(len(expected[stage]))


def _element(stage: str, index: int, size: int) -> str:
    """What an element of an item is: entries and strobes are row, up..., down..., and the polarity of a strobe."""
    if stage == "verdict":
        return _VERDICT[index]
    if stage not in _PULSES:
        return f"element {index}"
    columns = (size - 1) // 2
    if index == 0 or index > 2 * columns:
        return "depress" if index else "row"
    return f"up[{index - 1}]" if index <= columns else f"down[{index - 1 - columns}]"
