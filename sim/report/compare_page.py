"""The page and the figures of a comparison of methods: everything is computed in `model.study`, this shows it."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from markupsafe import Markup

from model.study.compare import Line, Plan, advantage
from model.study.controls import method_named
from model.study.costs import PHASES, Cost, cost_of, total
from model.study.pareto import EQUAL, cheapest, level
from model.study.stats import Interval
from sim.report import figures
from sim.report.page import DASH, count, figure, templates
from spec.errors import InputError
from spec.run_file import run_from_dict

FORMAT = 2
COMPARISON = "compare.json"
MINUS = "{} minus it"
"""The column of paired differences, by the name of the reference."""
COLUMNS = (
    "method", "accuracy (%)", MINUS, "pulses", "readings", "conversions", "cycles", "time", "energy", "worst cell", "bits",
)  # fmt: skip
"""Of the table of one run.  Readings are of single cells or pairs; cycles: of the controller; worst cell: pulses of the cell that got most; bits: of
the update memory, per weight."""
BRIEF = ("method", "accuracy (%)", MINUS, "pulses", "readings", "time", "energy")
"""Those of them that a terminal has room for."""
EQUAL_COLUMNS = {
    "pulses": "pulses", "write slots": "strobes", "readings": "verify_reads", "conversions": "conversions",
    "array time": "array_ms", "energy": "energy_nJ",
}  # fmt: skip
"""Costs of the table at equal accuracy, and what a `Cost` calls them."""
UNITS = {"array time": "ms", "energy": "nJ"}
WORDS = "memory words"
"""One more of them: weights of the update memory that are read and written."""
SHORT = "short"


class Page(NamedTuple):
    html: str
    figures: str
    """The same as JSON."""


def costs_by_phase(plan: Plan, line: Line, figures: dict[str, float]) -> dict[str, Cost]:
    """Cost of a line's method by phase, and of all of them as "all"; figures: of the line or of something tried.

    Empty where the method does not count its operations.
    """
    method = method_named(line.method)
    if method.extra:
        return {}
    run = method.hardware(run_from_dict(plan.runs[line.run]))
    costs = {phase: cost_of(run.params, run.device, figures, phase) for phase in PHASES}
    return costs | {"all": total(list(costs.values()))}


def headings(plan: Plan, names: tuple[str, ...] = COLUMNS) -> list[str]:
    """What stands above columns."""
    return [name.format(plan.reference) for name in names]


def row(plan: Plan, line: Line) -> list[str]:
    """One line's texts, by COLUMNS."""
    if not line.figures:
        return [line.method, *[DASH] * (len(COLUMNS) - 1)]
    over = "" if line.method == plan.reference else _percent(line.over, signed=True)
    known = [line.method, _percent(line.accuracy, signed=False), over]
    costs = costs_by_phase(plan, line, line.figures)
    if not costs:
        return known + [DASH] * (len(COLUMNS) - len(known))
    cost, bits = costs["all"], method_named(line.method).bits(run_from_dict(plan.runs[line.run]))
    return [
        *known,
        count(round(cost.pulses)),
        count(round(cost.verify_reads)),
        count(round(cost.conversions)),
        DASH if cost.cycles is None else count(round(cost.cycles)),
        figure(cost.time_ms, "ms") if cost.pulses else "",
        figure(cost.energy_nJ, "nJ") if cost.pulses else "",
        count(round(line.figures["worst_cell"])) if cost.pulses else "",
        str(bits or ""),
    ]


def equal_costs(plan: Plan, lines: list[Line]) -> dict[str, dict[str, float | None]]:
    """By method of one run: each cost of the cheapest setting as accurate as the reference on the validation split.

    Of a method without such a setting, `SHORT`: the share of the samples by which its best one is behind.  Methods
    without a choice of settings are not there, and none are without the reference.
    """
    tried = {line.method: line.tried for line in lines if line.tried}
    if plan.reference not in tried:
        return {}
    least = level([f["accuracy"] for f in tried[plan.reference]])
    found = {}
    for line in lines:
        if line.tried:
            accuracies = [f["accuracy"] for f in line.tried]
            of_setting = [costs_by_phase(plan, line, f).get("all") for f in line.tried]
            costs = {
                kind: [getattr(c, name, None) for c in of_setting] for kind, name in EQUAL_COLUMNS.items()
            }
            costs[WORDS] = [
                f["memory_words"] if cost else None for f, cost in zip(line.tried, of_setting, strict=True)
            ]
            found[line.method] = cheapest(accuracies, costs, least) or {SHORT: least - max(accuracies)}
    return found


def _equal_rows(costs: dict[str, dict[str, float | None]], of: str) -> list[list[str]]:
    """The texts of `equal_costs`: amounts, and how many times those of the reference, `of`, they are."""
    return [[name, *_equal_texts(found, costs[of])] for name, found in costs.items()]


def _equal_texts(found: dict[str, float | None], reference: dict[str, float | None]) -> list[str]:
    if (short := found.get(SHORT)) is not None:
        return [f"{100 * short:.2f} points short of it", *[""] * (len(reference) - 1)]
    texts = []
    for kind, amount in found.items():
        text = DASH
        if amount is not None:
            text = figure(amount, UNITS[kind]) if kind in UNITS else count(round(amount))
        if amount and (of_reference := reference[kind]) and found is not reference:
            text += f" ({amount / of_reference:.2g} times)"
        texts.append(text)
    return texts


def _percent(interval: Interval, signed: bool) -> str:
    """A mean with its interval; NaN, where nothing is paired, as a dash."""
    if interval.mean != interval.mean:
        return DASH
    form = "{:+.2f}" if signed else "{:.2f}"
    mean, low, high = (form.format(100 * value) for value in interval)
    return f"{mean} [{low}, {high}]"


def render(plan: Plan, lines: list[Line], axes: dict[str, list] | None = None) -> Page:
    """The page of all runs, and its figures as JSON.  axes: two of them make a map, the first downwards."""
    tables = [_table(plan, label, [line for line in lines if line.run == label]) for label in plan.runs]
    template = templates().get_template("compare.html.j2")
    drawn = _map(plan, lines, axes) if axes and len(axes) == 2 else ""
    equal = ("method", *EQUAL_COLUMNS, WORDS)
    html = template.render(
        plan=plan, tables=tables, columns=headings(plan), equal_columns=equal, equal_points=100 * EQUAL,
        reference=plan.reference, map=drawn,
    )  # fmt: skip
    return Page(html, json.dumps(_json(plan, lines, axes), indent=2) + "\n")


def _map(plan: Plan, lines: list[Line], axes: dict[str, list]) -> Markup:
    """The advantage over the best rival against both axes; the runs of the plan are in their order."""
    down, across = axes.values()
    found = [advantage(lines, label) for label in plan.runs]
    cells = [found[k : k + len(across)] for k in range(0, len(found), len(across))]
    return Markup(figures.advantage_map(list(axes), (down, across), cells))


def _table(plan: Plan, label: str, lines: list[Line]) -> dict[str, Any]:
    measured = [line for line in lines if line.figures]
    counted = [line for line in measured if not method_named(line.method).extra]
    costs = [costs_by_phase(plan, line, line.figures) for line in counted]
    names = [line.method for line in counted]
    written = [(name, cost) for name, cost in zip(names, costs, strict=True) if cost["all"].pulses]
    panels = [
        (label, [[getattr(cost[phase], kind) for phase in PHASES] for _, cost in written])
        for label, kind in (("pulses", "pulses"), ("write slots", "strobes"), ("conversions", "conversions"))
    ]
    return {
        "label": label,
        "data": plan.runs[label]["data"],
        "rows": [row(plan, line) for line in lines],
        "abouts": [method_named(line.method).about for line in lines],
        "settings": [(line.method, ", ".join(f"{k} {v:g}" for k, v in line.settings.items())) for line in lines],
        "failed": sum(line.failed for line in lines),
        "phases": Markup(figures.phase_bars([name for name, _ in written], PHASES, panels)) if written else "",
        "curves": _curves(plan, lines),
        "equal": _equal_rows(equal_costs(plan, lines), plan.reference),
        "accuracy": Markup(figures.intervals([m.method for m in measured], [m.accuracy for m in measured])),
        "costs": Markup(figures.cost_against_accuracy(
            names, [line.accuracy.mean for line in counted],
            [("write slots", [c["all"].strobes for c in costs]), ("conversions", [c["all"].conversions for c in costs])],
        )),
    }  # fmt: skip


def _curves(plan: Plan, lines: list[Line]) -> Markup:
    """Every setting that was tried, accuracy against cost."""
    found = {}
    for line in lines:
        by_phase = [costs_by_phase(plan, line, figures) for figures in line.tried]
        costs = [cost["all"] for cost in by_phase if cost]
        if any(cost.strobes for cost in costs):
            found[line.method] = [
                (cost.strobes, cost.conversions, f["accuracy"])
                for cost, f in zip(costs, line.tried, strict=True)
            ]
    return Markup(figures.tried_settings(found, ("write slots", "conversions"))) if found else Markup("")


def _json(plan: Plan, lines: list[Line], axes: dict[str, list] | None) -> dict[str, Any]:
    """Accuracies are shares; NaN is null."""

    def interval(found: Interval) -> dict[str, float] | None:
        return found._asdict() if found.mean == found.mean else None

    return {
        "format": FORMAT,
        "plan": asdict(plan),
        "axes": axes or {},
        "reference": plan.reference,
        "lines": [
            {"run": line.run, "method": line.method, "settings": line.settings, "accuracy": interval(line.accuracy),
             "reference_minus": interval(line.over), "failed": line.failed,
             "costs": {name: asdict(cost) for name, cost in costs_by_phase(plan, line, line.figures).items()}, "means": line.figures, "tried": line.tried}
            for line in lines
        ],
        "equal_accuracy": {
            label: equal_costs(plan, [line for line in lines if line.run == label]) for label in plan.runs
        },
        "advantages": {
            label: {"rival": found.rival, "reference_minus": interval(found.over)}
            for label in plan.runs
            if (found := advantage(lines, label))
        },
    }  # fmt: skip


def load_comparison(folder: Path) -> tuple[Plan, list[Line], dict[str, list]]:
    """What `render` is given, from the JSON that it made.  Raises `InputError`."""
    path = folder / COMPARISON
    try:
        figures = json.loads(path.read_text(encoding="utf-8"))
        if figures["format"] != FORMAT:
            raise InputError(f"is of format {figures['format']}, not {FORMAT}", source=str(path))
        plan = Plan(**figures["plan"] | {"methods": tuple(figures["plan"]["methods"])})
        lines = [
            Line(
                line["run"], line["method"], line["settings"], _interval(line["accuracy"]), _interval(line["reference_minus"]),
                line["means"], line["failed"], line["tried"],
            )
            for line in figures["lines"]
        ]  # fmt: skip
        return plan, lines, figures["axes"]
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", source=str(path)) from None
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"is not a comparison ({error})", source=str(path)) from None


def _interval(values: dict[str, float] | None) -> Interval:
    return Interval(**values) if values else Interval(*[float("nan")] * 3)
