"""The rules of the write lines, cycle by cycle."""

from enum import IntEnum
from typing import Any, NamedTuple

from spec.params import HwParams
from spec.registers import BY_NAME, Fault

RUNS = ("training", "transferring", "verifying", "tuning")
WINDOWED = ("training", "tuning")
ALONE = ("verifying", "tuning")
"""Runs whose strobes pulse one device."""
QUIET_MAX = (1 << BY_NAME["GUARD"].fields[0].bits) - 1


class Phase(IntEnum):
    OPEN = 0
    STROBE = 1
    HOLD = 2


class Lines(NamedTuple):
    """What a strobe pulses; up and down are masks as integers."""

    row: int = 0
    up: int = 0
    down: int = 0
    depress: int = 0
    amplitude: int = 0


class Inputs(NamedTuple):
    """The inputs of one cycle, named as the ports of hw/pulse_gate.py; `lines` and `strobe` are its `request`."""

    lines: Lines = Lines()
    strobe: int = 0
    integrate_request: int = 0
    integrate_continues: int = 0
    erase_request: int = 0
    converting: int = 0
    array_ready: int = 1
    width_limit: int = 0
    guard: int = 0
    strobe_cap: int = 0
    count_cap: int = 0
    training: int = 0
    transferring: int = 0
    verifying: int = 0
    tuning: int = 0
    readout_request: int = 0
    run_active: int = 0
    run_start: int = 0
    window_open: int = 0
    abort: int = 0
    clear_fault: int = 0


class GateState(NamedTuple):
    """The outputs of one cycle (lines to fault), and what is remembered besides."""

    lines: Lines = Lines()
    strobe: int = 0
    integrate: int = 0
    erase: int = 0
    readout: int = 0
    fault: int = 0
    phase: int = Phase.OPEN
    timer: int = 0  # cycles left of a strobe or of the guard behind it, after this one
    quiet: int = 0  # cycles for which the lines have been as they are
    late: int = 0  # cycles for which the array has not been ready, without those of strobes
    requested: int = 0  # `strobe` of the inputs one cycle ago
    modes: frozenset = frozenset()  # of this run so far
    strobes: int = 0  # of this run
    last_row: int | None = None  # of this run's last strobe
    on_row: int = 0  # strobes of this run on last_row, one after the other
    last_pair: tuple[int, int] | None = (
        None  # row and mask of the last strobe of a verify run or a tune window
    )
    on_pair: int = 0  # its strobes
    window: int = 0  # a window is open
    window_row: int | None = None  # of its last strobe
    credit: int = 0  # reads that no window has used
    pulsed: int = 0  # there was a strobe since the last integrate
    strobe_cap: int = 0  # of the inputs one cycle ago
    count_cap: int = 0  # likewise


def array_free(state: GateState, inputs: Inputs) -> bool:
    """The array is ready and was not started in this cycle."""
    started = state.integrate or state.erase or state.readout or state.strobe
    return bool(inputs.array_ready) and not started


def lines_free(state: GateState, inputs: Inputs) -> bool:
    """Neither a strobe nor the guard behind one goes on after this cycle."""
    if state.phase == Phase.HOLD:
        return state.timer == 0 and bool(inputs.array_ready or state.fault)
    return state.phase == Phase.OPEN


def _levels(inputs: Inputs) -> set[str]:
    return {name for name in RUNS if getattr(inputs, name)}


def _mode(state: GateState, inputs: Inputs) -> str | None:
    """The run that this cycle belongs to; none if the run has been of two modes."""
    levels = _levels(inputs)
    if not inputs.run_active or inputs.run_start or len(levels) != 1 or state.modes - levels:
        return None
    return levels.pop()


def _read_request(inputs: Inputs) -> bool:
    """A read is to begin: its later integrates only continue it."""
    return bool(inputs.integrate_request and not inputs.integrate_continues)


def _causes(params: HwParams, state: GateState, inputs: Inputs, mode: str | None) -> set[Fault]:
    """What is wrong with this cycle's requests."""
    causes = set()
    lines = inputs.lines
    begins = inputs.strobe and not state.requested
    goes_on = inputs.strobe and state.strobe
    operations = inputs.integrate_request + inputs.erase_request + inputs.readout_request
    free = array_free(state, inputs)
    opens = inputs.window_open and mode in WINDOWED
    if begins:
        if lines.up & lines.down:
            causes.add(Fault.UP_AND_DOWN)
        if not free:
            causes.add(Fault.BUSY_ARRAY)
        if state.phase != Phase.OPEN or state.quiet < max(inputs.guard, params.guard_min_cycles):
            causes.add(Fault.GUARD)
        if mode is None or (mode == "training" and not _fits_window(state, lines)):
            causes.add(Fault.REPEAT)
        if mode == "transferring":
            if state.last_row is not None and lines.row < state.last_row:
                causes.add(Fault.REPEAT)
            if state.count_cap <= (state.on_row if lines.row == state.last_row else 0):
                causes.add(Fault.COUNT_CAP)
        if mode in ALONE:
            causes |= _pair_causes(state, inputs, mode)
    if begins or goes_on:
        if inputs.converting or operations:
            causes.add(Fault.BUSY_ARRAY)
        if lines != state.lines:
            causes.add(Fault.GUARD)
    if goes_on and state.timer == 0:
        causes.add(Fault.WIDTH)
    if goes_on and mode is None:
        causes.add(Fault.REPEAT)
    if operations and (operations > 1 or not free or not lines_free(state, inputs)):
        causes.add(Fault.BUSY_ARRAY)
    if inputs.erase_request and _levels(inputs):
        causes.add(Fault.BUSY_ARRAY)
    if inputs.readout_request and inputs.converting:
        causes.add(Fault.BUSY_ARRAY)
    if inputs.readout_request and inputs.run_active and mode not in ALONE:
        causes.add(Fault.READOUT)
    if opens and (state.credit == 0 or _read_request(inputs)):
        causes.add(Fault.REPEAT)
    if inputs.integrate_request and inputs.integrate_continues and state.pulsed:
        causes.add(Fault.REPEAT)
    if (begins or state.phase == Phase.HOLD) and state.strobes >= state.strobe_cap:
        causes.add(Fault.STROBE_CAP)
    if not inputs.array_ready and not state.strobe and state.late == params.watchdog_cycles:
        causes.add(Fault.WATCHDOG)
    if inputs.abort:
        causes.add(Fault.ABORT)
    return causes


def _pair_causes(state: GateState, inputs: Inputs, mode: str) -> set[Fault]:
    """What is wrong with a strobe of a verify or tune run."""
    causes, lines = set(), inputs.lines
    pair = lines.row, lines.up | lines.down
    if lines.up.bit_count() + lines.down.bit_count() != 1:
        causes.add(Fault.DEVICES)
    if (mode == "tuning" and not state.window) or (state.last_pair is not None and pair < state.last_pair):
        causes.add(Fault.REPEAT)
    if state.count_cap <= (state.on_pair if pair == state.last_pair else 0):
        causes.add(Fault.COUNT_CAP)
    return causes


def _fits_window(state: GateState, lines: Lines) -> bool:
    in_order = state.window_row is None or lines.row > state.window_row
    return bool(state.window) and in_order and not lines.depress


def _next_fault(state: GateState, inputs: Inputs, causes: set[Fault]) -> int:
    """The first causes stay alone, but for an abort."""
    if not state.fault:
        return sum(1 << cause for cause in causes)
    kept = 0 if inputs.clear_fault and not inputs.run_active else state.fault
    return kept | inputs.abort << Fault.ABORT


def _strobe(params: HwParams, state: GateState, inputs: Inputs, begins: bool, stop: bool) -> dict:
    """Phase, timer and strobe of the next cycle."""
    timer = max(state.timer - 1, 0)
    match state.phase:
        case Phase.OPEN if begins:
            width = max(min(inputs.width_limit, params.pulse_max_cycles), 1)
            return {"phase": Phase.STROBE, "timer": width - 1, "strobe": 1}
        case Phase.STROBE if inputs.strobe and not stop:
            return {"timer": timer, "strobe": 1}
        case Phase.STROBE:
            return {"phase": Phase.HOLD, "timer": max(inputs.guard, params.guard_min_cycles) - 1, "strobe": 0}
        case Phase.HOLD if lines_free(state, inputs):
            return {"phase": Phase.OPEN, "timer": timer}
    return {"timer": timer}


def _lines(state: GateState, inputs: Inputs, may_select: bool) -> dict:
    """The lines of the next cycle; where they may not select, their masks are at the inhibit level."""
    quiet = min(state.quiet + 1, QUIET_MAX)
    if not lines_free(state, inputs):
        return {"quiet": quiet}
    starting = inputs.integrate_request or inputs.erase_request or inputs.readout_request
    reading = inputs.converting or starting
    if not may_select or reading or not array_free(state, inputs):
        return {"quiet": 1, "lines": inputs.lines._replace(up=0, down=0)}
    return {"quiet": quiet if inputs.lines == state.lines else 1, "lines": inputs.lines}


def _order(
    params: HwParams, state: GateState, inputs: Inputs, mode: str | None, begins: bool, reads: bool
) -> dict:
    """What is remembered of the run's strobes and windows."""
    if inputs.run_start:
        fresh = GateState()
        names = ("modes", "strobes", "last_row", "last_pair", "window", "window_row", "credit")
        return {name: getattr(fresh, name) for name in names}
    new: dict[str, Any] = {"modes": state.modes | _levels(inputs)}
    if begins:
        row = inputs.lines.row
        on_row = state.on_row + 1 if row == state.last_row else 1
        new |= {"strobes": state.strobes + 1, "last_row": row, "on_row": on_row, "window_row": row}
        pair = row, inputs.lines.up | inputs.lines.down
        new |= {"last_pair": pair, "on_pair": state.on_pair + 1 if pair == state.last_pair else 1}
    if mode not in WINDOWED or reads:
        new |= {"window": 0}
        if mode in WINDOWED:
            new |= {"credit": min(state.credit + 1, params.commit_depth)}
    elif inputs.window_open and state.credit and not _read_request(inputs):
        new |= {"window": 1, "window_row": None, "credit": state.credit - 1}
    if mode == "tuning" and inputs.window_open and state.credit and not _read_request(inputs):
        new |= {"last_pair": None}
    return new


def pulse_gate(params: HwParams, state: GateState, inputs: Inputs) -> GateState:
    """The state after one cycle, hence the outputs of the next; a run of it starts from `GateState()`.

    Everything asked for in a wrong moment is a cause of a fault (`spec.registers.Fault`); in a cycle without a cause
    and without a latched fault, everything asked for is granted.  The rules are those of hw/pulse_gate.py.
    """
    mode = _mode(state, inputs)
    causes = _causes(params, state, inputs, mode)
    stop = bool(causes or state.fault)
    begins = bool(inputs.strobe and not state.requested and not stop)
    reads = _read_request(inputs) and not stop
    integrates = int(inputs.integrate_request and not stop)
    new: dict[str, Any] = {
        "integrate": integrates,
        "pulsed": int((state.pulsed and not integrates) or begins),
        "erase": int(inputs.erase_request and not stop),
        "readout": int(inputs.readout_request and not stop),
        "fault": _next_fault(state, inputs, causes),
        "late": 0 if inputs.array_ready or state.strobe else min(state.late + 1, params.watchdog_cycles),
        "requested": inputs.strobe,
        "strobe_cap": inputs.strobe_cap,
        "count_cap": inputs.count_cap,
    }
    new |= _strobe(params, state, inputs, begins, stop)
    new |= _lines(state, inputs, mode is not None and not stop)
    new |= _order(params, state, inputs, mode, begins, reads)
    return state._replace(**new)
