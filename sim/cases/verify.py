"""Cases for program-verify: cells that answer to pulses when a case is drawn, their readings when it is played."""

from collections.abc import Generator
from random import Random

from hw.verify import SETTINGS
from model.controller.verify import DONE, PULSE, Loop, VerifySettings, begin, verify
from sim.cases import Outputs, Pick
from sim.simulation import Case, Event
from spec.device_image import Readout
from spec.params import HwParams

SEEDS = 1 << 16
VERIFY_EVENTS = {"given_up": Event(("given_up",)), "done": Event(("done",))}

Steps = Generator[tuple[str, dict], int, None]
"""What the block does, as (output, payload); what is sent back for a "read" is its reading."""


def _loop(
    p: HwParams, s: VerifySettings, row: int, column: int, kind: Readout, loop: Loop, step: int | None
) -> Steps:
    """One cell or pair; `step`: the target is so far from the first reading."""
    action = PULSE
    while True:
        reading = 0
        for _ in range(s.averages):
            reading += yield "read", {"row": row, "column": column, "kind": int(kind)}
        if step is not None:
            loop, step = loop._replace(wanted=reading + step * s.averages), None
        action, depress, loop = verify(s, loop, reading)
        if action != PULSE:
            break
        up, down = (int(loop.active == minus) << column for minus in range(2))
        yield "o", {"row": row, "up": up, "down": down, "depress": int(depress)}
    if action != DONE:
        yield "given_up", {}


def _steps(p: HwParams, case: Case) -> Steps:
    """All that the block does."""
    c = case.config
    s = VerifySettings(c["tolerance"], c["movement"], c["pulse_cap"], c["averages"], c["give_up"])
    if c["verifying"]:
        targets = iter(item["count"] for item in case.inputs["targets"])
        for row in range(p.rows):
            for column in range(p.columns):
                for kind in (Readout.PAIR,) if c["way"] else (Readout.PLUS, Readout.MINUS):
                    target = next(targets)
                    active = target < 0 if c["way"] else kind == Readout.MINUS
                    loop = begin(target * s.averages, c["way"], int(active))
                    yield from _loop(p, s, row, column, kind, loop, None)
        yield "done", {}
        return
    for operation in case.inputs["i"]:
        if not c["tuning"]:
            yield "o", operation
            continue
        for column in range(p.columns):
            up, down = operation["up"] >> column & 1, operation["down"] >> column & 1
            if up or down:
                step = c["step_up"] if up else -c["step_down"]
                loop = begin(0, 1, 1 - up)
                yield from _loop(p, s, operation["row"], column, Readout.PAIR, loop, step)


class _Cells:
    """Cells that move by what they like when pulsed; some never."""

    def __init__(self, p: HwParams, rng: Random, stride: int):
        self.rng, self.stride = rng, stride
        limit = (1 << p.state_bits) - 1
        self.states = [
            [[rng.randint(0, limit) for _ in range(2)] for _ in range(p.columns)] for _ in range(p.rows)
        ]
        self.stuck = rng.choice((0.0, 0.2, 1.0))

    def read(self, row: int, column: int, kind: int) -> int:
        plus, minus = self.states[row][column]
        noise = self.rng.randint(-self.stride, self.stride) // 4
        return {Readout.PLUS: plus, Readout.MINUS: minus, Readout.PAIR: plus - minus}[Readout(kind)] + noise

    def pulse(self, row: int, up: int, down: int, depress: int) -> None:
        if self.rng.random() >= self.stuck:
            step = self.rng.randint(0, 2 * self.stride)
            self.states[row][(up | down).bit_length() - 1][down != 0] += -step if depress else step


def draw_verify(p: HwParams, pick: Pick) -> Case:
    mode, rng = pick(0, 2), Random(pick(0, SEEDS))
    limit = (1 << p.state_bits) - 1
    stride = 1 << pick(2, p.state_bits - 2)
    config = {
        "verifying": int(mode == 1), "tuning": int(mode == 2), "way": pick(0, 1), "writing": 0,
        "tolerance": pick(0, 2 * stride), "movement": pick(0, stride), "pulse_cap": pick(0, 5),
        "averages": pick(1, 3), "give_up": pick(0, 3), "step_up": pick(0, 3 * stride), "step_down": pick(0, 3 * stride),
    }  # fmt: skip
    assert set(SETTINGS) <= set(config)
    case = Case({"i": [], "targets": [], "reading": []}, config)
    cells = _Cells(p, rng, stride)
    if mode == 1:
        low, words = (-limit, 1) if config["way"] else (0, 2)
        case.inputs["targets"] = [
            {"count": rng.randint(low, limit)} for _ in range(p.rows * p.columns * words)
        ]
    else:
        masks = [(rng.getrandbits(p.columns), rng.getrandbits(p.columns)) for _ in range(pick(1, 3))]
        case.inputs["i"] = [
            {"row": rng.randrange(p.rows), "up": up, "down": down & ~up, "depress": 0} for up, down in masks
        ]
    _play(p, case, cells)
    return case


def _play(p: HwParams, case: Case, cells: _Cells | None) -> Outputs:
    """What comes out.  The readings are the cells', which are kept in the case, or those of the case."""
    out: Outputs = {name: [] for name in ("read", "o", "given_up", "done")}
    readings = iter(case.inputs["reading"])
    steps, answer = _steps(p, case), None
    while True:
        try:
            name, payload = steps.send(answer)  # type: ignore[arg-type]
        except StopIteration:
            return out
        out[name].append(payload if name in ("read", "o") else [])
        answer = None
        if name == "read":
            answer = cells.read(**payload) if cells else next(readings)
            if cells:
                case.inputs["reading"].append(answer)
        elif name == "o" and cells:
            cells.pulse(**payload)


def golden_verify(p: HwParams, case: Case) -> tuple[Outputs, dict]:
    return _play(p, case, None), {"busy": 0}
