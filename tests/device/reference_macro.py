"""A slow macro in pure Python, written straight from spec/device_image.py; and images to try it on."""

from hypothesis import strategies as st

from spec.device_image import NODES, QUANTILES, SECTIONS, DeviceImage
from spec.numerics import (
    DOMAIN_CONVERTER,
    DOMAIN_READ,
    DOMAIN_STATIC,
    DOMAIN_STUCK,
    DOMAIN_WRITE,
    GAUSS,
    cell_index,
    draw,
    event_key,
    isqrt,
    saturate,
)


class ReferenceMacro:
    """Same operations as `GoldenMacro`; `g[row][column]` is the list [G+, G-]."""

    def __init__(self, image, rows, columns, read_bits, channels=0):
        """channels: erring converters; 0: none of them err."""
        self.channels = channels
        self.image, self.rows, self.columns = image, rows, columns
        self.r = image.state_bits - read_bits
        self.table = {section.name: image.section(section.name) for section in SECTIONS}
        self.seed = self.table["seed"][0]
        self.integrates = self.strobes = 0
        self.erase()

    def traits(self, row, column, minus):
        a = draw(event_key(self.seed, DOMAIN_STATIC, 0), cell_index(row, column, minus, self.columns))
        q_up, q_down, q_span, q_low = a & 255, (a >> 8) & 255, (a >> 16) & 255, a >> 24
        lo, s = self.table["low"][q_low], self.table["span"][q_span]
        return q_up, q_down, q_span, lo, s, min(lo + s, (1 << self.image.state_bits) - 1)

    def held(self, row, column, minus):
        """State of a stuck cell, None of a free one."""
        _, _, _, lo, s, hi = self.traits(row, column, minus)
        b = draw(event_key(self.seed, DOMAIN_STUCK, 0), cell_index(row, column, minus, self.columns))
        if (b & 0xFFFF) >= self.table["stuck_threshold"][0]:
            return None
        r, v = (b >> 16) & 255, b >> 24
        if r < self.table["stuck_low"][0]:
            return lo
        if r < self.table["stuck_low"][0] + self.table["stuck_high"][0]:
            return hi
        return min(lo + ((s * v) >> 8), hi)

    def erased(self, row, column, minus):
        held = self.held(row, column, minus)
        return self.traits(row, column, minus)[3] if held is None else held

    def erase(self):
        rows, columns = range(self.rows), range(self.columns)
        self.g = [[[self.erased(i, j, m) for m in (0, 1)] for j in columns] for i in rows]

    def pulse(self, row, column, minus, p, e):
        if self.held(row, column, minus) is not None:
            return
        q_up, q_down, q_span, lo, s, hi = self.traits(row, column, minus)
        g = self.g[row][column][minus]
        rel = min(((g - lo) * self.table["inverse"][q_span]) >> self.image.state_bits, 65535)
        t = self.table["down_table" if p else "up_table"]
        n, f = rel >> 10, rel & 1023
        mean = t[n] + (((t[n + 1] - t[n]) * f) >> 10)
        step = (mean * (self.table["scale_down"][q_down] if p else self.table["scale_up"][q_up])) >> 12
        h = draw(event_key(self.seed, DOMAIN_WRITE, e), cell_index(row, column, minus, self.columns))
        sigma = self.table["noise_add"][0] + ((mean * self.table["noise_rel"][0]) >> 12)
        noise = (GAUSS[h & 1023] * sigma) >> 8
        d = (((step if p == 0 else -step) + noise) * s) >> 16
        self.g[row][column][minus] = saturate(g + ((d + (h >> 20)) >> 12), lo, hi)

    def strobe(self, row, up, down, polarity):
        for column in range(self.columns):
            for minus, mask in ((0, up), (1, down)):
                if mask[column]:
                    self.pulse(row, column, minus, polarity, self.strobes)
        self.strobes = (self.strobes + 1) & 0xFFFF_FFFF

    def integrate(self, x, full=255):
        key = event_key(self.seed, DOMAIN_READ, self.integrates)
        self.integrates = (self.integrates + 1) & 0xFFFF_FFFF
        power = isqrt(sum(code**2 for code in x))
        sums = []
        for j in range(self.columns):
            pairs = [self.g[i][j] for i in range(self.rows)]
            signal = sum(
                xi * ((gp >> self.r) - (gm >> self.r)) for xi, (gp, gm) in zip(x, pairs, strict=True)
            )
            z = GAUSS[draw(key, j) & 1023]
            sums.append(signal + ((z * power * self.table["read_noise"][0]) >> 12))
        return [self.seen(j, total, full) for j, total in enumerate(sums)] if self.channels else sums

    def integrate_transposed(self, u, v, f, converters, full=255):
        key = event_key(self.seed, DOMAIN_READ, self.integrates)
        self.integrates = (self.integrates + 1) & 0xFFFF_FFFF
        sums = []
        for k in range(converters):
            if f + k >= self.rows:
                sums.append(0)
                continue
            du, dv = ((self.g[f + k][j][0] >> self.r) - (self.g[f + k][j][1] >> self.r) for j in (u, v))
            z = GAUSS[draw(key, k) & 1023]
            sums.append(full * (du - dv) + ((z * isqrt(2 * full**2) * self.table["read_noise"][0]) >> 12))
        return sums

    def seen(self, j, total, full):
        """The sum of column j as its converter sees it."""
        h = draw(event_key(self.seed, DOMAIN_CONVERTER, 0), j % self.channels)
        offset = (GAUSS[h & 1023] * self.table["converter_offset"][0] * full) >> 12
        gain = (GAUSS[(h >> 10) & 1023] * self.table["converter_gain"][0]) >> 8
        return saturate(total + ((total * gain) >> 12) + offset, -(2**31 - 1), 2**31 - 1)


def _section_values(section, low=0, high=None):
    """One section: now and then all its entries at an end of the range."""
    values = st.integers(low, section.high if high is None else high)
    if section.depth == 1:
        return values
    # few distinct entries, spread over the table: hypothesis stays fast and shrinks well
    entries = st.lists(values, min_size=1, max_size=5)
    return entries.map(lambda e: [e[k * len(e) // section.depth] for k in range(section.depth)])


@st.composite
def images(draw_value):
    """Any legal image, `inverse` consistent with `span`."""
    state_bits = draw_value(st.integers(8, 16))
    full = (1 << state_bits) - 1
    values = {}
    for section in SECTIONS:
        if section.name == "span":
            values["span"] = draw_value(_section_values(section, 1 << (state_bits - 5), full))
        elif section.name == "low":
            values["low"] = draw_value(_section_values(section, 0, full))
        elif section.name != "inverse":
            values[section.name] = draw_value(_section_values(section))
    values["inverse"] = [round((65535 << state_bits) / s) for s in values["span"]]
    return DeviceImage.from_sections(state_bits, **values)


def simple_image(state_bits=16, **changes):
    """A plain device for tests of known numbers: flat steps of 1/64 of the range, no spread or noise."""
    full = (1 << state_bits) - 1
    span = changes.pop("span", [full // 2] * QUANTILES)
    values = {
        "up_table": [(1 << 28) // 64] * NODES,
        "down_table": [(1 << 28) // 64] * NODES,
        "scale_up": [1 << 12] * QUANTILES,
        "scale_down": [1 << 12] * QUANTILES,
        "span": span,
        "inverse": [round((65535 << state_bits) / s) for s in span],
        "low": [full // 8] * QUANTILES,
        "noise_add": 0,
        "noise_rel": 0,
        "stuck_threshold": 0,
        "stuck_low": 0,
        "stuck_high": 0,
        "read_noise": 0,
        "seed": 1,
        "converter_offset": 0,
        "converter_gain": 0,
    }
    return DeviceImage.from_sections(state_bits, **(values | changes))
