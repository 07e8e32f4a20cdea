"""What happens to bytes on a bad line."""

from collections import Counter
from dataclasses import dataclass
from random import Random


@dataclass(frozen=True)
class Rates:
    """Share of the bytes that are dropped, sent twice, changed, or held back; all between 0 and 1."""

    drop: float = 0.0
    duplicate: float = 0.0
    corrupt: float = 0.0
    delay: float = 0.0


PERFECT = Rates()


class NoisyLine:
    """One direction of a line.  seed: of its accidents; `accidents` counts them by the names of `Rates`.

    A byte that is held back, and all behind it, wait for `delay` calls of `pass_on`.
    """

    def __init__(self, rates: Rates = PERFECT, seed: int = 0, delay: int = 40):
        self.rates = rates
        self.delay = delay
        self.accidents: Counter[str] = Counter()
        self._random = Random(seed)
        self._held = bytearray()
        self._wait = 0

    @property
    def holds(self) -> bool:
        """Whether bytes wait here."""
        return bool(self._held)

    def pass_on(self, data: bytes) -> bytes:
        """Bytes go in, and those that are through come out."""
        ready = bytearray()
        if self._wait:
            self._wait -= 1
        if not self._wait:
            ready += self._held
            self._held.clear()
        for byte in data:
            if self._happens("drop"):
                continue
            if self._happens("corrupt"):
                byte ^= 1 << self._random.randrange(8)
            if self._happens("delay"):
                self._wait = self.delay
            target = self._held if self._wait else ready
            target += bytes((byte,)) * (1 + self._happens("duplicate"))
        return bytes(ready)

    def _happens(self, accident: str) -> bool:
        """Draws for every byte, so that the accidents of one kind do not depend on the rates of the others."""
        happens = self._random.random() < getattr(self.rates, accident)
        self.accidents[accident] += happens
        return happens
