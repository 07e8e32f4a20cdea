"""Measured data from a text table: pulse responses, or steps against conductance.

A first line names the columns; comma, semicolon, tab or blanks are between them; lines that start with # are comments.
"""

import csv
import io
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path

import numpy as np

from model.device.fit.data import DOWN, UP, Jumps, Response, Sweep
from spec.errors import InputError

LEAST_PULSES = 5
"""Different pulse numbers that one direction must have."""

SIEMENS = {"S": 1e6, "mS": 1e3, "uS": 1.0, "nS": 1e-3, "pS": 1e-6}
AMPERE = {"A": 1e6, "mA": 1e3, "uA": 1.0, "nA": 1e-3, "pA": 1e-6}
"""Factors to uS and to uA."""

NAMES = {
    "pulse": (
        "pulse",
        "pulses",
        "pulsenumber",
        "pulseno",
        "pulseindex",
        "pulsecount",
        "n",
        "number",
        "index",
    ),
    "conductance": ("conductance", "g", "cond", "current", "i", "id", "ids", "readcurrent"),
    "cell": ("cell", "cellid", "device", "deviceid", "dev", "id", "sample"),
    "polarity": ("polarity", "direction", "sign", "type", "operation", "mode", "pulsetype"),
    "cycle": ("cycle", "cycleno", "cyclenumber", "repeat", "repetition", "run", "sweep"),
    "step_up": ("stepup", "dgup", "deltagup", "up", "dgltp", "stepltp"),
    "step_down": ("stepdown", "dgdown", "deltagdown", "down", "dgltd", "stepltd"),
}
"""Names of each column, small letters and digits only, in order of preference."""

_UP = ("up", "+", "p", "ltp", "set", "potentiation", "potentiate", "pot", "program", "pos", "positive")
_DOWN = ("down", "-", "d", "ltd", "reset", "depression", "depress", "dep", "erase", "neg", "negative")
_MISSING = ("", "nan", "na", "n/a", "none", "null", "-", "--")
_UNIT = re.compile(rf"^(.*?)[\s_/(\[]+({'|'.join([*SIEMENS, *AMPERE])})[\])]?$")


@dataclass(frozen=True)
class Columns:
    """What the user says about the table: names of columns (else found by `NAMES`), unit, and read voltage."""

    names: dict[str, str] = field(default_factory=dict)
    unit: str | None = None
    v_read_V: float | None = None


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower().replace("δ", "delta"))


def _micro(text: str) -> str:
    return text.replace("µ", "u").replace("μ", "u")


def _read_text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", source=str(path)) from None
    for encoding in ("utf-8-sig", "latin-1"):  # older instruments write a Latin µ
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise AssertionError("Latin-1 decodes any bytes")


class _Table:
    """The lines of a file, the columns that were found, and their numbers or an error with file and line."""

    def __init__(self, path: Path, columns: Columns):
        self.path, self.columns = path, columns
        lines = [(i, t) for i, t in enumerate(_read_text(path).splitlines(), 1) if t.strip()]
        lines = [(i, t) for i, t in lines if not t.lstrip().startswith("#")]
        if not lines:
            raise InputError("is empty", source=str(path))
        self.separator = next((s for s in ";\t," if s in lines[0][1]), " ")
        self.heads = self._split(lines[0][1])
        if all(re.fullmatch(r"[-+.,\deE]*", head) for head in self.heads):
            raise InputError(f"line {lines[0][0]} does not name the columns", source=str(path))
        self.rows = [(i, self._split(t)) for i, t in lines[1:]]
        for line, row in self.rows:
            if len(row) != len(self.heads):
                raise self.error(line, "", f"{len(row)} columns; the head has {len(self.heads)}")
        self.matches = [_UNIT.match(_micro(head)) for head in self.heads]
        self.found = {which: self._find(which) for which in NAMES}

    def _split(self, text: str) -> list[str]:
        if self.separator == " ":
            return text.split()
        return [cell.strip() for cell in next(csv.reader(io.StringIO(text), delimiter=self.separator))]

    def error(self, line: int, column: str, text: str) -> InputError:
        return InputError(text, source=f"{self.path}:{line}", key=column)

    def _find(self, which: str) -> int | None:
        if wanted := self.columns.names.get(which):
            if wanted not in self.heads:
                text = f"there is no column {wanted!r}; there are {', '.join(self.heads)}"
                raise InputError(text, source=str(self.path), key=f"--{which.replace('_', '-')}")
            return self.heads.index(wanted)
        plain = [_plain(m[1] if m else head) for m, head in zip(self.matches, self.heads, strict=True)]
        return next((plain.index(name) for name in NAMES[which] if name in plain), None)

    def need(self, which: str) -> int:
        place = self.found[which]
        if place is None:
            text = f"is missing; there are {', '.join(self.heads)}"
            hint = f"name it with --{which.replace('_', '-')}"
            raise InputError(f"{text} ({hint})", source=str(self.path), key=f"column {which}")
        return place

    def factor(self, place: int) -> float:
        """From the unit of a column to uS."""
        match = self.matches[place]
        unit = _micro(self.columns.unit or (match[2] if match else ""))
        head = self.heads[place]
        if unit in SIEMENS:
            return SIEMENS[unit]
        known = ", ".join([*SIEMENS, *AMPERE])
        if unit not in AMPERE:
            if unit:
                raise InputError(f"unknown unit {unit!r}; there are {known}", key="--unit")
            text = f"its unit is not known: write {head + ' (uS)'!r} or use --unit ({known})"
            raise InputError(text, source=str(self.path), key=f"column {head}")
        if not self.columns.v_read_V:
            text = "a current: --v-read, the voltage that it was read at, is needed"
            raise InputError(text, source=str(self.path), key=f"column {head}")
        return AMPERE[unit] / abs(self.columns.v_read_V)

    def number(self, line: int, row: list[str], place: int) -> float | None:
        """A finite number; None where the value is missing."""
        text = row[place]
        if text.lower() in _MISSING:
            return None
        try:
            value = float(text.replace(",", ".") if self.separator in ";\t" else text)
        except ValueError:
            value = float("inf")
        if not isfinite(value):
            raise self.error(line, self.heads[place], f"{text!r} is not a number")
        return value

    def polarity(self, line: int, text: str, column: str) -> int | None:
        """0 up, 1 down; None where it is missing."""
        plain = text.lower()
        if plain in _UP or plain in _DOWN:
            return DOWN if plain in _DOWN else UP
        if plain in _MISSING:
            return None
        try:
            value = float(plain)
        except ValueError:
            value = 0.0
        if value == 0.0:
            raise self.error(
                line, column, f"{text!r} is neither up nor down (up, +1, ltp, set; down, -1, ltd, reset)"
            )
        return UP if value > 0 else DOWN


def read_table(path: Path, columns: Columns = Columns()) -> Response | Jumps:
    """Read a file; steps against conductance if it has columns of steps, else a pulse response.

    Raises `InputError` with the file, and where it is one value that is wrong with its line.
    """
    table = _Table(Path(path), columns)
    steps = [w for w in ("step_up", "step_down") if table.found[w] is not None]
    return _jumps(table, steps) if steps and table.found["pulse"] is None else _response(table)


def _jumps(table: _Table, steps: list[str]) -> Jumps:
    g_at = table.need("conductance")
    cell_at = table.found["cell"]
    rows: list[tuple[str, int, float, float]] = []
    for which in steps:
        at, sign = table.need(which), 1.0
        values = [(line, row, table.number(line, row, at)) for line, row in table.rows]
        if which == "step_down" and np.median([v for *_, v in values if v is not None] or [0.0]) < 0:
            sign = -1.0
        unit = table.factor(at if table.matches[at] or table.columns.unit else g_at)
        for line, row, value in values:
            g = table.number(line, row, g_at)
            if g is not None and value is not None:
                cell = row[cell_at] if cell_at is not None else ""
                polarity = DOWN if which == "step_down" else UP
                rows.append((cell, polarity, g * table.factor(g_at), sign * value * unit))
    for polarity in {r[1] for r in rows} or {UP}:
        if len({r[2] for r in rows if r[1] == polarity}) < LEAST_PULSES:
            raise InputError(
                f"too few points: {LEAST_PULSES} conductances are needed", source=str(table.path)
            )
    names, polarities, g_uS, moved = zip(*rows, strict=True)
    return Jumps(np.array(names), np.array(polarities), np.array(g_uS), np.array(moved))


def _response(table: _Table) -> Response:
    pulse_at, g_at = table.need("pulse"), table.need("conductance")
    factor = table.factor(g_at)
    polarity_at = table.found["polarity"]
    cells: dict[str, list[tuple]] = {}
    unsigned = 0
    for line, row in table.rows:
        n, g = table.number(line, row, pulse_at), table.number(line, row, g_at)
        polarity = None
        if polarity_at is not None:
            polarity = table.polarity(line, row[polarity_at], table.heads[polarity_at])
            unsigned += polarity is None
        if n is None or g is None or (polarity is None and polarity_at is not None):
            continue
        if n < 0 or n != int(n):
            raise table.error(line, table.heads[pulse_at], f"{row[pulse_at]!r} is not a count of pulses")
        cell, cycle = (row[at] if (at := table.found[w]) is not None else "" for w in ("cell", "cycle"))
        cells.setdefault(cell, []).append(((polarity, cycle), int(n), g * factor))
    if unsigned and unsigned == len(table.rows):
        raise InputError(
            "no row has one", source=str(table.path), key=f"column {table.heads[polarity_at or 0]}"
        )
    sweeps = [sweep for cell, points in cells.items() for sweep in _sweeps(cell, points)]
    missing = len(table.rows) - sum(map(len, cells.values()))
    notes = [f"{missing} of {len(table.rows)} rows have no value"] if missing else []
    if polarity_at is None:
        notes.append("no column of polarities: each sweep has that of its trend")
    return _checked(table, sweeps, notes)


def _sweeps(cell: str, points: Iterable[tuple]) -> list[Sweep]:
    """Cut where polarity or cycle changes or the pulse numbers start again."""
    groups: list[list[tuple]] = []
    for point in points:
        if not groups or groups[-1][-1][0] != point[0] or point[1] < groups[-1][-1][1]:
            groups.append([])
        groups[-1].append(point)
    sweeps, before = [], None
    for group in groups:
        n = np.array([p[1] for p in group])
        g = np.array([p[2] for p in group])
        if before is not None and n[0] > before[1]:  # numbered on: it starts where the last one ended
            n, g = np.insert(n - before[1], 0, 0), np.insert(g, 0, before[2])
        before = group[-1]
        polarity = group[0][0][0]
        if polarity is None:
            polarity = UP if len(set(n)) < 2 or np.polyfit(n, g, 1)[0] >= 0 else DOWN
        sweeps.append(Sweep(cell, polarity, n, g))
    return sweeps


def _checked(table: _Table, sweeps: list[Sweep], notes: list[str]) -> Response:
    kept = [s for s in sweeps if len(np.unique(s.pulses)) >= LEAST_PULSES]
    if not kept:
        most = max((len(np.unique(s.pulses)) for s in sweeps), default=0)
        text = f"too few points: no sweep has more than {most} pulse numbers, {LEAST_PULSES} are needed"
        raise InputError(text, source=str(table.path))
    if len(kept) < len(sweeps):
        notes.append(f"{len(sweeps) - len(kept)} sweeps of fewer than {LEAST_PULSES} points are left out")
    return Response(tuple(kept), tuple(notes))
