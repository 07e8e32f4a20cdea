"""The report: one HTML file that needs nothing else, from a result and its arrays."""

import re
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup, escape

from sim.report import figures

LABELS = {
    "software": "Software (float)",
    "open_loop": "Open-loop transfer",
    "hybrid": "Hybrid: + one online epoch",
    "last_layer": "Last layer only",
    "program_verify": "Program-verify transfer",
}
"""Methods of result.json as the reader sees them."""

NOTES = {
    "software": "the offline network, no array",
    "open_loop": "identical pulses by the nominal curve, nothing read back",
    "hybrid": "open-loop pulses, no verify read",
    "last_layer": "after the open-loop transfer, only the digital upper layer is trained",
    "program_verify": "each pair is read and pulsed until its difference is the weight; no online epoch",
}


_UNITS = {"nJ": ("nJ", "µJ", "mJ", "J"), "ms": ("ms", "s")}
"""Units in steps of 1000."""
DASH = "\N{EN DASH}"
THIN_SPACE = "\N{NARROW NO-BREAK SPACE}"


def templates() -> jinja2.Environment:
    """Of the pages; a name that a page has not been given is an error."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader("sim.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(result: dict[str, Any], arrays: dict[str, np.ndarray]) -> str:
    """The page's text.  result, arrays: as `sim.report.result` writes and reads them."""
    environment = templates()
    environment.filters |= {"percent": percent, "count": count, "figure": figure}
    template = environment.get_template("report.html.j2")
    return template.render(r=result, methods=method_rows(result), figures=_figures(result, arrays))


def joined(pages: dict[str, str]) -> str:
    """One page of several, each under its name, with links to them at its top."""
    names = list(pages)
    first = pages[names[0]]
    head = re.sub(
        r"<title>.*?</title>", "<title>Crosstrain: several runs</title>", first[: first.index("<main")]
    )
    items = "".join(f'<li><a href="#run{k}">{escape(name)}</a></li>' for k, name in enumerate(names))
    parts = [
        f'<div id="run{k}">{page[page.index("<main") : page.index("</main>")]}</main></div>'
        for k, page in enumerate(pages.values())
    ]
    return (
        f"{head}<main><h1>Several runs</h1><ul>{items}</ul></main>\n"
        + "\n".join(parts)
        + "\n</body>\n</html>\n"
    )


def percent(share: float | None, digits: int = 2) -> str:
    """A share as per cent; a dash where there is none."""
    return DASH if share is None else f"{100 * share:.{digits}f} %"


def count(value: int | None) -> str:
    """An integer with its thousands apart."""
    return DASH if value is None else f"{value:,}".replace(",", THIN_SPACE)


def figure(value: float | None, unit: str = "") -> str:
    """A measured quantity to three digits, an energy or time in the unit that keeps it below 1000."""
    if value is None:
        return DASH
    steps = _UNITS.get(unit, (unit,))
    while abs(value) >= 1000 and len(steps) > 1:
        value, steps = value / 1000, steps[1:]
    return f"{count(round(value)) if abs(value) >= 1000 else f'{value:.3g}'} {steps[0]}".strip()


def accuracy_text(result: dict[str, Any], method: str) -> str:
    """Mean test accuracy in per cent, with its standard error where there are several seeds."""
    mean = result["accuracy"].get(method)
    if mean is None:
        return DASH
    error = result["accuracy_standard_error"][method]
    return f"{100 * mean:.2f}" + (f" ± {100 * error:.2f}" if len(result["seeds"]) > 1 else "")


def gain_text(result: dict[str, Any], method: str) -> str:
    """Hybrid minus a method in percentage points, with the standard error of the paired difference."""
    gain = result["hybrid_minus"].get(method)
    if gain is None:
        return ""
    text = f"{100 * gain['mean']:+.2f}"
    return text + (f" ± {100 * gain['standard_error']:.2f}" if len(result["seeds"]) > 1 else "")


def method_rows(result: dict[str, Any]) -> list[dict[str, Any]]:
    """The table of methods: accuracy over the seeds, operations of the first seed."""
    pulses, reads = result["pulses"], result["verify_reads"]
    online = pulses["online_up"] + pulses["online_down"]
    operations = {
        "software": (None, None),
        "open_loop": (pulses["transfer"], 0),
        "hybrid": (pulses["transfer"] + online, reads["online"]),
        "last_layer": (pulses["transfer"], 0),
        "program_verify": (pulses["program_verify"], reads["program_verify"]),
    }
    return [
        {"name": name, "label": label, "note": NOTES[name], "accuracy": accuracy_text(result, name), "gain": gain_text(result, name),
         "pulses": count(operations[name][0]), "reads": count(operations[name][1])}
        for name, label in LABELS.items()
    ]  # fmt: skip


def _figures(result: dict[str, Any], arrays: dict[str, np.ndarray]) -> dict[str, Markup]:
    per_seed = result["accuracy_per_seed"]
    names = [name for name in LABELS if name in per_seed]
    drawn = {
        "methods": figures.methods([LABELS[n] for n in names], [np.array(per_seed[n]) for n in names]),
        "learning": figures.learning_curve(
            arrays["average"],
            result["learning_curve_window"],
            per_seed["open_loop"][0],
            per_seed["hybrid"][0],
        ),
        "maps": figures.conductance_maps(arrays["before"], arrays["after"]),
        "pulses": figures.pulse_histograms(
            arrays["per_cell"], arrays["chunk_ends"], arrays["chunk_up"], arrays["chunk_down"]
        ),
        "device": figures.device_curve(
            arrays["nominal_up"], arrays["nominal_down"], arrays["noise"], arrays["cells"], "µS"
        ),
    }
    return {name: Markup(text) for name, text in drawn.items()}
