"""The controller's end of a serial link to an array over pins."""

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

from hw.interfaces import controller_port
from hw.macro_pins import MacroPins
from spec.errors import InputError
from spec.macro_link import (
    BEAT_BITS,
    OPERATION_BITS,
    SYNC_CYCLES,
    TURNAROUND_CYCLES,
    Op,
    beats,
    fields,
    trial_cycles,
)
from spec.params import HwParams

STARTS = {Op.INTEGRATE: "integrate", Op.ERASE: "erase", Op.READOUT: "readout", Op.MASK: "load"}
"""Operations of the array, by the signal that starts them."""
NEWS = {Op.LSB: "new_lsb", Op.TRIAL: "new_trial"}
"""Frames of levels, by the signal that they are other ones."""


class SerialMacro(wiring.Component):
    """The macro port of compact hardware, by frames.

    What the controller starts goes first, then the reference and the trial codes where they are new, for which a frame
    of row codes under way is cut short, and then row codes.  `strobe` and `select` do not pass any register here: they
    are flip-flops of the pulse gate.  `ready` is that of the array, and 0 from a start until the array is looked at.

    Raises InputError for hardware that is not compact, and where a conversion's trial is too short for the link.
    """

    def __new__(cls, params: HwParams):  # before there is a component, which would warn of its not being used
        if not params.compact:
            raise InputError("the serial link has masks in words: it is for compact hardware", key="compact")
        least = trial_cycles(params) + 1
        if params.trial_cycles < least:
            text = (
                f"a trial of {params.trial_cycles} cycles is too short for the serial link: {least} or more"
            )
            raise InputError(text, key="sar_settle_cycles")
        return super().__new__(cls)

    def __init__(self, params: HwParams):
        self.params = params
        super().__init__({"port": In(controller_port(params)), "pins": Out(MacroPins(params))})

    def elaborate(self, platform):
        m, port, pins = Module(), self.port, self.pins
        compare, self._answer, self._ready = Signal.like(pins.compare), Signal(), Signal()
        for name, pin, inside in (
            ("compare", pins.compare, compare),
            ("answer", pins.answer, self._answer),
            ("ready", pins.ready, self._ready),
        ):
            m.submodules[f"{name}_sync"] = FFSynchronizer(pin, inside, stages=SYNC_CYCLES)
        m.d.comb += [
            port.compare.eq(compare),
            pins.strobe.eq(port.write.strobe),
            pins.select.eq(port.write.select),
        ]
        waiting, wanted = self._requests(m)
        self._send(m, waiting, wanted)
        return m

    def _requests(self, m) -> tuple[Signal, Signal]:
        """What is to be sent, a bit for each operation; the one that goes next."""
        port = self.port
        waiting, wanted = Signal(len(Op)), Signal(Op)
        self._taken = Signal()  # `wanted` begins
        waits = {op: Signal(init=op in NEWS, name=f"{name}_waits") for op, name in (STARTS | NEWS).items()}
        for op, waits_here in waits.items():
            comes = port.write.load if op is Op.MASK else getattr(port, (STARTS | NEWS)[op])
            with m.If(self._taken & (wanted == op)):
                m.d.sync += waits_here.eq(0)
            with m.If(comes):
                m.d.sync += waits_here.eq(1)
            m.d.comb += waiting[op].eq(waits_here)
        m.d.comb += waiting[Op.CODES].eq(port.dac_valid)
        self._started = Cat(waits[op] for op in STARTS).any()
        for op in reversed((*waits, Op.CODES)):
            with m.If(waiting[op]):
                m.d.comb += wanted.eq(op)
        return waiting, wanted

    def _beats(self) -> tuple[list[Value], dict[Op, int]]:
        """Every beat of every frame, and where each frame's begin."""
        out: list[Value] = []
        places = {}
        for op, widths in fields(self.params).items():
            places[op] = len(out)
            bits = Cat(
                Const(op, OPERATION_BITS), *(self._field(name)[:width] for name, width in widths.items())
            )
            out += [bits[low : low + BEAT_BITS] for low in range(0, len(bits), BEAT_BITS)]
        return out, places

    def _field(self, name) -> Value:
        ends = (self.port, self.port.write)
        return Value.cast(next(getattr(end, name) for end in ends if hasattr(end, name)))

    def _send(self, m, waiting, wanted):
        """Frames, one after the other."""
        pins = self.pins
        content, places = self._beats()
        number = beats(self.params)
        op, place, left = Signal(Op), Signal(range(len(content))), Signal(range(max(number.values())))
        turn = Signal(range(TURNAROUND_CYCLES + 1))
        done = Signal()  # the last beat of an answer
        reads = Signal()  # what was read out is still to come
        answers = reads & self._ready & (turn == 0)
        urgent = (op == Op.CODES) & Cat(waiting[other] for other in Op if other != Op.CODES).any()
        m.d.sync += [pins.clock.eq(0), turn.eq(Mux(turn == 0, 0, turn - 1))]
        acts = self._levels(m, op, turn, reads)
        with m.FSM():
            with m.State("IDLE"):
                following = Mux(waiting.any(), wanted, Op.ANSWER)
                m.d.comb += self._taken.eq(waiting.any())
                with m.If(waiting.any() | answers):
                    m.d.sync += [op.eq(following), pins.frame.eq(1)]
                    m.d.sync += acts.eq(Cat(following == each for each in (*STARTS, Op.ANSWER)).any())
                    m.next = "LOW"
                with m.Switch(following):
                    for each in Op:
                        with m.Case(each):
                            m.d.sync += [place.eq(places[each]), left.eq(number[each] - 1)]
            with m.State("LOW"):
                m.d.sync += pins.data.eq(Array(content)[place])
                m.next = "HIGH"
                with m.If(urgent):
                    m.d.sync += pins.frame.eq(0)
                    m.next = "PAUSE"
            with m.State("HIGH"):
                m.d.sync += [pins.clock.eq(1), place.eq(place + 1), left.eq(left - 1), done.eq(left == 0)]
                m.next = "LOW"
                with m.If(left == 0):
                    m.next = "END"
                with m.If(op == Op.ANSWER):
                    m.d.sync += [place.eq(place), turn.eq(TURNAROUND_CYCLES)]
                    m.next = "LISTEN"
            with m.State("LISTEN"):
                states = Cat(self.port.readout_plus, self.port.readout_minus)
                with m.If(turn == 0):
                    m.d.sync += states.eq(Cat(states[1:], self._answer))
                    m.next = "LOW"
                    with m.If(done):
                        m.next = "END"
            with m.State("END"):
                m.d.sync += [pins.frame.eq(0), acts.eq(0)]
                m.d.comb += self.port.dac_ready.eq(op == Op.CODES)
                with m.If(acts):
                    m.d.sync += [turn.eq(TURNAROUND_CYCLES), reads.eq(op == Op.READOUT)]
                m.next = "PAUSE"
            with m.State("PAUSE"):
                m.next = "IDLE"

    def _levels(self, m, op, turn, reads) -> Signal:
        """`ready`, which is 0 while a frame `acts` and after it, and in and after a strobe."""
        acts, strobed, strobe = Signal(), Signal(), self.port.write.strobe
        m.d.sync += strobed.eq(strobe)
        with m.If(strobed):
            m.d.sync += turn.eq(TURNAROUND_CYCLES)
        quiet = ~self._started & ~acts & ~strobed & ~reads & (turn == 0)
        m.d.comb += self.port.ready.eq(quiet & self._ready)
        return acts
