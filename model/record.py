"""What a run leaves behind, the same from the golden model and from the RTL: compared field by field."""

from dataclasses import dataclass, field

import numpy as np

from model.jit import kernel


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


@kernel
def _count_cells(cells, row, up, down):
    for k in range(row.shape[0]):
        for j in range(up.shape[1]):
            cells[row[k], j, 0] += up[k, j]
            cells[row[k], j, 1] += down[k, j]


class Tally:
    """What strobes add up to, where they are too many to be kept."""

    def __init__(self, rows: int, columns: int):
        self.cells = np.zeros((rows, columns, 2), np.int32)
        """Pulses of each cell, the last axis G+ and G-."""
        self._strobes = 0

    def append(self, strobes: Strobes) -> None:
        """Count some more."""
        _count_cells(self.cells, strobes.row, strobes.up, strobes.down)
        self._strobes += len(strobes)

    def __len__(self) -> int:
        return self._strobes

    @property
    def pulses_up(self) -> int:
        return int(self.cells[..., 0].sum(dtype=np.int64))

    @property
    def pulses_down(self) -> int:
        return int(self.cells[..., 1].sum(dtype=np.int64))


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
    cell_pulses: np.ndarray | None = None
    """Of a golden program-verify or of a run that tallies: pulses of each cell of the first layer, int32[rows, columns, 2]."""

    def accuracy(self, labels: np.ndarray) -> float:
        """Share of right predictions; `labels` int[n]."""
        return float((self.predictions == labels).mean())
