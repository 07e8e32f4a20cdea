"""The margin rule: which samples update, and towards what."""

from amaranth.hdl import Module, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.interfaces import Label, Logits, Verdict
from spec.params import HwParams

MARGIN_BITS = 17


class MarginError(wiring.Component):
    """A scan of the output codes, one class per cycle, as model/controller/margin_error.py.

    - `i`, `label`: a sample's output codes and its label, taken in the same cycle.
    - `margin` (unsigned), `train`, and with a teacher `always`: constant during a run.
    - `o`: the verdict.

    rival = best class other than the label, prediction = best of all, ties to the lower index;
    update = train and (always or code[label] - code[rival] < margin).
    Latency: `LATENCY + classes` cycles.  Throughput: a sample per `LATENCY + classes` cycles.
    """

    LATENCY = 2

    def __init__(self, params: HwParams):
        self.params = params
        super().__init__(
            {
                "i": In(stream.Signature(Logits(params))),
                "label": In(stream.Signature(Label(params))),
                "o": Out(stream.Signature(Verdict(params))),
                "margin": In(MARGIN_BITS),
                "train": In(1),
                **({"always": In(1)} if params.teacher else {}),
            }
        )

    def elaborate(self, platform):
        m = Module()
        p = self.params
        codes = Signal(p.classes * p.logit_bits)  # the code of class `klass` lowest
        klass = Signal(p.class_bits)
        target, rival, best = (
            Signal(signed(p.logit_bits), name=name) for name in ("target", "rival", "best")
        )
        any_rival, at_target = Signal(), Signal()  # at_target: klass is the target
        verdict = self.o.payload
        code = codes[: p.logit_bits].as_signed()
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += [self.i.ready.eq(self.label.valid), self.label.ready.eq(self.i.valid)]
                m.d.sync += [
                    codes.eq(self.i.payload.logits.as_value()),
                    klass.eq(0),
                    any_rival.eq(0),
                    at_target.eq(self.label.payload.label == 0),
                    verdict.target.eq(self.label.payload.label),
                    verdict.active.eq(self.i.payload.active),
                ]
                with m.If(self.i.valid & self.label.valid):
                    m.next = "SCAN"
            with m.State("SCAN"):
                m.d.sync += [codes.eq(codes >> p.logit_bits), klass.eq(klass + 1)]
                m.d.sync += at_target.eq(klass + 1 == verdict.target)
                with m.If((klass == 0) | (code > best)):
                    m.d.sync += [best.eq(code), verdict.prediction.eq(klass)]
                with m.If(at_target):
                    m.d.sync += target.eq(code)
                with m.Elif(~any_rival | (code > rival)):
                    m.d.sync += [any_rival.eq(1), rival.eq(code), verdict.rival.eq(klass)]
                with m.If(klass == p.classes - 1):
                    m.next = "COMPARE"
            with m.State("COMPARE"):
                below = target - rival < self.margin
                m.d.sync += verdict.update.eq(self.train & (below | self.always if p.teacher else below))
                m.next = "OFFER"
            with m.State("OFFER"):
                m.d.comb += self.o.valid.eq(1)
                with m.If(self.o.ready):
                    m.next = "IDLE"
        return m
