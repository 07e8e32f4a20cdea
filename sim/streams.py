"""Drivers of streams and a monitor of their rules, for cocotb: everything happens in the cycle of a rising edge.

`step` is called once after each rising edge of the clock.  What it reads is what held before the edge, hence what
the design saw; what it drives holds from the edge on.  Payloads are plain integers (sim/payloads.py).
"""

from collections.abc import Callable, Sequence
from typing import Any


class StreamError(AssertionError):
    """The design broke a rule of streams, or shows X."""


def read(handle: Any) -> int:
    """The value of a pin as an unsigned integer.  Raises StreamError when a bit of it is X or Z."""
    value = handle.value
    try:
        return int(value)
    except ValueError:
        raise StreamError(f"{handle._name} is {value}") from None


class StreamPins:
    """The pins of the stream `name` at a design's boundary, as Amaranth names them."""

    def __init__(self, dut: Any, name: str):
        self.name = name
        self.valid = getattr(dut, f"{name}__valid")
        self.ready = getattr(dut, f"{name}__ready")
        self.payload = getattr(dut, f"{name}__payload")
        self.mask = (1 << len(self.payload)) - 1


class Source:
    """Drives a stream into the design: item k comes `gaps[k % len(gaps)]` cycles after item k-1 was taken.

    While nothing is offered the payload is the last item inverted: a design that looks at it then is found out.
    `may` (item number -> bool) holds an item back.  `cycles` has the cycle of each transfer.
    """

    def __init__(self, pins: StreamPins, items: Sequence[int] = (), gaps: Sequence[int] = (0,)):
        self.pins, self.items, self.gaps = pins, list(items), gaps
        self.may: Callable[[int], bool] = lambda k: True
        self.cycles: list[int] = []
        self._wait = gaps[0]
        self._offered = False
        pins.valid.value = 0
        pins.payload.value = pins.mask

    @property
    def done(self) -> bool:
        return len(self.cycles) == len(self.items)

    def step(self, cycle: int) -> None:
        taken = len(self.cycles)
        if self._offered:
            if not read(self.pins.ready):
                return
            self.cycles.append(cycle)
            taken += 1
            self._wait = self.gaps[taken % len(self.gaps)]
        if taken < len(self.items) and self._wait == 0 and self.may(taken):
            self.pins.payload.value = self.items[taken]
            self.pins.valid.value = 1
            self._offered = True
        else:
            self._wait = max(0, self._wait - 1)
            if self._offered:
                self.pins.valid.value = 0
                self.pins.payload.value = self.pins.mask ^ self.items[taken - 1]
                self._offered = False


class Sink:
    """Takes what the design sends, and holds it to the rules: valid and payload stay until ready, no X.

    ready is low for the first `stalls[k % len(stalls)]` cycles in which item k is offered; a stall of 0 means that
    ready is there before valid.  `items` and `cycles` have the transfers.  Raises StreamError.
    """

    def __init__(self, pins: StreamPins, stalls: Sequence[int] = (0,)):
        self.pins, self.stalls = pins, stalls
        self.items: list[int] = []
        self.cycles: list[int] = []
        self._held: int | None = None
        self._wait = stalls[0]
        pins.ready.value = int(not self._wait)

    def step(self, cycle: int) -> None:
        pins = self.pins
        if not read(pins.valid):
            if self._held is not None:
                raise StreamError(f"{pins.name}: valid fell before item {len(self.items)} was taken")
            return
        payload = read(pins.payload)
        if self._held is not None and payload != self._held:
            was = f"{self._held:#x} to {payload:#x}"
            raise StreamError(f"{pins.name}: item {len(self.items)} changed from {was} before it was taken")
        if self._wait:
            self._held = payload
            self._wait -= 1
            if not self._wait:
                pins.ready.value = 1
            return
        self._held = None
        self.items.append(payload)
        self.cycles.append(cycle)
        self._wait = self.stalls[len(self.items) % len(self.stalls)]
        if self._wait:
            pins.ready.value = 0


class Recorder:
    """Records the pins `values` in each cycle in which all the pins `when` are 1: events without ready."""

    def __init__(self, dut: Any, when: Sequence[str], values: Sequence[str]):
        self._when = [getattr(dut, name) for name in when]
        self._values = [getattr(dut, name) for name in values]
        self.items: list[list[int]] = []
        self.cycles: list[int] = []

    def step(self, cycle: int) -> None:
        if all(read(pin) for pin in self._when):
            self.items.append([read(pin) for pin in self._values])
            self.cycles.append(cycle)
