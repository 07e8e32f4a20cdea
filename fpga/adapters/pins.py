"""The pins between the adapter and the board with the array."""

from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from fpga.adapters.cycles import idle_high
from spec.converter_parts import Parts
from spec.params import HwParams


def dac_chips(params: HwParams, parts: Parts) -> int:
    """DACs for a channel per row and one, the last, for the amplitude of pulses."""
    return -(-(params.rows + 1) // parts.dac.channels)


def select_lines(params: HwParams) -> int:
    """Lines of the shift registers: a row each, then up and down of the columns, then the polarity."""
    return params.rows + 2 * params.columns + 1


class AnalogPins(wiring.Signature):
    """Pins as the adapter has them; all outputs are registers.

    - dac_sclk, dac_din, dac_sync_n, dac_ldac_n: DACs (SpiDac).
    - discharge, integrate: the columns' integrators are held at zero; rows are driven and currents integrated.
    - mux: which column of each ADC's is connected; adc_sclk, adc_cs_n, adc_sdata: ADCs (SpiAdc).
    - sr_ser, sr_srclk, sr_rclk, sr_oe_n: select lines (ShiftRegister), which carry the inhibit level while sr_oe_n is 1.
    - strobe: a pulse on the selected cells; erase: on all.
    """

    def __init__(self, params: HwParams, parts: Parts):
        chips = dac_chips(params, parts)
        super().__init__(
            {
                "dac_sclk": Out(1),
                "dac_din": Out(1),
                "dac_sync_n": idle_high(chips),
                "dac_ldac_n": idle_high(),
                "discharge": idle_high(),
                "integrate": Out(1),
                "mux": Out(range(max(2, params.adc_groups))),
                "adc_sclk": idle_high(),
                "adc_cs_n": idle_high(),
                "adc_sdata": In(params.adc_channels),
                "sr_ser": Out(1),
                "sr_srclk": Out(1),
                "sr_rclk": Out(1),
                "sr_oe_n": idle_high(),
                "strobe": Out(1),
                "erase": Out(1),
            }
        )
