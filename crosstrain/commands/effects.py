"""`effects`: what each non-ideality of the golden model costs, at a stated level."""

from pathlib import Path
from typing import Annotated, Any

import typer

from crosstrain.console import console, steps, table
from crosstrain.files import make_folder, write
from crosstrain.options import DATA, check_count

DEFAULT_SEEDS = 10
MOST_SEEDS = 1000
HEAD = ["effect", "level", "open loop (%)", "hybrid (%)", "the epoch adds", "worst cell"]


def register(app: typer.Typer) -> None:
    app.command()(effects)


def effects(
    data: Annotated[str | None, typer.Option(help=f"{DATA}. [default: digits]")] = None,
    device: Annotated[str | None, typer.Option(help="Device: a preset or a .toml file.")] = None,
    offline: Annotated[
        str | None, typer.Option(help="The software network: plain or noise-aware. [default: noise-aware]")
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(help="Seeds of network, devices and order. [default: 10]")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="Run file; the options above change what it says.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for effects.md, the table in Markdown.")] = None,
) -> None:
    """Measure open loop and hybrid with each effect of docs/nonidealities.md on, on the golden model."""
    from model.data import load_data
    from model.training.effect_levels import effect_levels
    from spec.params_file import read_toml
    from spec.run_file import run_from_dict

    values: dict[str, Any] = read_toml(config) if config else {"data": "digits"}
    values |= {key: value for key, value in (("data", data), ("device", device)) if value is not None}
    if offline is not None:
        values["offline"] = values.get("offline", {}) | {"kind": offline}
    if seeds is not None or "seeds" not in values:
        count = check_count(DEFAULT_SEEDS if seeds is None else seeds, 1, MOST_SEEDS, "--seeds")
        values["seeds"] = list(range(count))
    run = run_from_dict(values, source=str(config) if config else "")
    folder = make_folder(out) if out else None
    with steps() as progress:
        found = effect_levels(run, load_data(run.data), progress)
    lines = rows(found)
    if folder:
        text = ["| " + " | ".join(line) + " |" for line in [HEAD, ["---"] * len(HEAD), *lines]]
        write(folder / "effects.md", "\n".join(text) + "\n")
    title = f"{run.data} on {run.device.name}, {run.offline.kind} network, seeds: {len(run.seeds)}"
    console().print(table(title, HEAD, lines, text_columns=2))


def rows(found: list) -> list[list[str]]:
    """One row for each level."""
    from model.training.effect_levels import ALL

    out = []
    for level in found:
        keys = ", ".join(f"{key} {value:g}" for key, value in level.keys.items())
        figures = [f"{100 * mean:.2f} ± {100 * error:.2f}" for mean, error in level.means]
        keys = "as above" if level.name == ALL else keys
        out.append([level.name, keys, *figures, str(level.worst_cell_pulses)])
    return out
