"""`params` and `devices`: what there is to choose from."""

from typing import Annotated

import typer

from crosstrain.console import console, table

_FIGURES = {
    "rows": "rows",
    "columns": "columns",
    "classes": "classes",
    "dac_bits": "DAC bits",
    "adc_bits": "ADC bits",
    "adc_channels": "ADCs",
    "commit_depth": "D",
    "state_bits": "state bits",
}
"""Parameters in the list, and their heads."""


def register(app: typer.Typer) -> None:
    app.command()(params)
    app.command()(devices)


def params(
    name: Annotated[str | None, typer.Argument(help="An instance, or a .toml file.")] = None,
    dump: Annotated[str | None, typer.Option(metavar="NAME", help="Print an instance as TOML.")] = None,
) -> None:
    """List the hardware instances, show one, or print one as a file to start from."""
    from spec import params_file as hardware
    from spec.params import INSTANCES

    if dump is not None:
        print(hardware.dump(hardware.load(dump)), end="")
        return
    chosen = [hardware.load(name)] if name else list(INSTANCES.values())
    rows = [[p.name, ", ".join(p.rules), *(str(getattr(p, f)) for f in _FIGURES)] for p in chosen]
    heads = ["name", "rules", *_FIGURES.values()]
    console().print(table("Hardware instances", heads, rows, text_columns=2))
    if name:
        print(hardware.dump(chosen[0]), end="")


def devices(
    name: Annotated[str | None, typer.Argument(help="A preset, or a device file.")] = None,
) -> None:
    """List the device presets, or show one; * marks an assumed value."""
    from spec.device_file import dump_device, load_device, preset_names

    chosen = [load_device(each) for each in ([name] if name else preset_names())]
    columns = ["device", "law", "states up/down", "Gmax (µS)", "on/off", "pulse spread"]
    screen = console()
    screen.print(
        table("Devices (* assumed)", columns, [_device_row(spec) for spec in chosen], text_columns=2)
    )
    for spec in chosen:
        screen.print(f"{spec.name}: {spec.source}", markup=False)
    if name:
        print(dump_device(chosen[0]), end="")


def _device_row(spec) -> list[str]:
    def mark(text: str, *keys: str) -> str:
        return text + ("*" if any(key in spec.assumed for key in keys) else "")

    law_keys = [f"law.{key}" for key, _ in spec.law.values]
    values = ", ".join(f"{value:g}" for _, value in spec.law.values if isinstance(value, float))
    return [
        spec.name,
        mark(f"{spec.law.kind} {values}".strip(), *law_keys),
        mark(f"{spec.states_up}/{spec.states_down}", "states_up", "states_down"),
        mark(f"{spec.g_max_uS:g}", "g_max_uS"),
        mark(f"{spec.on_off:g}", "on_off"),
        mark(f"{100 * spec.c2c_sigma:g} % {spec.c2c_kind}", "c2c.sigma", "c2c.kind"),
    ]
