"""Every rule of arithmetic that the golden model and the RTL share, described once.

The functions use only operators that Python integers, numpy arrays, numba and Amaranth values
share, so that `model` compiles them and `hw` elaborates them from this text.  What needs a
branch (`saturate`) has an Amaranth twin of the same name in `hw/numerics.py`.

Rules: two's complement; `>>` is an arithmetic shift (floor); rounding is half up; saturation is
explicit and symmetric for signed codes.  Widths are chosen so that int64 never overflows.
"""

import hashlib
from math import isqrt as _isqrt
from statistics import NormalDist

MASK32 = 0xFFFF_FFFF

# Domains of the counter-based generator: what a draw is for.
DOMAIN_STATIC = 0x51
DOMAIN_STUCK = 0x52
DOMAIN_WRITE = 0x53
DOMAIN_READ = 0x54
DOMAIN_UPDATE = 0x55
DOMAIN_CONVERTER = 0x56
# Of effects that only the golden model has.
DOMAIN_TRAITS = 0x57
DOMAIN_INL = 0x58
DOMAIN_VOLTAGE = 0x59
DOMAIN_DISTURB = 0x5A

GOLDEN_RATIO = 0x9E37_79B1
"""2^32 / phi, odd: its multiples spread neighbouring indices, and no two of them meet."""

CALIBRATED_FRACTION_BITS = 12
"""Fraction bits of the gain that corrects a converter; it is below 4."""
CALIBRATED_GAIN_BITS = CALIBRATED_FRACTION_BITS + 2

GAUSS_INDEX_BITS = 10
GAUSS_FRACTION_BITS = 8


def round_shift(value, shift):
    """floor(value / 2**shift + 1/2); `shift` >= 0.  Half rounds towards plus infinity."""
    return (value + ((1 << shift) >> 1)) >> shift


def saturate(value, low, high):
    """Clip an integer to low..high."""
    return min(max(value, low), high)


def signed_limit(bits):
    """Q, the largest magnitude of a symmetric signed code: 2**(bits-1) - 1."""
    return (1 << (bits - 1)) - 1


def mix32(word):
    """A 32-bit finaliser with low bias (two multiplications): each output bit depends on each input bit.

    Constants: C. Wellons, hash-prospector (public domain).  `word` is unsigned, below 2**32.
    """
    word = word ^ (word >> 16)
    word = (word * 0x7FEB_352D) & MASK32
    word = word ^ (word >> 15)
    word = (word * 0x846C_A68B) & MASK32
    return word ^ (word >> 16)


def event_key(seed, domain, event):
    """The generator's key of one event (a strobe, an integrate, or 0 for what never changes)."""
    return mix32(mix32((seed + domain) & MASK32) ^ event)


def draw(key, index):
    """32 random bits of one cell or column under a key from `event_key`."""
    return mix32(((index * GOLDEN_RATIO) & MASK32) ^ key)


THIN_BITS = 20
"""Low bits of a draw of `update_draw` that thin pulses: their chance is 2**-THIN_BITS at least."""


def mix_sums(word):
    """A 32-bit mix of shifts and sums, for hardware that has no multiplier to spare.  `word` is unsigned, below 2**32.

    From B. Jenkins' one-at-a-time hash (public domain).
    """
    word = (word + (word << 10)) & MASK32
    word = word ^ (word >> 6)
    word = (word + (word << 3)) & MASK32
    word = word ^ (word >> 11)
    word = (word + (word << 15)) & MASK32
    return word ^ (word >> 16)


def update_seed_key(seed):
    """What the pulses by chance of a run depend on, from the register UPDATE_SEED."""
    return mix_sums((seed + DOMAIN_UPDATE) & MASK32)


UPPER_SEED = 1 << 31
"""What the seed of an analog upper layer's pulses by chance differs by from that of the first layer's."""


def update_key(seed_key, sample):
    """The key of one sample's pulses by chance."""
    return mix_sums(seed_key ^ sample)


def update_draw(key, index, is_column):
    """32 random bits of one row or column of a sample under its `update_key`; the index is below 1024."""
    index = (index << 1) | is_column
    return mix_sums((index << 20) ^ (index << 9) ^ key)


def thinning_mask(threshold):
    """The bits of a draw that have to be 0: 1/threshold of the draws pass, threshold rounded up to a power of two.

    `threshold` is 1..2**33; at most `THIN_BITS` bits are asked for.
    """
    mask = threshold - 1
    mask = mask | (mask >> 1)
    mask = mask | (mask >> 2)
    mask = mask | (mask >> 4)
    mask = mask | (mask >> 8)
    mask = mask | (mask >> 16)
    return mask & ((1 << THIN_BITS) - 1)


def cell_index(row, column, minus, columns):
    """The generator's index of a device: the pair (row, column), `minus` 1 for its G-."""
    return ((row * columns + column) << 1) + minus


def isqrt(value: int) -> int:
    """floor(sqrt(value)) of a non-negative integer (numba and Amaranth have bit-serial twins)."""
    return _isqrt(value)


def _gauss_table() -> tuple[int, ...]:
    """Signed standard normal quantiles at (i + 1/2) / 2**GAUSS_INDEX_BITS, as integers * 2**GAUSS_FRACTION_BITS."""
    size = 1 << GAUSS_INDEX_BITS
    upper = [
        round(NormalDist().inv_cdf((i + 0.5) / size) * (1 << GAUSS_FRACTION_BITS))
        for i in range(size // 2, size)
    ]
    return tuple([-z for z in reversed(upper)] + upper)


GAUSS = _gauss_table()
GAUSS_BITS = max(GAUSS).bit_length() + 1
GAUSS_DIGEST = "4091690e60ba26e3"


def table_digest(table) -> str:
    """The digest that guards a stored integer table against a platform's different libm."""
    return hashlib.sha256(",".join(map(str, table)).encode()).hexdigest()[:16]


if table_digest(GAUSS) != GAUSS_DIGEST:
    raise RuntimeError(
        f"the Gaussian table differs on this platform: {table_digest(GAUSS)}, expected {GAUSS_DIGEST}"
    )
