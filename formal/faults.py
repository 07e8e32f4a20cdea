"""Faults to seed, each of which the rules must refute: (name, old text, new text)."""

Fault = tuple[str, str, str]

GATE_FAULTS: tuple[Fault, ...] = (
    ("up and down pass unless on all pairs", "self.request.down).any()", "self.request.down).all()"),
    ("a strobe's lines need not be settled", "(self._quiet >= self.guard) & (self._quiet >= self.params.guard_min_cycles)", "(self._quiet >= 1)"),
    ("a strobe's lines settled for less than the minimum", "& (self._quiet >= self.params.guard_min_cycles)", ""),
    ("no guard behind a strobe", "rest.eq(self._guard)", "rest.eq(1)"),
    ("guard register below the minimum", "at_least(self.guard, self.params.guard_min_cycles)", "at_least(self.guard, 1)"),
    ("width not limited", "Mux(self.width_limit > p.pulse_max_cycles, p.pulse_max_cycles, ", "Mux(0, 0, "),
    ("width a cycle too long", "timer.eq(width)", "timer.eq(width + 1)"),
    ("strobe on a busy array", "| (starts & ~self.array_free)", "| (starts & self.integrate)"),
    ("strobe while converting", "(self.converting | operation)", "operation"),
    ("read within a guard", "in_use = ~free | ~self.array_free", "in_use = self.write.strobe | ~self.array_free"),
    ("read on a busy array", "in_use = ~free | ~self.array_free", "in_use = ~free"),
    ("erase in a run", "self.erase_request & Cat(getattr(self, name) for name in self._runs).any()", "self.erase_request & self.training"),
    ("lines let go while the array works", "(self.array_ready | self.fault.any())", "(self.array_ready | 1)"),
    ("lines follow the request in a guard", "with m.If(free):", "with m.If(free | self._holding):"),
    ("lines selected while converting", "self.array_free & ~self.converting & ~starting", "self.array_free & ~starting"),
    ("a row twice in a window", "(row > self._last_row)", "(row >= self._last_row)"),
    ("a window without a read", "(self._credit != 0)", "windowed"),
    ("a window stays open over a read", "with m.Elif(~windowed | reads):", "with m.Elif(~windowed | (reads & ~self._window)):"),
    ("a further plane gives a window", ", read_request & operates", ", self.integrate_request & operates"),
    ("a read goes on after a strobe", "self.integrate_continues & self._pulsed", "self.integrate_continues & self._pulsed & self._holding"),
    ("depression in training", "self._window & ~self.request.depress", "self._window"),
    ("two modes in a run", "Cat(getattr(self, other), self._seen(other))", "getattr(self, other)"),
    ("rows fall in transfer", "(row < self._last_row)", "(row == 0)"),
    ("a strobe too many on a row", ">= self.count_cap", "> self.count_cap"),
    ("a strobe too many in a run", ">= self.strobe_cap", "> self.strobe_cap"),
    ("strobes not counted", "self._strobes.eq(self._strobes + 1)", "self._strobes.eq(self._strobes | 1)"),
    ("strobe after the end of a run", "runs = self.run_active & ~self.run_start", "runs = ~self.run_start"),
    ("abort only in a run", "Fault.ABORT: self.abort,", "Fault.ABORT: self.abort & self.run_active,"),
    ("fault cleared in a run", "self.clear_fault & ~self.run_active", "self.clear_fault"),
    ("strobe in a fault", ".values()).any() | failed)", ".values()).any())"),
    ("no watchdog", "self._working & self._overdue", "self._working & (self._late == 0) & self.integrate"),
)  # fmt: skip

VERIFY_FAULTS: tuple[Fault, ...] = (
    ("readout in any run", "self._reads_out & self.run_active & ~alone", "self._reads_out & self.erase_request"),
    ("readout in a training run", "self.run_active & ~alone", "self.run_active & ~(alone | training)"),
    ("readout after another mode", "Cat(getattr(self, other), self._seen(other))", "getattr(self, other)"),
    ("readout while converting", "self.erase_request | self.converting) & reads_out", "self.erase_request) & reads_out"),
    ("readout within a strobe", "self.erase_request | reads_out\n", "self.erase_request\n"),
    ("readout in a fault", "self.readout_request & operates", "self.readout_request"),
    ("no device in a strobe", "devices.any() & ((devices & (devices - 1)) == 0)", "((devices & (devices - 1)) == 0)"),
    ("several devices in a strobe", "devices.any() & ((devices & (devices - 1)) == 0)", "devices.any()"),
    ("a strobe too many on a pair", ">= self.count_cap", "> self.count_cap"),
    ("strobes of a pair not counted on its partner", "(self._asked_pair == self._last_pair)", "(self.request.up == self._last_pair)"),
    ("pairs fall", "Cat(self._last_pair, self._last_row)", "Cat(self._last_pair & 0, self._last_row)"),
    ("a tuned pair without a window", "(~tuning | self._window)", "(~tuning | self._credit.any())"),
)  # fmt: skip
"""Of a gate with the parameter `verify`."""

WORD_FAULTS: tuple[Fault, ...] = (
    ("a word selects both devices", "self.request.load & (self.request.up & self.request.down).any()", "self.request.load & 0"),
    ("a word in a guard", "others | ~free | ~self.array_free", "others | ~self.array_free"),
    ("a word into a busy array", "others | ~free | ~self.array_free", "others | ~free"),
    ("a word while converting", "self.erase_request | self.converting | starts", "self.erase_request | starts"),
    ("a word outside a run", " | ~(training | transfer)", ""),
    ("an operation behind a word", "super()._started | self.write.load", "super()._started"),
    ("a word in a fault", "self.request.load & may_select", "self.request.load"),
    ("lines stay selected", "self.request.select & selects", "self.request.select"),
)  # fmt: skip
"""Of the gate of compact hardware."""

DRIVER_FAULTS: tuple[Fault, ...] = (
    ("guard counted while the array works", "with m.If(~self.array_ready):", "with m.If(~self.array_ready & ends(timer)):"),
    ("no guard before a strobe", "self._timer.eq(guard)", "self._timer.eq(1)"),
    ("a pulse a cycle too long", "timer.eq(at_least(self.width, 1))", "timer.eq(self.width + 1)"),
    ("no guard behind a strobe", "timer.eq(guard)\n                    m.next", "timer.eq(1)\n                    m.next"),
)  # fmt: skip

WORD_DRIVER_FAULTS: tuple[Fault, ...] = (
    ("a word into a busy array", "self.i.valid & self.array_ready", "self.i.valid"),
    ("no guard before a strobe", "m.d.sync += self._timer.eq(guard)", "m.d.sync += self._timer.eq(1)"),
    ("a pulse a cycle too long", "self.width, 1))", "self.width, 1) + 1)"),
    ("no guard behind a strobe", "timer.eq(guard)\n                m.next = \"HOLD\"", "timer.eq(1)\n                m.next = \"HOLD\""),
)  # fmt: skip
"""Of the driver of compact hardware."""
