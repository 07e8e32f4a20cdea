"""What a host streams into a run on samples, as words of the controller's streams, and in which order."""

from collections.abc import Iterator

import numpy as np

from hw.interfaces import Count, Pixels
from model.controller.teacher_delta import Teacher
from sim.payloads import Words
from spec.params import HwParams

CHUNK = 16
"""Samples between two reports of progress."""
SAMPLES, COUNTS = "samples", "counts"
"""Streams of the controller."""


def feed(
    params: HwParams, pixels: np.ndarray, labels: np.ndarray, teacher: Teacher | None = None
) -> Iterator[tuple[str, Words, int]]:
    """The stream, what goes into it next, and how many samples are complete with that.

    pixels: uint8[n, inputs]; labels: int[n].  The codes of a teacher are sent when the next sample is: the controller
    reads that one while it trains with this one, and neither waits for words that the host holds back.
    """
    if teacher is None:
        for first in range(0, len(pixels), CHUNK):
            part = slice(first, first + CHUNK)
            yield SAMPLES, sample_words(params, pixels[part], labels[part]), len(pixels[part])
        return
    for n in range(len(pixels) + 1):
        if n < len(pixels):
            yield SAMPLES, sample_words(params, pixels[n : n + 1], labels[n : n + 1]), 0
        if n:
            yield COUNTS, code_words(params, teacher.hidden[n - 1]), 1


def code_words(params: HwParams, codes: np.ndarray) -> Words:
    """Codes that the columns should have as words of the layout `Count`, in order; int[...]."""
    return Words.of(codes.ravel(), Count(params).size)


def sample_words(params: HwParams, pixels: np.ndarray, labels: np.ndarray) -> Words:
    """Samples as words of the layout `Pixels`; the bias row and the padding are 0.  uint8[n, inputs], int[n]."""
    layout, lanes = Pixels(params), params.dac_load_lanes
    rows = np.zeros((len(pixels), params.row_words, (layout.size + 7) // 8), np.uint8)
    padded = np.zeros((len(pixels), params.row_words * lanes), np.uint8)
    padded[:, : params.inputs] = pixels
    first, label = (layout[name].offset // 8 for name in ("pixels", "label"))  # both begin a byte
    rows[:, :, first : first + lanes] = padded.reshape(len(pixels), params.row_words, lanes)
    rows[:, :, label] = labels[:, None]
    return Words(rows.reshape(-1, rows.shape[2]))
