"""The report's figures: pure functions from arrays to SVG text (or, for large maps inside them, to embedded pixels).

No figure computes a result; each only draws what it is given.
"""

import io
from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import EngFormatter, MaxNLocator, NullFormatter

UP, DOWN, NEUTRAL, ACCENT = "#1f6f8b", "#c4572e", "#6b7280", "#2f9e44"
_STYLE = {
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e5e7eb",
    "grid.linewidth": 0.7,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "svg.fonttype": "path",  # looks the same wherever it is opened
    "svg.hashsalt": "crosstrain",  # the same run gives the same bytes
}
_WIDTH = 8.6
_MOST_BARS = 60
MINUS = "\N{MINUS SIGN}"


def _style(grid: bool = True):
    # the stubs want a dict whose keys are known one by one
    return matplotlib.rc_context(_STYLE | {"axes.grid": grid})  # type: ignore[arg-type]


def _svg(figure: Figure) -> str:
    """SVG text without the XML head, so that it can stand inside HTML."""
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    return text.getvalue().split("?>", 1)[1].split('.dtd">', 1)[1].strip()


def _axes(columns: int = 1, height: float = 2.9, **options) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(_WIDTH, height), layout="constrained")
    axes = figure.subplots(1, columns, squeeze=False, **options)
    return figure, list(axes[0])


def learning_curve(average: np.ndarray, window: int, before: float, after: float) -> str:
    """Accuracy over the epoch.

    average: float[samples], moving average of the online predictions over `window`; before, after: test accuracy.
    """
    with _style():
        figure, (axes,) = _axes()
        sample = np.arange(1, len(average) + 1)
        full = average[window - 1 :] if len(average) > window else average
        axes.plot(sample[-len(full) :], 100 * full, color=UP, lw=1.4,
                  label=f"online samples, average of the last {min(window, len(average))}")  # fmt: skip
        axes.axhline(
            100 * before, color=NEUTRAL, ls="--", lw=1.2, label=f"test, before: {100 * before:.2f} %"
        )
        axes.axhline(100 * after, color=ACCENT, ls="-", lw=1.2, label=f"test, after: {100 * after:.2f} %")
        axes.set(xlabel="online sample", ylabel="accuracy (%)", xlim=(0, len(average)))
        axes.set_title("Accuracy over the online epoch")
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.22), ncols=3)
        return _svg(figure)


def conductance_maps(before: np.ndarray, after: np.ndarray) -> str:
    """G+ - G- of every pair in uS, float[rows, columns], before and after the online epoch, and the difference."""
    change = after - before
    limit = float(np.abs([before, after]).max()) or 1.0
    panels = (
        (before, "before the epoch", limit),
        (after, "after the epoch", limit),
        (change, "change", float(np.abs(change).max()) or 1.0),
    )
    with _style(grid=False):
        figure, axes = _axes(3, height=3.6, sharey=True)
        for ax, (values, title, bound) in zip(axes, panels, strict=True):
            image = ax.imshow(
                values, cmap="RdBu_r", vmin=-bound, vmax=bound, aspect="auto", interpolation="nearest"
            )
            ax.set(xlabel="column")
            ax.set_title(title)
            bar = figure.colorbar(image, ax=ax, location="bottom", shrink=0.9, pad=0.02)
            bar.set_label(f"G+ {MINUS} G{MINUS} (µS)" if ax is not axes[2] else "difference (µS)")
            bar.ax.locator_params(nbins=5)
        axes[0].set_ylabel("row")
        return _svg(figure)


def pulse_histograms(per_cell: np.ndarray, ends: np.ndarray, up: np.ndarray, down: np.ndarray) -> str:
    """Online pulses: how many devices got how many, and when.

    per_cell: int[rows, columns, 2], pulses on G+ and G-.  up, down: pulses within the samples that end before
    `ends`, in order, int[chunks] each.
    """
    with _style():
        figure, (cells, epoch) = _axes(2)
        most = max(1, int(per_cell.max(initial=0)))
        edges = np.unique(np.round(np.linspace(0, most + 1, min(most + 2, 32)))) - 0.5
        cells.hist([per_cell[..., 0].ravel(), per_cell[..., 1].ravel()], bins=list(edges), color=[UP, DOWN],
                   label=["G+", f"G{MINUS}"])  # fmt: skip
        cells.set_yscale("log")
        cells.set(xlabel="online pulses on one device", ylabel="devices")
        cells.xaxis.set_major_locator(MaxNLocator(integer=True))
        cells.set_title("Pulses per device")
        cells.legend()
        ends, up, down = _merged(ends, up, down)
        starts = np.array([0, *ends[:-1]])
        widths = ends - starts
        epoch.bar(starts, up / widths, widths, align="edge", color=UP, label="up (G+)")
        epoch.bar(starts, -down / widths, widths, align="edge", color=DOWN, label=f"down (G{MINUS})")
        epoch.axhline(0, color=NEUTRAL, lw=0.6)
        epoch.set(xlabel="online sample", ylabel="pulses per sample", xlim=(0, ends[-1]))
        epoch.yaxis.set_major_formatter(lambda value, _: f"{abs(value):g}")
        epoch.set_title("Pulses over the epoch")
        epoch.legend()
        return _svg(figure)


def _merged(ends: np.ndarray, *totals: np.ndarray) -> tuple[np.ndarray, ...]:
    """Neighbouring chunks together, so that at most `_MOST_BARS` are left."""
    first = np.arange(0, len(ends), -(-len(ends) // _MOST_BARS))
    last = np.append(first[1:], len(ends)) - 1
    return ends[last], *(np.add.reduceat(total, first) for total in totals)


def device_curve(
    nominal_up: np.ndarray, nominal_down: np.ndarray, noise: np.ndarray, cells: np.ndarray, unit: str
) -> str:
    """Conductance against pulse number: potentiation, then depression.

    nominal_up, nominal_down: float[pulses + 1], the mean device.  noise: float[pulses, n], devices that differ from
    pulse to pulse only; cells: float[pulses, n], devices of this array.  All in `unit`.
    """
    with _style():
        figure, (axes,) = _axes(height=3.2)
        pulse = np.arange(len(cells))
        axes.plot(pulse, cells, color="#9ca3af", lw=0.6, alpha=0.7)
        low, high = np.percentile(noise, (5, 95), axis=1)
        axes.fill_between(pulse, low, high, color=UP, alpha=0.25, lw=0, zorder=3)
        turn = len(nominal_up) - 1
        axes.plot(np.arange(turn + 1), nominal_up, color=UP, lw=2, zorder=4)
        axes.plot(turn + np.arange(len(nominal_down)), nominal_down, color=DOWN, lw=2, zorder=4)
        axes.axvline(turn, color=NEUTRAL, lw=0.8, ls=":")
        axes.set(
            xlabel="pulse number", ylabel=f"conductance ({unit})", xlim=(0, len(cells) - 1), ylim=(0, None)
        )
        axes.set_title("Pulse response of the device")
        handles = [
            Line2D([], [], color=UP, lw=2, label="nominal, potentiation"),
            Line2D([], [], color=DOWN, lw=2, label="nominal, depression"),
            Patch(color=UP, alpha=0.25, label="pulse-to-pulse spread, 5..95 %"),
            Line2D([], [], color="#9ca3af", lw=0.8, label=f"{cells.shape[1]} devices of this array"),
        ]
        axes.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=4)
        return _svg(figure)


def methods(names: Sequence[str], accuracies: Sequence[np.ndarray]) -> str:
    """Test accuracy of each method, one point per seed, with mean and standard error.  accuracies: float[seeds]."""
    with _style():
        figure, (axes,) = _axes(height=0.55 + 0.42 * len(names))
        for place, values in enumerate(accuracies):
            values = 100 * np.asarray(values, float)
            axes.errorbar(
                values.mean(), place, xerr=standard_error(values), fmt="|", color="black", ms=16, capsize=4
            )
            axes.plot(
                values, np.full(len(values), place), "o", color=ACCENT, alpha=0.55, ms=5, mew=0, zorder=3
            )
        axes.set(yticks=range(len(names)), yticklabels=names, xlabel="test accuracy (%)")
        axes.set_ylim(len(names) - 0.5, -0.5)
        return _svg(figure)


def intervals(names: Sequence[str], found: Sequence[tuple[float, float, float]]) -> str:
    """A mean of accuracies (shares) with its interval (mean, low, high) for each method."""
    with _style():
        figure, (axes,) = _axes(height=0.55 + 0.3 * len(names))
        for place, (mean, low, high) in enumerate(found):
            around = [[100 * (mean - low)], [100 * (high - mean)]]
            axes.errorbar(100 * mean, place, xerr=around, fmt="o", color=UP, ms=5, capsize=3)
        axes.set(yticks=range(len(names)), yticklabels=names, xlabel="test accuracy (%)")
        axes.set_ylim(len(names) - 0.5, -0.5)
        return _svg(figure)


def cost_against_accuracy(
    names: Sequence[str], accuracies: Sequence[float], costs: Sequence[tuple[str, Sequence[float]]]
) -> str:
    """Accuracy (shares) of each method against each cost, a panel for each; methods without the cost are left out."""
    with _style():
        figure, panels = _axes(len(costs), height=3.6, sharey=True)
        for axes, (label, values) in zip(panels, costs, strict=True):
            for name, accuracy, value in zip(names, accuracies, values, strict=True):
                if value > 0:
                    axes.plot(value, 100 * accuracy, "o", color=UP, ms=5)
                    axes.annotate(
                        name, (value, 100 * accuracy), xytext=(4, 3), textcoords="offset points", fontsize=7
                    )
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter(EngFormatter(sep=""))
            axes.xaxis.set_minor_formatter(NullFormatter())
            axes.margins(x=0.2)
            axes.set(xlabel=label)
        panels[0].set_ylabel("test accuracy (%)")
        return _svg(figure)


def phase_bars(
    names: Sequence[str], phases: Sequence[str], panels: Sequence[tuple[str, Sequence[Sequence[float]]]]
) -> str:
    """What each method takes, split by phase: a panel (label, values by method and phase) for each kind of operation.

    Bars are on a logarithmic axis side by side: stacked ones would hide the small ones.
    """
    with _style():
        figure, axes = _axes(len(panels), height=0.9 + 0.34 * len(names), sharey=True)
        height = 0.8 / len(phases)
        for ax, (label, values) in zip(axes, panels, strict=True):
            for k, (phase, color) in enumerate(zip(phases, (UP, NEUTRAL, DOWN), strict=False)):
                places = np.arange(len(names)) + (k - (len(phases) - 1) / 2) * height
                ax.barh(places, [row[k] for row in values], height, color=color, label=phase)
            ax.set_xscale("log")
            ax.xaxis.set_major_formatter(EngFormatter(sep=""))
            ax.xaxis.set_minor_formatter(NullFormatter())
            ax.set(xlabel=label)
        axes[0].set(yticks=range(len(names)), yticklabels=names)
        axes[0].set_ylim(len(names) - 0.5, -0.5)
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(phases))
        return _svg(figure)


def tried_settings(found: dict[str, list[tuple[float, float, float]]], costs: tuple[str, str]) -> str:
    """Accuracy (shares) against two costs of every setting of every method, with each method's Pareto front.

    found: by method, (cost, other cost, accuracy) of each setting.
    """
    with _style():
        figure, panels = _axes(2, height=3.8, sharey=True)
        best = max(accuracy for values in found.values() for *_, accuracy in values)
        for place, (axes, label) in enumerate(zip(panels, costs, strict=True)):
            for k, (name, values) in enumerate(found.items()):
                points = sorted(((v[place], 100 * v[2]) for v in values), key=lambda p: (p[0], -p[1]))
                front = [p for n, p in enumerate(points) if all(p[1] > q[1] for q in points[:n])]
                color = matplotlib.colormaps["tab10"](k % 10)
                axes.plot(*zip(*points, strict=True), ".", color=color, ms=4, alpha=0.5)
                axes.plot(*zip(*front, strict=True), "-o", color=color, ms=4, lw=1.3, label=name)
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter(EngFormatter(sep=""))
            axes.xaxis.set_minor_formatter(NullFormatter())
            axes.set(xlabel=label)
        lowest = min(100 * accuracy for values in found.values() for *_, accuracy in values)
        panels[0].set_ylim(max(lowest, 100 * best - 8) - 0.3, 100 * best + 0.3)
        panels[0].set_ylabel("validation accuracy (%)")
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
        return _svg(figure)


def advantage_map(names: Sequence[str], axes: tuple[Sequence, Sequence], cells: Sequence[Sequence]) -> str:
    """Points by which the reference is ahead of the best rival, which each cell names.

    names: of both axes; axes: their values, downwards and across; cells: pairs (rival, (mean, low, high)) as shares,
    or None, by row.  An asterisk: the interval is on one side of 0.
    """
    down, across = axes
    means = np.array([[100 * cell[1][0] if cell else np.nan for cell in row] for row in cells])
    limit = float(np.nanmax(np.abs(means), initial=0.01))
    with _style(grid=False):
        figure, (ax,) = _axes(height=1.2 + 0.55 * len(down))
        image = ax.imshow(means, cmap="RdBu", vmin=-limit, vmax=limit, aspect="auto")
        for y, row in enumerate(cells):
            for x, cell in enumerate(row):
                if cell:
                    rival, (mean, low, high) = cell
                    sure = "*" if low > 0 or high < 0 else ""
                    dark = abs(100 * mean) > 0.6 * limit
                    text = f"{100 * mean:+.2f}{sure}\n{rival}"
                    ax.text(
                        x, y, text, ha="center", va="center", fontsize=7.5, color="white" if dark else "black"
                    )
        ax.set(xticks=range(len(across)), xticklabels=[str(v) for v in across], xlabel=names[1])
        ax.set(yticks=range(len(down)), yticklabels=[str(v) for v in down], ylabel=names[0])
        figure.colorbar(image, ax=ax, label="points ahead")
        return _svg(figure)


def standard_error(values: np.ndarray) -> float:
    """Standard error of the mean; 0 for a single value."""
    return float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0
