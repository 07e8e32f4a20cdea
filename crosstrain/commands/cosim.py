"""`cosim`: a job on the RTL, random or of real data, compared with the golden model."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from crosstrain.console import simulating, steps
from crosstrain.files import make_folder, write
from crosstrain.options import (
    DATA,
    Backward,
    Errors,
    Simulator,
    Trained,
    check_count,
    check_rule,
    check_simulator,
)
from spec.errors import InputError

MOST_SAMPLES = 1_000_000
DEFAULT_SAMPLES = 40
SHOWN_SECONDS = 0.1
"""Shorter phases are left out of the text, not of the JSON."""
GUIDE = "docs/debugging.md goes on from here"
VACUOUS = (
    "vacuous: fewer than 20 online pulses in a direction, on an array that is trained; "
    "take more samples or another seed"
)
COCOTB, FAST = ENGINES = ("cocotb", "fast")


def register(app: typer.Typer) -> None:
    app.command()(cosim)


def cosim(
    params: Annotated[
        str | None, typer.Option(help="Hardware: an instance or a .toml file. [default: TINY, or the data's]")
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(help=f"Train on {DATA}, and test; without it the job is random."),
    ] = None,
    sim: Simulator = "verilator",
    samples: Annotated[
        int | None, typer.Option(help="Training samples. [default: 40, or all of the data]")
    ] = None,
    tests: Annotated[
        int | None, typer.Option(help="With --data: test samples, before and after. [default: all]")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything that is random.")] = 0,
    device: Annotated[
        str | None, typer.Option(help="Device: a preset or a .toml file. [default: AlOx/HfO2, or the data's]")
    ] = None,
    rule: Annotated[
        str, typer.Option(help="Update rule; `crosstrain params` shows what is built in.")
    ] = "accumulate",
    trained: Trained = None,
    backward: Backward = None,
    errors: Errors = None,
    offline: Annotated[
        str | None,
        typer.Option(help="With --data: the software network, plain or noise-aware. [default: noise-aware]"),
    ] = None,
    engine: Annotated[
        str,
        typer.Option(
            help="cocotb: the simulator's process; fast: the RTL as a library, stages by their digests."
        ),
    ] = "cocotb",
    waves: Annotated[bool, typer.Option(help="Write a waveform.")] = False,
    window: Annotated[
        str | None, typer.Option(help="With --engine fast: training samples of the waveform. [default: 0:4]")
    ] = None,
    pulses: Annotated[
        Path | None,
        typer.Option(
            help="Write the training run's pulses on the first layer as CSV, to replay on an instrument."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    out: Annotated[Path | None, typer.Option(help="Folder for result.json and the waveform.")] = None,
) -> None:
    """Run a job on the RTL beside the golden model; exit 1 on any difference.

    A random job reaches every path of any hardware, and each stage is compared. With --data it is the hybrid method on
    real images, in bulk: a digest of each stage of each sample, every pulse, all conductances and counters are compared.
    Where a digest differs, the job is played again to tell stage, sample and element, and to write a waveform of it.
    """
    from spec.numerics import MASK32

    check_simulator(sim)
    _check_engine(engine, sim, waves, data)
    check_count(DEFAULT_SAMPLES if samples is None else samples, 1, MOST_SAMPLES, "--samples")
    check_count(seed, 0, MASK32, "--seed")
    if tests is not None:
        check_count(tests, 1, MOST_SAMPLES, "--tests")
    _check_random(data, tests=tests, offline=offline, trained=trained, backward=backward, errors=errors)
    samples_shown = _window(window, engine, waves)
    folder = make_folder(out) if out else None
    places = folder or Path("build/waves")
    bulk = {"replays": places}
    fast = {"window": samples_shown, "waveform": places / "window" if waves else None, **bulk}
    with simulating(), steps() as progress:
        if data is None:
            kind = {"sim": sim, "waves": waves, "folder": folder, "fast": fast if engine == FAST else None}
            job = params or "TINY", device or "AlOx/HfO2", rule, samples or DEFAULT_SAMPLES, seed
            summary, found, device_pulse = _random(*job, progress=progress, **kind)
        else:
            given = {"data": data, "params": params, "device": device, "rule": rule, "trained": trained,
                     "backward": backward, "errors": errors, "offline": offline and {"kind": offline}, "seeds": [seed],
                     "train_samples": samples or 0, "test_samples": tests or 0}  # fmt: skip
            summary, found, device_pulse = _data(given, engine, fast if engine == FAST else bulk, progress)
    if pulses and found.record:
        _write_pulses(pulses, found, device_pulse, summary)
    text = json.dumps(summary, indent=2) + "\n"
    if out:
        write(out / "result.json", text)
    print(text if as_json else _text(summary), end="")
    if summary["mismatches"] or not summary["completed"]:
        raise typer.Exit(1)


def _random(params, device, rule, samples, seed, *, sim, waves, folder, fast, progress) -> tuple:
    """A random job, as options say: its summary, what was found, the device's pulses."""
    from sim.cosim import cosim_random
    from sim.fast.pair import run_fast
    from sim.stimulus import make_stimulus
    from spec.device_file import load_device
    from spec.params_file import load

    hardware, spec = load(params), load_device(device)
    check_rule(rule, hardware)
    if fast:
        found = run_fast(make_stimulus(hardware, spec, rule, samples, seed), progress=progress, **fast)
    else:
        found = cosim_random(
            hardware, spec, rule, sim, samples, seed, waves=waves, progress=progress, folder=folder
        )
    summary = _summary(found, samples) | {
        "params": hardware.name, "simulator": sim, "engine": FAST if fast else COCOTB, "samples": samples, "seed": seed,
        "device": spec.name, "rule": rule,
    }  # fmt: skip
    return summary, found, spec.pulse


def _data(given: dict, engine: str, how: dict, progress) -> tuple:
    """The hybrid method on a data set: as `_random`."""
    from sim.data_job import data_job, figures
    from sim.fast.pair import run_fast
    from sim.fast.under_cocotb import run_bulk
    from spec.run_file import run_from_dict

    run = run_from_dict({key: value for key, value in given.items() if value is not None})
    job = data_job(run, progress)
    found = (run_fast if engine == FAST else run_bulk)(job, progress=progress, **how)
    count = len(job.train_labels)
    summary = _summary(found, count) | {
        "params": run.params.name, "simulator": "verilator", "engine": engine, "data": run.data,
        "offline": run.offline.kind,
        "samples": count, "tests": len(job.test_labels), "seed": run.seeds[0], "device": run.device.name,
        "rule": run.rule, "phases": [asdict(phase) for phase in found.phases],
    }  # fmt: skip
    if found.result is not None:
        summary |= figures(job, found) | {
            "open_loop_accuracy": found.result.open_loop_accuracy, "hybrid_accuracy": found.result.hybrid_accuracy,
        }  # fmt: skip
    return summary, found, run.device.pulse


def _write_pulses(path: Path, found, device_pulse, summary: dict) -> None:
    """The training run's pulses, as the RTL gave them."""
    from model.pulse_trace import pulse_table

    write(path, pulse_table(found.record.strobes, found.params, found.registers, device_pulse))
    summary["pulses_file"] = str(path)


def _window(window: str | None, engine: str, waves: bool) -> range:
    """The training samples of a waveform.  Raises `InputError`."""
    if window is None:
        return range(4)
    if engine != FAST or not waves:
        raise InputError("needs --engine fast and --waves", key="--window")
    first, colon, end = window.partition(":")
    if not (colon and first.isdigit() and end.isdigit() and int(first) < int(end)):
        raise InputError(f"{window!r} is not FIRST:END", key="--window")
    return range(int(first), int(end))


def _check_random(data: str | None, **options: object) -> None:
    """Raise `InputError` for options that say nothing to a random job."""
    why = {
        "tests": "only a job with --data is tested",
        "offline": "only a job with --data has a software network",
        "trained": "a random job trains every layer; this is for --data",
        "backward": "a random job takes errors from everywhere; this is for --data",
        "errors": "a random job follows labels and codes; this is for --data",
    }
    for key, value in options.items():
        if data is None and value is not None:
            raise InputError(why[key], key=f"--{key}")


def _check_engine(engine: str, simulator: str, waves: bool, data: str | None) -> None:
    """Raise `InputError` for an engine that there is not, or that cannot do what is asked."""
    if engine not in ENGINES:
        raise InputError(f"{engine!r} is not one of {', '.join(ENGINES)}", key="--engine")
    if data is not None and waves and engine != FAST:
        raise InputError("a job with --data writes a waveform with --engine fast", key="--waves")
    if data is not None and simulator != "verilator":
        raise InputError(f"a job with --data is run with verilator, not {simulator}", key="--sim")
    if engine == FAST and simulator != "verilator":
        raise InputError(f"the fast engine is built with verilator, not {simulator}", key="--sim")


def _summary(found, samples: int) -> dict:
    completed = found.result is not None
    strobes, upper = (found.record.strobes, found.record.upper) if completed else (None, None)
    return {
        "mismatches": found.mismatches,
        "differences": found.differences,
        "completed": completed,
        "vacuous": found.vacuous,
        "pulses_up": strobes.pulses_up if strobes is not None else None,
        "pulses_down": strobes.pulses_down if strobes is not None else None,
        **(
            {}
            if upper is None
            else {"upper_pulses_up": upper.pulses_up, "upper_pulses_down": upper.pulses_down}
        ),
        "coverage": found.coverage,
        "cycles": found.cycles,
        "seconds": round(found.seconds, 3),
        "samples_per_s": round(samples / found.seconds, 2) if completed else None,
        "waveform": str(found.waveform) if found.waveform else None,
        "replayed": str(found.replayed) if found.replayed else None,
    }


def _data_lines(summary: dict) -> list[str]:
    """Where the time went, and what the epoch took on the hardware."""
    lines = ["phase                  samples       cycles  golden s     RTL s"]
    for p in summary["phases"]:
        if p["rtl_s"] + p["golden_s"] >= SHOWN_SECONDS:
            name, samples, cycles = p["name"], p["samples"] or "", p["cycles"]
            lines.append(f"{name:<20} {samples:>9} {cycles:>12} {p['golden_s']:>9.2f} {p['rtl_s']:>9.2f}")
    if summary["completed"]:
        lines += [
            f"cycles a sample   {summary['cycles_per_sample']:.1f}",
            f"array utilisation {100 * summary['array_utilisation']:.1f} %",
            f"test accuracy     {100 * summary['open_loop_accuracy']:.2f} % open loop, "
            f"{100 * summary['hybrid_accuracy']:.2f} % after the epoch",
        ]
    return lines


def _advice(summary: dict) -> list[str]:
    """What to do about a difference: what comes first names the block, the rest follows from it."""
    if not summary["mismatches"]:
        return []
    if summary["replayed"]:
        return [f"  its first difference as a waveform: {summary['replayed']}", f"  {GUIDE}"]
    if summary["waveform"]:
        return [f"  {GUIDE}"]
    again = "--waves" if "phases" not in summary else "--engine fast --waves --window FIRST:END"
    return [f"  the same with {again} writes a waveform; {GUIDE}"]


def _upper_line(summary: dict) -> list[str]:
    if "upper_pulses_up" not in summary:
        return []
    up, down = summary["upper_pulses_up"], summary["upper_pulses_down"]
    return [f"upper layer's     {up} up, {down} down"]


def _text(summary: dict) -> str:
    lines = [
        f"{summary['params']}, {summary['device']}, {summary['rule']}: {summary['samples']} samples, "
        f"seed {summary['seed']}, on {summary['simulator']}, engine {summary['engine']}",
        f"mismatches        {summary['mismatches']}",
        *(f"  {line}" for line in summary["differences"]),
        *_advice(summary),
    ]
    if summary["completed"]:
        lines += [
            f"online pulses     {summary['pulses_up']} up, {summary['pulses_down']} down",
            *_upper_line(summary),
            *(f"{name:<17} {count}" for name, count in summary["coverage"].items()),
            f"samples/s         {summary['samples_per_s']:g}",
        ]
    lines += _data_lines(summary) if "phases" in summary else []
    lines.append(f"cycles            {summary['cycles']}")
    if summary["waveform"]:
        lines.append(f"waveform          {summary['waveform']}")
    if "pulses_file" in summary:
        lines.append(f"pulses            {summary['pulses_file']}")
    if not summary["completed"]:
        lines.append("the run broke off before its end")
    elif summary["vacuous"]:
        lines.append(VACUOUS)
    return "\n".join(lines) + "\n"
