"""`cosim`: a random job on the RTL in a simulator, compared with the golden model."""

import json
from pathlib import Path
from typing import Annotated

import typer

from crosstrain.console import simulating, steps
from crosstrain.files import make_folder, write
from crosstrain.options import Device, Params, Rule, Simulator, check_count, check_rule, check_simulator
from spec.errors import InputError

MOST_SAMPLES = 1_000_000
COCOTB, FAST = ENGINES = ("cocotb", "fast")


def register(app: typer.Typer) -> None:
    app.command()(cosim)


def cosim(
    params: Params = "TINY",
    sim: Simulator = "verilator",
    samples: Annotated[int, typer.Option(help="Training samples.")] = 40,
    seed: Annotated[int, typer.Option(help="Seed of everything that is random.")] = 0,
    device: Device = "AlOx/HfO2",
    rule: Rule = "accumulate",
    engine: Annotated[
        str,
        typer.Option(
            help="cocotb, or fast: the RTL as a library, which looks at outcomes and not at stages."
        ),
    ] = "cocotb",
    waves: Annotated[bool, typer.Option(help="Write a waveform.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    out: Annotated[Path | None, typer.Option(help="Folder for result.json and the waveform.")] = None,
) -> None:
    """Run a random job on the RTL beside the golden model; exit 1 on any difference."""
    from sim.cosim import cosim_random
    from sim.fast.pair import run_fast
    from sim.stimulus import make_stimulus
    from spec.device_file import load_device
    from spec.numerics import MASK32
    from spec.params import load

    hardware = load(params)
    spec = load_device(device)
    check_rule(rule, hardware)
    check_simulator(sim)
    _check_engine(engine, sim, waves)
    check_count(samples, 1, MOST_SAMPLES, "--samples")
    check_count(seed, 0, MASK32, "--seed")
    folder = make_folder(out) if out else None
    with simulating(), steps() as progress:
        if engine == FAST:
            found = run_fast(make_stimulus(hardware, spec, rule, samples, seed), progress=progress)
        else:
            found = cosim_random(
                hardware, spec, rule, sim, samples, seed, waves=waves, progress=progress, folder=folder
            )
    summary = _summary(found, samples) | {
        "params": hardware.name, "simulator": sim, "engine": engine, "samples": samples, "seed": seed, "device": spec.name, "rule": rule,
    }  # fmt: skip
    text = json.dumps(summary, indent=2) + "\n"
    if out:
        write(out / "result.json", text)
    print(text if as_json else _text(summary), end="")
    if found.mismatches or not summary["completed"]:
        raise typer.Exit(1)


def _check_engine(engine: str, simulator: str, waves: bool) -> None:
    """Raise `InputError` for an engine that there is not, or that cannot do what is asked."""
    if engine not in ENGINES:
        raise InputError(f"{engine!r} is not one of {', '.join(ENGINES)}", key="--engine")
    if engine == FAST and waves:
        raise InputError("the fast engine writes no waveform: take --engine cocotb", key="--waves")
    if engine == FAST and simulator != "verilator":
        raise InputError(f"the fast engine is built with verilator, not {simulator}", key="--sim")


def _summary(found, samples: int) -> dict:
    completed = found.result is not None
    strobes = found.result.strobes if completed else None
    return {
        "mismatches": found.mismatches,
        "differences": found.differences,
        "completed": completed,
        "vacuous": found.vacuous,
        "pulses_up": strobes.pulses_up if strobes is not None else None,
        "pulses_down": strobes.pulses_down if strobes is not None else None,
        "coverage": found.coverage,
        "cycles": found.cycles,
        "seconds": round(found.seconds, 3),
        "samples_per_s": round(samples / found.seconds, 2) if completed else None,
        "waveform": str(found.waveform) if found.waveform else None,
    }


def _text(summary: dict) -> str:
    lines = [
        f"{summary['params']}, {summary['device']}, {summary['rule']}: {summary['samples']} samples, "
        f"seed {summary['seed']}, on {summary['simulator']}",
        f"mismatches        {summary['mismatches']}",
        *(f"  {line}" for line in summary["differences"]),
    ]
    if summary["completed"]:
        lines += [
            f"online pulses     {summary['pulses_up']} up, {summary['pulses_down']} down",
            *(f"{name:<17} {count}" for name, count in summary["coverage"].items()),
            f"samples/s         {summary['samples_per_s']:g}",
        ]
    lines.append(f"cycles            {summary['cycles']}")
    if summary["waveform"]:
        lines.append(f"waveform          {summary['waveform']}")
    if not summary["completed"]:
        lines.append("the run broke off before its end")
    elif summary["vacuous"]:
        lines.append("vacuous: fewer than 20 online pulses in a direction; take more samples or another seed")
    return "\n".join(lines) + "\n"
