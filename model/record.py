"""What a run leaves behind, the same from the golden model and from the RTL: compared field by field."""

from dataclasses import dataclass, field

import numpy as np


@dataclass
class Strobes:
    """Operations on the write lines in order: row int32[n]; up, down uint8[n, columns]; depress uint8[n]."""

    row: np.ndarray
    up: np.ndarray
    down: np.ndarray
    depress: np.ndarray

    @classmethod
    def empty(cls, columns: int) -> "Strobes":
        none = np.zeros((0, columns), np.uint8)
        return cls(np.zeros(0, np.int32), none, none, np.zeros(0, np.uint8))

    @classmethod
    def join(cls, parts: list["Strobes"]) -> "Strobes":
        return cls(
            *(np.concatenate([getattr(p, f) for p in parts]) for f in ("row", "up", "down", "depress"))
        )

    def __len__(self) -> int:
        return len(self.row)

    @property
    def pulses_up(self) -> int:
        return int(self.up.sum())

    @property
    def pulses_down(self) -> int:
        return int(self.down.sum())


class Tally:
    """What strobes add up to by row, where they are too many to be kept."""

    def __init__(self, rows: int):
        self.strobes, self.up, self.down = (np.zeros(rows, np.int64) for _ in range(3))
        """Strobes of each row, and its pulses on G+ and on G-."""

    def append(self, strobes: Strobes) -> None:
        """Count some more."""
        rows = len(self.strobes)
        self.strobes += np.bincount(strobes.row, minlength=rows)
        for total, mask in ((self.up, strobes.up), (self.down, strobes.down)):
            total += np.bincount(strobes.row, mask.sum(axis=1), rows).astype(np.int64)

    def __len__(self) -> int:
        return int(self.strobes.sum())

    @property
    def pulses_up(self) -> int:
        return int(self.up.sum())

    @property
    def pulses_down(self) -> int:
        return int(self.down.sum())


@dataclass
class RunRecord:
    """One run.  `trace[stage]` is a list with one array per sample (or per entry, per strobe), see spec/stages.py.

    The golden model's has `entry_sample` too: the sample of each entry, hence of each online strobe; that of a tune run
    `tuned`: how many strobes each sample's commit has.
    """

    predictions: np.ndarray
    updates: np.ndarray
    strobes: Strobes
    trace: dict[str, list[np.ndarray]] = field(default_factory=dict)
    upper: Strobes | None = None
    """Strobes on the array of an analog upper layer."""
    tally: Tally | None = None
    """Of a run that tallies: what the strobes on the first layer add up to, instead of them."""

    def accuracy(self, labels: np.ndarray) -> float:
        """Share of right predictions; `labels` int[n]."""
        return float((self.predictions == labels).mean())
