"""Devices to hold an array against the golden macro with: bad ones, and the limits of what an image may say."""

import random

from spec.device_image import SECTIONS, DeviceImage
from spec.params import HwParams

EXTREMES = ("low", "high", "ends", "any")
"""What an extreme image fills a section with: one limit, the other, both, or anything between."""


def _image(params: HwParams, values: dict[str, list[int]]) -> DeviceImage:
    values["inverse"] = [round((65535 << params.state_bits) / span) for span in values["span"]]
    return DeviceImage.from_sections(
        params.state_bits, **{k: v[0] if len(v) == 1 else v for k, v in values.items()}
    )


def plausible_image(params: HwParams, rng: random.Random) -> DeviceImage:
    """A device with all its non-idealities, a bad one."""
    full = (1 << params.state_bits) - 1
    ranges = {
        "up_table": (0, 1 << 23), "down_table": (0, 1 << 23), "scale_up": (1 << 11, 1 << 13),
        "scale_down": (1 << 11, 1 << 13), "span": (full // 2, full), "low": (0, full // 2),
        "noise_add": (0, 1 << 21), "noise_rel": (0, 1 << 12), "stuck_threshold": (1 << 13, 1 << 15),
        "stuck_low": (0, 64), "stuck_high": (0, 64), "read_noise": (0, 1 << 12),
    }  # fmt: skip
    return _image(
        params,
        {s.name: [rng.randint(*ranges.get(s.name, (0, s.high))) for _ in range(s.depth)] for s in SECTIONS},
    )


def extreme_images(params: HwParams, rng: random.Random) -> list[DeviceImage]:
    """Legal images with whole sections at their limits: each section gets each of `EXTREMES` in one of them."""
    full = (1 << params.state_bits) - 1
    ranges = {"span": (1 << (params.state_bits - 5), full), "low": (0, full), "stuck_threshold": (0, 1 << 16)}
    images: list[dict[str, list[int]]] = [{} for _ in EXTREMES]
    for section in SECTIONS:
        low, high = ranges.get(section.name, (0, section.high))
        for values, kind in zip(images, rng.sample(EXTREMES, len(EXTREMES)), strict=True):
            choice = {"low": range(low, low + 1), "high": range(high, high + 1), "ends": (low, high)}
            entries = rng.choices(choice.get(kind, range(low, high + 1)), k=section.depth)
            values[section.name] = entries
    return [_image(params, values) for values in images]
