"""Timing diagrams as SVG, drawn from a waveform file (VCD), whichever simulator has written it.

The text depends on the waveform alone, so that a drawing in a document can be compared with a new one; what
matplotlib writes depends on its version.
"""

import itertools
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import NamedTuple

UNKNOWN = None
"""The value of a signal with bits that are X or Z, or before its first change."""
CYCLE_PX, ROW_PX, LINE_PX, SLANT_PX = 32, 26, 16, 3
LETTER_PX = 7
"""Width of a character, at the font size of the drawing."""
TOP_PX = 12


class Change(NamedTuple):
    time: int
    value: int | None


Wave = list[Change]
"""The changes of a signal, in order."""


@dataclass(frozen=True)
class Row:
    """One line of a diagram.  bits: 1 is drawn as a level, more as values, which `text` writes.

    given: what comes from the other side; its name is blue.
    """

    label: str
    wave: Wave
    bits: int = 1
    text: Callable[[int], str] = str
    given: bool = False


def read_waves(vcd: Path, scope: str) -> dict[str, tuple[int, Wave]]:
    """Signals of a scope ("bench.top") by name: width and changes, at times in units of the file.

    Raises KeyError when the scope is not there.  (pyvcd's reader refuses names that begin with $, as Amaranth has.)
    """
    words = iter(vcd.read_text().split())
    path: list[str] = []
    names: list[tuple[str, int, str]] = []
    waves: dict[str, Wave] = {}
    time = 0
    for word in words:
        match word[0]:
            case "$" if word in ("$scope", "$upscope", "$var", "$comment", "$date", "$version", "$timescale"):
                rest = list(iter(words.__next__, "$end"))
                if word == "$scope":
                    path.append(rest[1])
                elif word == "$upscope":
                    path.pop()
                elif word == "$var" and ".".join(path) == scope:
                    names.append((rest[3].lstrip("\\"), int(rest[1]), rest[2]))
                    waves[rest[2]] = []
            case "#":
                time = int(word[1:])
            case "0" | "1" | "x" | "z" | "X" | "Z":
                _append(waves.get(word[1:]), time, word[0])
            case "b" | "B":
                _append(waves.get(next(words)), time, word[1:])
            case "r" | "R" | "s" | "S":
                next(words)
    if not names:
        raise KeyError(scope)
    return {name: (bits, waves[code]) for name, bits, code in names}


def _append(wave: Wave | None, time: int, bits: str) -> None:
    if wave is None:
        return
    value = int(bits, 2) if set(bits) <= {"0", "1"} else UNKNOWN
    if wave and wave[-1].time == time:
        wave.pop()
    if not wave or wave[-1].value != value:
        wave.append(Change(time, value))


def value_at(wave: Wave, time: int) -> int | None:
    """The value that a signal has from `time` on."""
    index = bisect_right(wave, time, key=lambda change: change.time)
    return wave[index - 1].value if index else UNKNOWN


def rises(wave: Wave) -> list[int]:
    """Times at which a signal becomes 1 from 0."""
    return [b.time for a, b in itertools.pairwise(wave) if (a.value, b.value) == (0, 1)]


def draw(title: str, rows: Sequence[Row], edges: Sequence[int]) -> str:
    """An SVG of what happens between the first and the last of `edges`: times of the clock's, for which a line is drawn."""
    start, end = edges[0], edges[-1]
    period = (end - start) // (len(edges) - 1)
    left = 8 + LETTER_PX * max(len(row.label) for row in rows)
    width, height = left + CYCLE_PX * (len(edges) - 1) + 8, TOP_PX + ROW_PX * len(rows) + 8

    def x(time: int) -> int:
        return left + CYCLE_PX * (time - start) // period

    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" role="img">',
        f"<title>{escape(title)}</title>",
        "<style>text{font:12px monospace}path{fill:none;stroke:#000}.v{fill:#eef3fb}.u{fill:#ccc}.g{fill:#0645ad}.e{stroke:#ddd}</style>",
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        f'<path class="e" d="{" ".join(f"M{x(edge)} {TOP_PX}V{height - 8}" for edge in edges)}"/>',
    ]
    for number, row in enumerate(rows):
        y = TOP_PX + ROW_PX * number + (ROW_PX - LINE_PX) // 2
        style = ' class="g"' if row.given else ""
        lines.append(f'<text{style} x="4" y="{y + LINE_PX - 4}">{escape(row.label)}</text>')
        lines += _level(row, start, end, x, y) if row.bits == 1 else _values(row, start, end, x, y)
    return "\n".join([*lines, "</svg>", ""])


def _pieces(row: Row, start: int, end: int) -> list[tuple[int, int, int | None]]:
    """Begin, end and value of each stretch without a change."""
    times = [start, *(change.time for change in row.wave if start < change.time < end), end]
    return [(a, b, value_at(row.wave, a)) for a, b in itertools.pairwise(times)]


def _level(row: Row, start: int, end: int, x: Callable[[int], int], y: int) -> list[str]:
    path, boxes = "", []
    for a, b, value in _pieces(row, start, end):
        if value is UNKNOWN:
            boxes.append(f'<path class="u" d="M{x(a)} {y}H{x(b)}V{y + LINE_PX}H{x(a)}Z"/>')
            continue
        height = y if value else y + LINE_PX
        path += f"{'L' if path else 'M'}{x(a)} {height}H{x(b)}"
    return [*boxes, f'<path d="{path}"/>']


def _values(row: Row, start: int, end: int, x: Callable[[int], int], y: int) -> list[str]:
    lines, middle = [], y + LINE_PX // 2
    for a, b, value in _pieces(row, start, end):
        begin, finish = x(a), x(b)
        corners = f"L{begin + SLANT_PX} {y}H{finish - SLANT_PX}L{finish} {middle}"
        corners += f"L{finish - SLANT_PX} {y + LINE_PX}H{begin + SLANT_PX}Z"
        lines.append(f'<path class="{"u" if value is UNKNOWN else "v"}" d="M{begin} {middle}{corners}"/>')
        text = "" if value is UNKNOWN else row.text(value)
        if text and LETTER_PX * len(text) <= finish - begin - SLANT_PX:
            place = (begin + finish) // 2
            lines.append(
                f'<text x="{place}" y="{y + LINE_PX - 4}" text-anchor="middle">{escape(text)}</text>'
            )
    return lines
