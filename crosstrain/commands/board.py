"""`run-on` and `simulate-board`: the main job on a board, and a board for who has none."""

import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from crosstrain.commands.cosim import DEFAULT_SAMPLES, MOST_SAMPLES
from crosstrain.console import simulating, steps
from crosstrain.files import make_folder, write
from crosstrain.options import DATA, Errors, check_count, check_rule
from spec.errors import InputError
from spec.params import HwParams

LINK_LOST = 3

BoardName = Annotated[
    str | None, typer.Option("--board", help="The board: its bitstream's parameters and its line's rate.")
]
Params = Annotated[
    str | None, typer.Option("--params", help="Hardware instead of a board's: an instance or a .toml file.")
]


def register(app: typer.Typer) -> None:
    app.command("run-on")(run_on)
    app.command("simulate-board")(simulate_board)


def run_on(
    port: Annotated[str, typer.Argument(help="Serial port, such as /dev/ttyUSB0.")],
    board: BoardName = None,
    params: Params = None,
    data: Annotated[str | None, typer.Option(help=f"{DATA}; without it the job is random.")] = None,
    samples: Annotated[
        int | None, typer.Option(help="Training samples. [default: 40, or all of the data]")
    ] = None,
    tests: Annotated[int | None, typer.Option(help="With --data: test samples. [default: all]")] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything that is random.")] = 0,
    device: Annotated[
        str | None, typer.Option(help="Device that the array plays: a preset or a .toml file.")
    ] = None,
    rule: Annotated[
        str | None, typer.Option(help="Update rule. [default: the first that is built in]")
    ] = None,
    errors: Errors = None,
    offline: Annotated[
        str | None, typer.Option(help="With --data: the software network, plain or noise-aware.")
    ] = None,
    baud: Annotated[int | None, typer.Option(help="Rate of the line. [default: the board's]")] = None,
    patience: Annotated[
        float, typer.Option(min=0.05, help="Seconds without a reply before a request is sent again.")
    ] = 0.25,
    read_out: Annotated[
        bool,
        typer.Option(
            help="Compare all conductances at the end, which takes a while; else some that were pulsed."
        ),
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    out: Annotated[Path | None, typer.Option(help="Folder for result.json.")] = None,
) -> None:
    """Run the method on a board beside the golden model; exit 1 on any difference, 3 when the link is lost."""
    from spec.numerics import MASK32

    hardware, rate = _hardware(board, params)
    check_count(seed, 0, MASK32, "--seed")
    check_count(DEFAULT_SAMPLES if samples is None else samples, 1, MOST_SAMPLES, "--samples")
    for option, value in {"--tests": tests, "--offline": offline, "--errors": errors}.items():
        if data is None and value is not None:
            raise InputError("needs --data", key=option)
    rule = check_rule(rule or hardware.rules[0], hardware)
    folder = make_folder(out) if out else None
    with steps() as progress:
        given = {"params": params or hardware.name, "data": data, "device": device, "rule": rule, "errors": errors,
                 "offline": offline and {"kind": offline}, "seeds": [seed], "train_samples": samples or 0,
                 "test_samples": tests or 0}  # fmt: skip
        job = _job(hardware, given, samples, progress)
        found = _play(port, baud or rate, patience, job, read_out, progress)
    summary = _summary(found, hardware, port, rule)
    text = json.dumps(summary, indent=2) + "\n"
    if folder:
        write(folder / "result.json", text)
    print(text if as_json else _text(summary), end="")
    if summary["mismatches"]:
        raise typer.Exit(1)


def _hardware(board: str | None, params: str | None) -> tuple[HwParams, int]:
    """The parameters and the line's rate that options say."""
    from fpga.boards import BAUD, find
    from spec.params_file import load

    if params is not None and board is not None:
        raise InputError("give either --board or --params", key="board")
    if params is not None:
        return load(params), BAUD
    found = find(board or "ulx3s")
    return found.params, found.baud


def _job(hardware: HwParams, given: dict[str, Any], samples: int | None, progress):
    """A job of the data, or a random one; given: the run file's values, None where the default is meant."""
    from sim.data_job import data_job
    from sim.stimulus import make_stimulus
    from spec.device_file import load_device
    from spec.run_file import run_from_dict

    if given["data"] is None:
        spec, seed = load_device(given["device"] or "AlOx/HfO2"), given["seeds"][0]
        return make_stimulus(hardware, spec, given["rule"], samples or DEFAULT_SAMPLES, seed)
    return data_job(run_from_dict({k: v for k, v in given.items() if v is not None}), progress)


def _play(port, baud, patience, job, read_out, progress):
    from fpga.board_job import run_on as play
    from fpga.host_link import LinkError, SerialChannel, UartBus
    from sim.host import IdentityError

    channel = SerialChannel(port, baud, patience)
    try:
        return asyncio.run(play(UartBus(channel, job.params), job, read_out=read_out, progress=progress))
    except IdentityError as error:
        raise InputError(str(error), source=port) from None
    except LinkError as error:
        print(f"crosstrain: {port}: {error}", file=sys.stderr)
        raise typer.Exit(LINK_LOST) from None
    finally:
        channel.close()


def _summary(found, hardware: HwParams, port: str, rule: str) -> dict:
    record, result = found.record, found.result
    strobes = record.strobes if record else None
    return {
        "params": hardware.name,
        "port": port,
        "rule": rule,
        "mismatches": found.mismatches,
        "differences": found.differences,
        "completed": result is not None,
        "samples": len(record.predictions) if record else None,
        "pulses_up": strobes.pulses_up if strobes else None,
        "pulses_down": strobes.pulses_down if strobes else None,
        "open_loop_accuracy": getattr(result, "open_loop_accuracy", None),
        "hybrid_accuracy": getattr(result, "hybrid_accuracy", None),
        "counters": found.counters,
        "seconds": round(found.seconds, 3),
        "retries": found.retries,
        "link": found.statistics,
    }


def _text(summary: dict) -> str:
    lines = [f"{summary['params']} at {summary['port']}, {summary['rule']}: {summary['samples']} samples"]
    lines += [f"mismatches        {summary['mismatches']}", *(f"  {line}" for line in summary["differences"])]
    if summary["completed"]:
        lines.append(f"online pulses     {summary['pulses_up']} up, {summary['pulses_down']} down")
        if summary["hybrid_accuracy"] is not None:
            before, after = 100 * summary["open_loop_accuracy"], 100 * summary["hybrid_accuracy"]
            lines.append(f"test accuracy     {before:.2f} % open loop, {after:.2f} % after the epoch")
    else:
        lines.append("the job broke off before its end")
    link = "".join(f", {count} {name}" for name, count in summary["link"].items())
    lines += [
        f"seconds           {summary['seconds']:.1f}",
        f"link              {summary['retries']} sent again{link}",
    ]
    return "\n".join(lines) + "\n"


def simulate_board(
    board: BoardName = None,
    params: Params = None,
    drop: Annotated[float, typer.Option(min=0, max=1, help="Share of the line's bytes that get lost.")] = 0,
    duplicate: Annotated[float, typer.Option(min=0, max=1, help="Share that comes twice.")] = 0,
    corrupt: Annotated[float, typer.Option(min=0, max=1, help="Share with a wrong bit.")] = 0,
    delay: Annotated[
        float, typer.Option(min=0, max=1, help="Share that is held back, with all behind it.")
    ] = 0,
    seed: Annotated[int, typer.Option(help="Seed of these accidents.")] = 0,
) -> None:
    """Simulate the FPGA of a board, at a pseudo-terminal: give the port that this prints to `run-on`.  Ctrl-C ends it."""
    from fpga.simulated.board import SimulatedBoard
    from fpga.simulated.noise import Rates
    from fpga.simulated.terminal import Terminal

    hardware, _ = _hardware(board, params)
    with simulating(), SimulatedBoard(hardware) as simulated:
        terminal = Terminal(simulated, Rates(drop, duplicate, corrupt, delay), seed)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: terminal.stop())
        print(f"{hardware.name} at {terminal.path}", flush=True)
        terminal.serve()
        accidents = "".join(f", {count} {name}" for name, count in sorted(terminal.accidents().items()))
        print(f"{simulated.cycles} cycles{accidents}")
