"""One table from many points: settings chosen on the validation split, methods measured on the test split.

Every method gets the same number of tries on the same networks and arrays for its settings, and is then measured
once on each network and array of the plan.
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from model.data import load_data
from model.study.controls import method_named
from model.study.execute import execute
from model.study.methods import Settings, no_choice
from model.study.points import best_of, each_of, measure
from model.study.stats import Interval, interval
from model.study.store import DONE, rows_of
from model.study.sweep import place
from model.training.prepare import check_fit
from spec.errors import InputError
from spec.numerics import MASK32
from spec.run_file import run_from_dict

REFERENCE = "hybrid accumulate"
"""The method that all others are paired with, unless a plan names another."""
MAIN = (
    "software plain", "software", "open loop", "calibration", "hybrid accumulate", "hybrid counter", "hybrid manhattan",
    "tuned online", "verify cell", "verify pair", "verify pair + hybrid", "last layer", "bias row", "shuffled labels",
)  # fmt: skip
"""Methods of a table when none are named."""
NET_STRIDE = 1000
"""Seeds from one network to the next, so at most as many arrays each: more of them later change nothing before."""
RIVALS = ("calibration", "verify cell", "verify pair", "last layer", "bias row")
"""Methods that an advantage is over: what else an array without an online epoch of its weights could do."""
CHOICES, RESULTS = "choices.parquet", "results.parquet"


@dataclass(frozen=True)
class Plan:
    """What is compared.  Raises `InputError` for a run or method that cannot be."""

    runs: dict[str, dict[str, Any]]
    """Run files as dictionaries, without seeds, by the label of their table."""
    methods: tuple[str, ...] = MAIN
    nets: int = 3
    arrays: int = 10
    tries_on: int = 2
    """Networks and arrays, other than those that are measured, on which settings are chosen."""
    reference: str = REFERENCE
    """The method that all others are paired with."""

    def __post_init__(self):
        methods = [method_named(name) for name in self.methods]
        if self.reference != REFERENCE and self.reference not in self.methods:
            raise InputError(f"{self.reference!r} is none of the methods compared", key="reference")
        for label, values in self.runs.items():
            if "seeds" in values:
                raise InputError("a comparison draws its own", source=label, key="seeds")
            run = run_from_dict(values, source=label)
            check_fit(load_data(run.data), run.params)
            for method in methods:
                method.check(run)

    def choices(self, names: list[str], inherited: dict[tuple[str, str], Settings]) -> list[dict]:
        """Points that try settings."""
        points = []
        for label, run in self.runs.items():
            for k in range(self.tries_on):
                for name in names:
                    settings = inherited.get((label, method_named(name).settings_of), {})
                    points.append(
                        {"task": "choose", "run": run, "method": name, "settings": settings, "net": k % self.nets,
                         "seed": MASK32 - k, "split": "validation"}
                    )  # fmt: skip
        return points

    def measurements(self, chosen: dict[tuple[str, str], Settings]) -> list[dict]:
        """Points that count, those of one network and array together; of the very first the cycles are counted too."""
        return [
            {"task": "measure", "run": run, "method": name, "settings": chosen[label, name], "net": net,
             "seed": NET_STRIDE * net + array, "split": "test"} | ({} if net or array else {"timed": True})
            for label, run in self.runs.items() for net in range(self.nets) for array in range(self.arrays)
            for name in self.methods
        ]  # fmt: skip


@dataclass(frozen=True, eq=False)
class Line:
    """One method of one table."""

    run: str
    method: str
    settings: Settings
    accuracy: Interval
    over: Interval
    """Accuracy of the reference minus that of this method, on the same network and array."""
    figures: dict[str, float]
    """Means of the other columns of a result."""
    failed: int
    """Points without a result."""
    tried: list[dict[str, float]]
    """Mean figures of each candidate of its settings, on the validation split; empty if there was no choice."""


Progress = Callable[[str, int, int], None]


def compare(
    plan: Plan,
    folder: Path,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    progress: Progress | None = None,
) -> list[Line]:
    """Measure what `folder` does not hold yet; returns the lines in the order of runs and methods.

    Raises `InputError`, when no point of a choice has a result, too.
    """

    def run(name: str, file: str, points: list[dict]) -> list[dict]:
        step = (lambda done, total: progress(name, done, total)) if progress else None
        table = execute(points, measure, folder / file, workers=workers, scheduler=scheduler, progress=step)
        return rows_of(table)

    chosen, tried = _choose(plan, lambda points: run("settings", CHOICES, points))
    points = plan.measurements(chosen)
    return lines(plan, chosen, tried, points, run("methods", RESULTS, points))


Tried = dict[tuple[str, str], list[dict[str, float]]]


def _choose(
    plan: Plan, run: Callable[[list[dict]], list[dict]]
) -> tuple[dict[tuple[str, str], Settings], Tried]:
    """Settings by run and method, and what was tried for them.

    A method that takes another's settings comes after it, and that one's are chosen in any case.
    """
    tried: Tried = {}
    wanted = list(dict.fromkeys([method_named(n).settings_of for n in plan.methods] + list(plan.methods)))
    wanted = [name for name in wanted if name]
    chosen: dict[tuple[str, str], Settings] = {}
    for later in (False, True):
        names = [name for name in wanted if bool(method_named(name).settings_of) is later]
        open_ones = [name for name in names if method_named(name).candidates is not no_choice]
        for label in plan.runs:
            for name in names:
                chosen[label, name] = dict(chosen.get((label, method_named(name).settings_of), {}))
        points = plan.choices(open_ones, chosen)
        rows = run(points) if points else []
        for label, values in plan.runs.items():
            for name in open_ones:
                mine = [
                    r for p, r in zip(points, rows, strict=True) if p["run"] is values and p["method"] == name
                ]
                chosen[label, name] = best_of(mine)
                tried[label, name] = each_of(mine)
    return chosen, tried


def lines(plan: Plan, chosen: dict, tried: Tried, points: list[dict], rows: list[dict]) -> list[Line]:
    """The table from its points and their results."""
    values = {id(run): label for label, run in plan.runs.items()}
    by: dict[tuple[str, str], list[tuple[dict, dict]]] = {}
    for point, row in zip(points, rows, strict=True):
        by.setdefault((values[id(point["run"])], point["method"]), []).append((point, row))
    out = []
    for label in plan.runs:
        grid = {name: _accuracies(plan, by[label, name]) for name in plan.methods}
        for name in plan.methods:
            done = [row for _, row in by[label, name] if row["status"] == DONE]
            nothing = np.full((plan.nets, plan.arrays), np.nan)
            out.append(
                Line(
                    label, name, chosen[label, name],
                    interval(grid[name]), interval(grid.get(plan.reference, nothing) - grid[name]),
                    _means(done), len(by[label, name]) - len(done), tried.get((label, name), []),
                )
            )  # fmt: skip
    return out


def _accuracies(plan: Plan, results: list[tuple[dict, dict]]) -> np.ndarray:
    """float64[nets, arrays], NaN where a point failed."""
    grid = np.full((plan.nets, plan.arrays), np.nan)
    for point, row in results:
        if row["status"] == DONE:
            grid[point["net"], point["seed"] - NET_STRIDE * point["net"]] = row["accuracy"]
    return grid


def _means(rows: list[dict]) -> dict[str, float]:
    """Of each figure, over the rows that have it."""
    found: dict[str, list[float]] = {}
    for row in rows:
        for name, value in row.items():
            if isinstance(value, int | float) and name not in ("net", "seed", "timed"):
                found.setdefault(name, []).append(value)
    return {name: float(np.mean(values)) for name, values in found.items()}


def over_axes(values: dict[str, Any], axes: dict[str, list[Any]]) -> dict[str, dict[str, Any]]:
    """Runs with every combination of the axes' values, by a label that names them; axes: dotted keys of a run file.

    Raises `InputError` for a value that is there twice, or a key that has no place.
    """
    runs = {}
    for chosen in product(*axes.values()):
        point = {"run": deepcopy(values)}
        for key, value in zip(axes, chosen, strict=True):
            place(point, key, value)
        label = ", ".join(f"{key} {value}" for key, value in zip(axes, chosen, strict=True))
        if label in runs:
            raise InputError("is there twice", key=label)
        runs[label] = point["run"]
    return runs


class Advantage(NamedTuple):
    """The reference over the rival that comes closest to it, or is ahead of it most."""

    rival: str
    over: Interval


def advantage(lines: list[Line], run: str) -> Advantage | None:
    """Over the best of the rivals that were measured in this run; None if none were."""
    there = [line for line in lines if line.run == run and line.method in RIVALS and line.figures]
    if not there:
        return None
    closest = min(there, key=lambda line: line.over.mean)
    return Advantage(closest.method, closest.over)
