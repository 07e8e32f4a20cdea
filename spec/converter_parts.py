"""Times of the parts that the worked adapter (fpga/adapters/) drives, in one table.

From the data sheets, to be checked against their current revisions.  In ns: least times, but those that are marked as the
part's own (`most`), which are its slowest.  The adapter derives its clock cycles from them, the benches' models assert them.
"""

from dataclasses import dataclass, field, fields


def _ns(symbol: str, doc: str, most: bool = False):
    return field(metadata={"symbol": symbol, "doc": doc, "most": most})


@dataclass(frozen=True)
class SpiDacPart:
    """A DAC with a frame of 32 bits: 4 unused, 4 of command, 4 of address, the code from bit 19 on downwards."""

    name: str
    channels: int
    code_bits: int
    period: int = _ns("t1", "period of SCLK")
    high: int = _ns("t2", "SCLK high")
    low: int = _ns("t3", "SCLK low")
    sync_setup: int = _ns("t4", "SYNC falls before SCLK falls")
    setup: int = _ns("t5", "DIN before SCLK falls")
    hold: int = _ns("t6", "DIN after SCLK falls")
    sync_high: int = _ns("t8", "SYNC high between frames")
    ignore: int = _ns("t9", "SYNC rises before SCLK falls")
    ldac_low: int = _ns("t11", "LDAC low")
    ldac_after: int = _ns("t14", "LDAC falls after the last falling edge of SCLK")
    settle: int = _ns("", "output settles", most=True)


@dataclass(frozen=True)
class SpiAdcPart:
    """A successive-approximation ADC: falling CS samples, zeros and then the code come, most significant bit first."""

    name: str
    zeros: int
    code_bits: int
    period: int = _ns("1/fSCLK", "period of SCLK")
    high: int = _ns("t6", "SCLK high")
    low: int = _ns("t5", "SCLK low")
    cs_high: int = _ns("t1", "CS high")
    cs_setup: int = _ns("t2", "CS falls before SCLK falls")
    first_valid: int = _ns("t3", "first zero after CS falls", most=True)
    valid: int = _ns("t4", "next bit after SCLK falls", most=True)
    hold: int = _ns("t7", "last bit stays after SCLK falls")
    release: int = _ns("t8", "SDATA lets go after the last falling edge", most=True)
    quiet: int = _ns("tQUIET", "from there to the next falling CS")
    acquire: int = _ns("tACQ", "input stands before CS falls")

    @property
    def clocks(self) -> int:
        return self.zeros + self.code_bits


@dataclass(frozen=True)
class ShiftRegisterPart:
    """Shift registers in a chain, with a storage register and outputs that can be switched off."""

    name: str
    outputs: int
    high: int = _ns("tW", "SRCLK high")
    low: int = _ns("tW", "SRCLK low")
    setup: int = _ns("tSU", "SER before SRCLK rises")
    hold: int = _ns("tH", "SER after SRCLK rises")
    chain: int = _ns("tPD", "QH' after SRCLK rises", most=True)
    latch_setup: int = _ns("tSU", "SRCLK rises before RCLK rises")
    latch_high: int = _ns("tW", "RCLK high")
    valid: int = _ns("tPD", "outputs after RCLK rises", most=True)
    enable: int = _ns("tEN", "outputs after OE falls", most=True)


@dataclass(frozen=True)
class MultiplexerPart:
    """Analog switches between columns and ADC."""

    name: str
    ways: int
    settle: int = _ns("tPD", "switched after a change of the address", most=True)


@dataclass(frozen=True)
class Parts:
    """What one adapter drives."""

    dac: SpiDacPart
    adc: SpiAdcPart
    register: ShiftRegisterPart
    multiplexer: MultiplexerPart

    @property
    def times(self) -> list[tuple[str, str, str, str, int]]:
        """Part, symbol, meaning, "at least" or "at most", ns."""
        return [
            (part.name, f.metadata["symbol"], f.metadata["doc"],
             "at most" if f.metadata["most"] else "at least", getattr(part, f.name))
            for part in (self.dac, self.adc, self.register, self.multiplexer)
            for f in fields(part)
            if "symbol" in f.metadata
        ]  # fmt: skip


AD5628 = SpiDacPart(
    "AD5628", channels=8, code_bits=12, period=20, high=8, low=8, sync_setup=13, setup=4, hold=4, sync_high=15,
    ignore=13, ldac_low=10, ldac_after=0, settle=7000,
)  # fmt: skip
AD7476A = SpiAdcPart(
    "AD7476A", zeros=4, code_bits=12, period=50, high=20, low=20, cs_high=10, cs_setup=10, first_valid=22, valid=40,
    hold=10, release=36, quiet=50, acquire=250,
)  # fmt: skip
SN74HC595 = ShiftRegisterPart(
    "74HC595 (4.5 V)", outputs=8, high=20, low=20, setup=25, hold=0, chain=40, latch_setup=19, latch_high=20, valid=38,
    enable=38,
)  # fmt: skip
SN74HC4051 = MultiplexerPart("74HC4051 (4.5 V)", ways=8, settle=75)

PARTS = Parts(AD5628, AD7476A, SN74HC595, SN74HC4051)
