"""The rules of compact hardware's write lines: those of PulseGate, for the masks that the array makes of the words."""

from types import SimpleNamespace

from amaranth.hdl import Cat, Const, Mux, Signal
from amaranth.lib import wiring

from formal.pulse_gate import PulseGateRules
from hw.mask_lines import MaskLines
from hw.pulse_gate import LINES
from hw.word_gate import WordGate
from spec.params import HwParams
from spec.registers import Fault

WORD = ("first", "word", "up", "down")


class WordGateRules(PulseGateRules):
    """WordGate before MaskLines; `write` has the array's lines, what was asked for has the masks that were selected."""

    def __init__(
        self, params: HwParams, block: type[wiring.Component] = WordGate, *, invariants: bool = True
    ):
        super().__init__(params, block, invariants=invariants)
        self.masks = MaskLines(params)

    def _remember(self):
        gate, masks, m = self.gate, self.masks, self.m
        m.submodules.masks = masks
        was = self.was = SimpleNamespace(request=SimpleNamespace(), write=SimpleNamespace())
        members = gate.request.signature.members
        for name in members:
            asked = getattr(self.request, name)
            m.d.comb += getattr(gate.request, name).eq(asked)
            m.d.comb += getattr(masks.words, name).eq(getattr(gate.write, name))
            setattr(was.request, name, self.past(f"request_{name}", asked))
        was.word = SimpleNamespace(**{name: getattr(was.request, name) for name in WORD})
        self.write = masks.write
        for name in (*LINES, "strobe"):
            setattr(was.write, name, self.past(f"write_{name}", getattr(self.write, name)))
        self.stored = {name: getattr(masks, name) for name in ("up_stored", "down_stored")}
        for name, stored in zip(("up", "down"), self.stored.values(), strict=True):
            before = self.past(f"stored_{name}", stored)
            selected = Mux(was.request.select, before, Const(0))
            setattr(was.request, name, self.now(f"asked_{name}", selected, self.params.columns))
        for name in self._inputs.keys() - {"request"}:
            m.d.comb += getattr(gate, name).eq(getattr(self, name))
            setattr(was, name, self.past(name, getattr(self, name)))
        self.operations = ("integrate", "erase")
        for name in (*self.operations, "fault"):
            setattr(was, name, self.past(name, getattr(gate, name)))
        before = self.past("before_strobe", was.request.strobe)
        self.asked = self.now("asked", was.request.strobe & ~before & (was.fault == 0))
        self.loads = self.now("loads", gate.write.load)
        loading = Signal()  # the array works on a word
        self.loading = self.now("loading_now", loading | self.loads)
        m.d.sync += loading.eq(self.loads | (loading & ~self.array_ready))

    def _strobe_rules(self):
        super()._strobe_rules()
        gate, was, write = self.gate, self.was, self.write
        same = Cat(getattr(gate.write, name) == getattr(was.word, name) for name in WORD).all()
        before = Cat(was.integrate, was.erase, self.past("loads", self.loads)).any()
        self.rule("a word is what was asked for", self.loads, was.request.load & same)
        silent = was.request.load & (was.fault == 0)
        self.rule("no word is dropped in silence", silent, self.loads | gate.fault.any())
        self.rule("a word finds a free array", self.loads, was.array_ready & ~before)
        self.rule("no word but in a run", self.loads, self.in_run & ~was.converting)
        self.rule("no word within a strobe or its guard", self.loads & (write.strobe | self.unfinished))
        self.rule("one operation or word at a time", self.loads & self.begun)
        self.rule("no strobe while the array takes a word", write.strobe & self.loading)
        self.rule("no operation while the array takes a word", self.begun & self.past("loading", self.loading)
                  & ~was.array_ready)  # fmt: skip

    def _fault_rules(self):
        super()._fault_rules()
        was = self.was
        both = was.request.load & (was.word.up & was.word.down).any()
        self._reports(Fault.UP_AND_DOWN, both)
        self._reports(Fault.BUSY_ARRAY, was.request.load & (was.converting | ~was.array_ready | ~self.in_run))

    def _mask_invariants(self):
        """The masks that stand are the array's."""

    def _line_invariants(self):
        super()._line_invariants()
        up, down = self.stored.values()
        self.rule("one device of a stored pair", (up & down).any())
        self.rule(
            "one device of a loaded pair", self.loads & (self.gate.write.up & self.gate.write.down).any()
        )
        self.rule("a word makes the lines young", self.past("young", self.loads) & (self.gate._quiet > 1))

    def _covers(self):
        super()._covers()
        several = Signal()
        self.m.d.sync += several.eq(several | (self.loads & ~self.gate.write.first))
        self.reach(
            "a strobe of several words", self.rises & several & (self.write.up.any() & self.write.down.any())
        )
