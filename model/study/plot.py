"""The plot of a sweep: lines over one axis of numbers, or a map over two."""

from collections.abc import Sequence
from io import BytesIO
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from model.study.sweep import REPLICATES, Choice, Sweep

MOST_PANELS = 12
_SIZE_IN = (6.0, 4.2)


class Group(NamedTuple):
    """Points that differ in net and seed only."""

    choice: Choice
    """Value of each other axis."""
    values: list[float]
    """Of the points that have one."""
    done: int
    failed: int

    @property
    def mean(self) -> float:
        return float(np.mean(self.values)) if self.values else np.nan

    @property
    def error(self) -> float:
        """Standard error of the mean; NaN for fewer than two values."""
        count = len(self.values)
        return float(np.std(self.values, ddof=1) / np.sqrt(count)) if count > 1 else np.nan


def groups_of(sweep: Sweep, rows: Sequence[dict], column: str) -> list[Group]:
    """Results grouped by all axes but net and seed, in the order of the sweep; rows: in the order of its points."""
    groups: dict[str, Group] = {}
    for choice, row in zip(sweep.choices, rows, strict=True):
        own = {axis: value for axis, value in choice.items() if axis not in REPLICATES}
        done = row["status"] == "done"
        group = groups.setdefault(repr(own), Group(own, [], 0, 0))
        if done and isinstance(row.get(column), int | float):
            group.values.append(float(row[column]))
        groups[repr(own)] = group._replace(done=group.done + done, failed=group.failed + (not done))
    return list(groups.values())


def numeric_axes(sweep: Sweep) -> list[str]:
    """Axes of two or more numbers, over which a plot goes."""
    return [axis for axis, values in sweep.axes.items()
            if axis not in REPLICATES and len(values) > 1 and all(type(v) in (int, float) for v in values)]  # fmt: skip


def draw(sweep: Sweep, groups: Sequence[Group], column: str) -> Figure | None:
    """Means with their standard error, or None where there is no axis of numbers or there are more than two.

    Other axes are lines of one plot, or maps beside each other (`MOST_PANELS` at most).
    """
    over = numeric_axes(sweep)
    if len(over) not in (1, 2):
        return None
    kinds: dict[str, list[Group]] = {}
    for group in groups:
        own = {axis: value for axis, value in group.choice.items() if axis not in over}
        kinds.setdefault(label(own), []).append(group)
    if len(over) == 1:
        figure = Figure(figsize=_SIZE_IN, layout="constrained")
        _lines(figure.subplots(), over[0], kinds, column)
        return figure
    return _maps(sweep, over, dict(list(kinds.items())[:MOST_PANELS]), column)


def picture(figure: Figure, suffix: str) -> bytes:
    """The figure as a .png, .svg or .pdf."""
    out = BytesIO()
    figure.savefig(out, format=suffix.removeprefix("."), dpi=120)
    return out.getvalue()


def label(choice: Choice) -> str:
    """Values of some axes as a short text."""
    return ", ".join(v if isinstance(v, str) else f"{axis} {short(v)}" for axis, v in choice.items())


def short(value: object) -> str:
    """A value as it is told; a table by its name."""
    if isinstance(value, dict):
        return str(value.get("name", value.get("base", "table")))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _lines(axes: Axes, over: str, kinds: dict[str, list[Group]], column: str) -> None:
    for name, groups in kinds.items():
        groups = sorted(groups, key=lambda group: group.choice[over])
        x = [group.choice[over] for group in groups]
        errors = np.nan_to_num([group.error for group in groups])
        axes.errorbar(x, [group.mean for group in groups], errors, marker="o", ms=4, capsize=2, label=name)
    axes.set(xlabel=over, ylabel=f"mean {column}")
    axes.grid(alpha=0.3)
    if len(kinds) > 1:
        axes.legend(fontsize="small")


def _maps(sweep: Sweep, over: list[str], kinds: dict[str, list[Group]], column: str) -> Figure:
    columns = min(3, len(kinds))
    lines = -(-len(kinds) // columns)
    figure = Figure(figsize=(_SIZE_IN[0] * columns, _SIZE_IN[1] * lines), layout="constrained")
    panels = figure.subplots(lines, columns, squeeze=False).ravel()
    across, up = (sorted(sweep.axes[axis]) for axis in over)
    grids = {name: np.full((len(up), len(across)), np.nan) for name in kinds}
    for name, groups in kinds.items():
        for group in groups:
            grids[name][up.index(group.choice[over[1]]), across.index(group.choice[over[0]])] = group.mean
    known = np.concatenate([grid[np.isfinite(grid)] for grid in grids.values()])
    low, high = (known.min(), known.max()) if len(known) else (0.0, 1.0)
    for axes, (name, grid) in zip(panels, grids.items(), strict=False):
        image = axes.imshow(grid, origin="lower", aspect="auto", vmin=low, vmax=high, cmap="viridis")
        axes.set_xticks(range(len(across)), [short(value) for value in across])
        axes.set_yticks(range(len(up)), [short(value) for value in up])
        axes.set(xlabel=over[0], ylabel=over[1], title=name)
        for (y, x), value in np.ndenumerate(grid):
            if np.isfinite(value):
                ink = "black" if value > (low + high) / 2 else "white"
                axes.text(x, y, f"{value:.4g}", ha="center", va="center", color=ink, fontsize="x-small")
    for axes in panels[len(kinds) :]:
        axes.set_visible(False)
    figure.colorbar(image, ax=list(panels), label=f"mean {column}")
    return figure
