"""The pulse response of a compiled device: what its cells do, one pulse after the other."""

from dataclasses import replace

import numpy as np

from model.device.macro import GoldenMacro
from spec.device_image import DeviceImage
from spec.grid import tiles
from spec.params import HwParams


def pulse_response(params: HwParams, image: DeviceImage, up: int, down: int) -> np.ndarray:
    """States of the devices of the first row of the array's first macro, uint16[up + down + 1, columns * 2].

    From the erased state, `up` potentiating pulses on every device, then `down` depressing ones, each with the
    spread of its cell and of its pulse.
    """
    own = replace(tiles(params)[0].params, rows=1)
    macro = GoldenMacro(own, image)
    every = np.ones(own.columns, np.uint8)
    states = [macro.conductances()]
    for polarity in [0] * up + [1] * down:
        macro.strobe(0, every, every, polarity)
        states.append(macro.conductances())
    return np.array(states).reshape(len(states), -1)
