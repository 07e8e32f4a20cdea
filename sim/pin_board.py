"""The board behind the worked adapter's pins: models of its parts, and the golden macro as its array."""

from typing import Any

import numpy as np

from model.device.macro import GoldenMacro
from sim.pin_models import NEVER, AdcModel, DacModel, Pin, PinWatch, RegisterModel, now
from spec.converter_parts import Parts
from spec.device_image import DeviceImage
from spec.params import HwParams


class PinBoard:
    """Everything on the pins of `dut` named `pins__*` (AnalogPins), one array of `params`.

    The ADCs see the golden macro's column sums, one unit to a code above the middle of their range: equal bits need sums
    that fit it, and one that does not is noted in `watch`.
    widths, amplitudes: of the strobes, in ns and DAC codes.  integrations: their lengths in ns.  guard_ns: for which the
    select lines have to stand before a strobe and behind it.
    """

    def __init__(self, dut: Any, params: HwParams, parts: Parts, image: DeviceImage, guard_ns: float):
        self.params, self.parts, self.guard_ns = params, parts, guard_ns
        self.golden = GoldenMacro(params, image)
        self.watch = watch = PinWatch()
        pins = {name: getattr(dut, f"pins__{name}") for name in ALL_PINS}
        self.dac = DacModel(
            watch, parts.dac, *(pins[f"dac_{name}"] for name in ("sclk", "din", "sync_n", "ldac_n"))
        )
        lines = params.rows + 2 * params.columns + 1
        self.register = RegisterModel(
            watch, parts.register, lines, *(pins[f"sr_{name}"] for name in ("ser", "srclk", "rclk"))
        )
        sclk, cs_n, sdata = (pins[f"adc_{name}"] for name in ("sclk", "cs_n", "sdata"))
        self.adc = AdcModel(watch, parts.adc, sclk, cs_n, sdata, self._sample)
        self.widths: list[float] = []
        self.integrations: list[float] = []
        self.amplitudes: list[int] = []
        self.sums = np.zeros(params.columns, np.int32)
        self._selected_lines = 0
        self._strobe_ended = NEVER
        self._pins: dict[str, Pin] = {}
        for name in ("integrate", "discharge", "mux", "sr_oe_n", "strobe", "erase"):
            self._pins[name] = Pin(pins[name])
            watch.follow(self._pins[name], getattr(self, f"_{name}"))
        watch.follow(Pin(pins["sr_rclk"]), self._lines_change)
        for name, level in QUIET.items():
            watch.require(self._pins[name].value == level, f"{name} is not {level} in reset")

    # -- reads ---------------------------------------------------------------------------------

    def _integrate(self, before: int) -> None:
        pin, p = self._pins["integrate"], self.params
        if not before:
            self.watch.least("rows settle before they are driven", self.dac.stood, 0)
            self.watch.require(not self._pins["strobe"].value, "integrate in a strobe")
            return
        self.integrations.append(now() - pin.rose)
        levels = [code for chip in self.dac.outputs for code in chip][: p.rows]
        below = self.parts.dac.code_bits - p.dac_bits
        self.watch.require(all(level % (1 << below) == 0 for level in levels), f"rows at {levels}")
        self.sums = self.golden.integrate(np.array([level >> below for level in levels], np.int64))

    def _discharge(self, before: int) -> None:
        self.watch.require(bool(before) or not self._pins["integrate"].value, "discharged in an integration")

    def _mux(self, before: int) -> None:
        self.watch.require(not self.adc.converting, "mux changes in a conversion")

    def _sample(self) -> list[int]:
        part, p = self.parts, self.params
        stands = max(self._pins["integrate"].fell, self._pins["mux"].changed + part.multiplexer.settle)
        self.watch.least("ADC: input stands before CS falls", stands, part.adc.acquire)
        self.watch.require(not self._pins["discharge"].value, "conversion of discharged columns")
        first = self._pins["mux"].value * p.adc_channels
        zero = 1 << (part.adc.code_bits - 1)
        found = [int(total) + zero for total in self.sums[first : first + p.adc_channels]]
        return found + [zero] * (p.adc_channels - len(found))

    # -- pulses --------------------------------------------------------------------------------

    def _lines_change(self, before: int) -> None:
        self.watch.require(not self._pins["strobe"].value, "the select lines change in a strobe")

    def _sr_oe_n(self, before: int) -> None:
        self.watch.require(not self._pins["strobe"].value, "the select lines go on or off in a strobe")
        if self._pins["sr_oe_n"].value:
            self.watch.least("select lines stand behind a strobe", self._strobe_ended, self.guard_ns)

    def _strobe(self, before: int) -> None:
        if before:
            self._strobe_ended = now()
            self.widths.append(now() - self._pins["strobe"].rose)
            self.watch.require(
                self.register.outputs == self._selected_lines, "the select lines change in a strobe"
            )
            self._pulse(self.register.outputs)
            return
        on = self._pins["sr_oe_n"].fell
        self._selected_lines = self.register.outputs
        self.watch.require(not self._pins["sr_oe_n"].value, "a strobe while no line is on")
        self.watch.least("select lines stand before a strobe", max(on, self.register.stood), self.guard_ns)
        self.watch.least("select lines are on before a strobe", on, self.parts.register.enable)
        self.watch.least("amplitude settles before a strobe", self.dac.stood, 0)
        self.watch.require(not self._pins["integrate"].value, "a strobe in an integration")
        outputs = [code for chip in self.dac.outputs for code in chip]
        self.amplitudes.append(outputs[self.params.rows])

    def _pulse(self, lines: int) -> None:
        p = self.params
        levels = np.array([lines >> k & 1 for k in range(self.register.lines)])
        rows, up, down, rest = np.split(levels, np.cumsum([p.rows, p.columns, p.columns]))
        self.watch.require(rows.sum() == 1, f"{rows.sum()} rows selected")
        self.golden.strobe(int(rows.argmax()), up, down, int(rest[0]))

    def _erase(self, before: int) -> None:
        if before:
            self.watch.require(bool(self._pins["sr_oe_n"].value), "erase with select lines on")
            self.golden.erase()


ALL_PINS = (
    "dac_sclk", "dac_din", "dac_sync_n", "dac_ldac_n", "discharge", "integrate", "mux", "adc_sclk", "adc_cs_n",
    "adc_sdata", "sr_ser", "sr_srclk", "sr_rclk", "sr_oe_n", "strobe", "erase",
)  # fmt: skip
QUIET = {"strobe": 0, "erase": 0, "integrate": 0, "discharge": 1, "sr_oe_n": 1}
"""Levels in reset."""
