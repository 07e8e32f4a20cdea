"""A device compiled to integers: the tables and constants that every macro (golden, RTL, fast twin) uses.

State g of a cell: absolute conductance in `state_bits` bits.  One write pulse, polarity p (0 potentiates,
1 depresses), on cell i at strobe e (all integers, rules in spec/numerics.py; k = event_key(seed, domain, event)):

    a   = draw(event_key(seed, STATIC, 0), i)         bytes 0..3: q_up, q_down, q_span, q_low
    b   = draw(event_key(seed, STUCK, 0), i)          low 16 bits < stuck_threshold: the cell never moves
    lo  = low[q_low];  s = span[q_span];  hi = min(lo + s, 2**state_bits - 1)
    rel = min(((g - lo) * inverse[q_span]) >> state_bits, 65535)          relative state, 16 bits
    t   = (up|down)_table, 65 nodes: n = rel >> 10, f = rel & 1023
    mean  = t[n] + (((t[n+1] - t[n]) * f) >> 10)                          in 1/65536 of the span, 12 fraction bits
    step  = (mean * (scale_up[q_up] | scale_down[q_down])) >> 12
    h     = draw(event_key(seed, WRITE, e), i)
    noise = (GAUSS[h & 1023] * (noise_add + ((mean * noise_rel) >> 12))) >> 8
    d     = (((step if p == 0 else -step) + noise) * s) >> 16
    g'    = saturate(g + ((d + (h >> 20)) >> 12), lo, hi)                 stochastic rounding by 12 bits of h

Erased state: lo; a stuck cell holds, by r = (b >> 16) & 255 and v = b >> 24:
    lo if r < stuck_low;  hi if r < stuck_low + stuck_high;  else lo + ((s * v) >> 8)   (hi caps all).

One read (integrate number e) of codes x, with the pair's difference taken on the top `read_bits` of each state:
    sum_j = sum_i x_i * ((g+_ij >> r) - (g-_ij >> r)) + ((GAUSS[draw(event_key(seed, READ, e), j) & 1023]
            * isqrt(sum_i x_i**2) * read_noise) >> 12),        r = state_bits - read_bits

One transposed read (integrate number e) of rows f, f + 1, .., as many as there are converters, with column u driven at
full scale F of the codes and column v likewise in opposite polarity:
    sum_k = F * (d_(f+k)u - d_(f+k)v) + ((GAUSS[draw(event_key(seed, READ, e), k) & 1023] * isqrt(2 * F**2)
            * read_noise) >> 12),        d_ij = (g+_ij >> r) - (g-_ij >> r)

One reading (integrate number e) of a cell, or of the difference of a pair, of column j, in state codes:
    g + ((GAUSS[draw(event_key(seed, READ, e), j) & 1023] * read_noise << r) >> 12)

Where the hardware has `converter_errors`, what the converter k = j mod adc_channels of a column sees in its place is
    h      = draw(event_key(seed, CONVERTER, 0), k)
    offset = (GAUSS[h & 1023] * converter_offset * full) >> 12      full: full scale of the codes; 1 in bit-serial reads
    gain   = (GAUSS[(h >> 10) & 1023] * converter_gain) >> 8
    saturate(sum_j + ((sum_j * gain) >> 12) + offset, -(2**31 - 1), 2**31 - 1)
"""

from dataclasses import dataclass
from enum import IntEnum

from spec.effects import DeviceEffects, refuse_model_only
from spec.errors import InputError

NODES = 65
"""Nodes of a step table: 64 linear pieces over the relative state."""
QUANTILES = 256
"""Entries of a spread table, indexed by one random byte: a distribution as its quantiles."""

STEP_FRACTION_BITS = 12
SCALE_FRACTION_BITS = 12
READ_NOISE_SHIFT = 12
GAIN_FRACTION_BITS = 12
REL_BITS = 16
NODE_SHIFT = 10


class Readout(IntEnum):
    """What a readout gives: the two states as they are, or a reading with the noise of the read circuit."""

    STATES = 0
    PLUS = 1
    MINUS = 2
    PAIR = 3


@dataclass(frozen=True)
class Section:
    """One table or constant of an image: where it sits in the emulator's window, and its range."""

    name: str
    depth: int
    bits: int
    doc: str

    @property
    def high(self) -> int:
        return (1 << self.bits) - 1


SECTIONS = (
    Section("up_table", NODES, 28, "mean potentiation step, 1/65536 of the span, 12 fraction bits"),
    Section("down_table", NODES, 28, "mean depression step, likewise"),
    Section("scale_up", QUANTILES, 16, "step spread over cells, potentiation, 12 fraction bits"),
    Section("scale_down", QUANTILES, 16, "step spread over cells, depression, 12 fraction bits"),
    Section("span", QUANTILES, 16, "range of a cell in state codes, at least 2**(state_bits - 5)"),
    Section("inverse", QUANTILES, 22, "round(2**state_bits * 65535 / span)"),
    Section("low", QUANTILES, 16, "lowest state of a cell"),
    Section("noise_add", 1, 28, "cycle-to-cycle sigma as a share of the range, 1/65536, 12 fraction bits"),
    Section("noise_rel", 1, 16, "cycle-to-cycle sigma as a share of the mean step, 12 fraction bits"),
    Section("stuck_threshold", 1, 17, "share of stuck cells * 65536"),
    Section("stuck_low", 1, 9, "share of the stuck cells held at their lowest state * 256"),
    Section("stuck_high", 1, 9, "share of the stuck cells held at their highest state * 256"),
    Section("read_noise", 1, 19, "read-noise sigma per unit of sqrt(sum of x**2), 4 fraction bits"),
    Section("seed", 1, 32, "seed of all the device's randomness"),
    Section(
        "converter_offset",
        1,
        19,
        "sigma of a converter's offset, column-sum units at input code 1, 4 fraction bits",
    ),
    Section("converter_gain", 1, 11, "sigma of a converter's gain error, 12 fraction bits"),
)
"""All sections in address order: section k starts where section k-1 ends.

With a read-noise constant of 19 bits no sum of 1024 rows leaves 32 bits (20 bits would)."""

READING_NOISE_MAX = next(section.high for section in SECTIONS if section.name == "read_noise")


def offset(name: str) -> int:
    """The first address of a section in the emulator's window."""
    position = 0
    for section in SECTIONS:
        if section.name == name:
            return position
        position += section.depth
    raise KeyError(name)


IMAGE_WORDS = sum(section.depth for section in SECTIONS)


@dataclass(frozen=True)
class DeviceImage:
    """A compiled device: `words` in section order.  Build one with `from_sections`."""

    state_bits: int
    words: tuple[int, ...]
    effects: DeviceEffects | None = None
    """What only the golden model has of it; an image with effects is refused by everything else."""

    def refuse_effects(self, what: str) -> None:
        """Raise `InputError` if there are effects; `what` is what does not have them."""
        if self.effects:
            refuse_model_only(self.effects.settings.model_only, what)

    @classmethod
    def from_sections(cls, state_bits: int, **values) -> "DeviceImage":
        """Check every section's length and range and pack them; raises `InputError`."""
        words: list[int] = []
        for section in SECTIONS:
            raw = values.pop(section.name)
            entries = [int(v) for v in (raw if section.depth > 1 else [raw])]
            if len(entries) != section.depth:
                raise InputError(f"{len(entries)} entries, {section.depth} needed", key=section.name)
            if min(entries) < 0 or max(entries) > section.high:
                raise InputError(f"{min(entries)}..{max(entries)} leaves 0..{section.high}", key=section.name)
            words += entries
        if values:
            raise InputError(f"unknown sections {', '.join(values)}")
        image = cls(state_bits, tuple(words))
        image._check_relations()
        return image

    def section(self, name: str) -> tuple[int, ...]:
        start = offset(name)
        return self.words[start : start + next(s.depth for s in SECTIONS if s.name == name)]

    def _check_relations(self) -> None:
        full = (1 << self.state_bits) - 1
        if min(self.section("span")) < 1 << (self.state_bits - 5) or max(self.section("span")) > full:
            raise InputError(f"spans must be {1 << (self.state_bits - 5)}..{full}", key="span")
        if max(self.section("low")) > full:
            raise InputError(f"states must be at most {full}", key="low")
