"""The ring of samples: codes wait here for their read, and after it for their update."""

from types import SimpleNamespace

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hw.bits import lowest, number
from hw.interfaces import Codes, Label, Row, Update
from hw.numerics import any_of
from spec.params import HwParams

AHEAD = 2
"""Cycles of the scan from a word's address to its codes."""


class InputBuffer(wiring.Component):
    """A ring of `input_slots` samples of `row_words` words.

    i: encoded words.  load: each sample's words in order, once, for the DAC.  label: one per sample, in order.
    verdict: one per sample, in order; it frees the sample's slot, after its rows went out if it updates.
    rows: the non-zero rows of updating samples in row order; the bias row, which is never zero, is the last.
    Store and forward: a sample is loaded after its last word came in.  rows takes one cycle per non-zero code and
    one per word without any, after AHEAD cycles for the first word; a sample that does not update is freed in one cycle.
    Golden: model/controller/input_buffer.py.
    """

    def __init__(self, params: HwParams):
        self.params = params
        super().__init__(
            {
                "i": In(stream.Signature(Codes(params))),
                "load": Out(stream.Signature(data.ArrayLayout(params.dac_bits, params.dac_load_lanes))),
                "label": Out(stream.Signature(Label(params))),
                "verdict": In(stream.Signature(Update(params))),
                "rows": Out(stream.Signature(Row(params))),
            }
        )

        self._blocked: Value = Const(0)  # no word for the DAC can be read in this cycle
        self._fresh: dict[str, Value] = {
            "loads": Const(0),
            "scans": Const(0),
        }  # the word that was asked for comes

    def elaborate(self, platform):
        p, m = self.params, Module()
        depth = p.input_slots * p.row_words
        m.submodules.memory = memory = Memory(
            shape=data.ArrayLayout(p.dac_bits, p.dac_load_lanes), depth=depth, init=[]
        )
        loads, scans = self._read_ports(m, memory)
        released = (self._rows_of_shared_port if p.compact else self._rows)(m, scans)
        stored = self._store(m, memory.write_port(), released)
        self._load(m, loads, stored)
        return m

    def _read_ports(self, m, memory):
        """Of words for the DAC, and of words that are scanned for rows; in compact hardware they share the memory's port.

        Then a scan goes first, and each keeps what it read, from the second cycle after it asked.
        """
        if not self.params.compact:
            return memory.read_port(), memory.read_port()
        port = memory.read_port()
        found = []
        for name in ("loads", "scans"):
            shared = SimpleNamespace(
                addr=Signal.like(port.addr, name=f"{name}_addr"),
                en=Signal(name=f"{name}_en"),
                data=Signal(port.data.shape(), name=f"{name}_data"),
            )
            fresh = Signal(name=f"{name}_fresh")
            m.d.sync += fresh.eq(shared.en)
            with m.If(fresh):
                m.d.sync += shared.data.eq(port.data)
            self._fresh[name] = fresh
            found.append(shared)
        loads, scans = found
        m.d.comb += [port.addr.eq(Mux(scans.en, scans.addr, loads.addr)), port.en.eq(loads.en | scans.en)]
        self._blocked = scans.en
        return loads, scans

    def _address(self, m, name, advance):
        """A ring address that steps on `advance`: (address, whether its word is the sample's first, its last)."""
        p = self.params
        depth = p.input_slots * p.row_words
        address = Signal(range(max(2, depth)), name=f"{name}_address")
        left = Signal(range(max(2, p.row_words)), name=f"{name}_left", init=p.row_words - 1)
        first, last = Signal(name=f"{name}_first", init=1), Signal(name=f"{name}_last", init=p.row_words == 1)
        with m.If(advance):
            m.d.sync += [
                address.eq(Mux(address == depth - 1, 0, address + 1)),
                left.eq(Mux(last, p.row_words - 1, left - 1)),
                first.eq(last),
                last.eq((left == 1) | (p.row_words == 1)),
            ]
        return address, first, last

    def _store(self, m, port, released):
        """Write incoming words while there is a free slot; returns the pulse that ends a sample."""
        p = self.params
        m.submodules.labels = labels = SyncFIFOBuffered(width=p.class_bits, depth=p.input_slots)
        accept = self.i.valid & self.i.ready
        address, first, last = self._address(m, "store", accept)
        occupied = Signal(range(p.input_slots + 1))
        m.d.sync += occupied.eq(occupied + (accept & first) - released)
        m.d.comb += [
            self.i.ready.eq(~first | (occupied != p.input_slots)),
            port.addr.eq(address),
            port.data.eq(self.i.payload.codes),
            port.en.eq(accept),
            labels.w_data.eq(self.i.payload.label),
            labels.w_en.eq(accept & last),  # never full: there are as many places as slots
            self.label.valid.eq(labels.r_rdy),
            self.label.payload.label.eq(labels.r_data),
            labels.r_en.eq(self.label.ready),
        ]
        return accept & last

    def _load(self, m, port, stored):
        """Send every stored sample to the DAC once."""
        waiting = Signal(range(self.params.input_slots + 1))
        valid = Signal()
        issue = Signal()
        address, _, last = self._address(m, "load", issue)
        m.d.sync += waiting.eq(waiting + stored - (issue & last))
        m.d.comb += [
            issue.eq((waiting != 0) & (~valid | self.load.ready) & ~(self._blocked | self._fresh["loads"])),
            port.addr.eq(address),
            port.en.eq(issue),
            self.load.valid.eq(valid),
            self.load.payload.eq(port.data),
        ]
        comes = self._fresh["loads"] if self.params.compact else issue
        with m.If(comes | self.load.ready):
            m.d.sync += valid.eq(comes)

    def _rows(self, m, port):
        """Scan an updating sample's words for non-zero codes; returns the pulse that frees a slot.

        Words move together from the memory through `fetched` to the codes that are looked at.
        """
        p = self.params
        lanes = p.dac_load_lanes
        issue, moves, skip, released = Signal(), Signal(), Signal(), Signal()
        read, fetched, present = (
            Signal(data.StructLayout({"valid": 1, "last": 1}), name=name)
            for name in ("read", "fetched", "present")
        )
        word, codes = Signal.like(port.data), Signal.like(port.data)
        base = Signal(range(max(2, p.row_words * lanes)))  # row of the present word's first lane
        pending = Signal(lanes)
        lane_bit = Signal(lanes)
        last = self._scan_address(m, port, issue, skip)
        m.d.comb += [
            lane_bit.eq(lowest(pending)),
            moves.eq((pending == 0) | (self.rows.ready & (pending == lane_bit))),
            self.rows.valid.eq(pending != 0),
            self.rows.payload.row.eq(base + number(lane_bit)),
            self.rows.payload.code.eq(
                any_of([Mux(bit, code, 0) for bit, code in zip(lane_bit, codes, strict=True)])
            ),
            self.rows.payload.last.eq(present.last & lane_bit[(p.rows - 1) % lanes]),
        ]
        with m.If(moves):
            m.d.sync += [
                read.valid.eq(issue),
                read.last.eq(issue & last),
                fetched.eq(read),
                word.eq(port.data),
                present.eq(fetched),
                codes.eq(word),
                pending.eq(Cat(fetched.valid & code.any() for code in word)),
                base.eq(base + lanes),
            ]
        with m.Elif(self.rows.ready):
            m.d.sync += pending.eq(pending & ~lane_bit)
        m.d.sync += released.eq(0)
        with m.FSM():
            with m.State("VERDICT"):
                m.d.comb += self.verdict.ready.eq(1)
                m.d.sync += base.eq((-AHEAD * lanes) % (1 << len(base)))
                with m.If(self.verdict.valid & self.verdict.payload.update):
                    m.d.comb += issue.eq(1)
                    m.next = "SCAN"
                with m.Elif(self.verdict.valid):
                    m.d.comb += skip.eq(1)
                    m.d.sync += released.eq(1)
            with m.State("SCAN"):
                m.d.comb += issue.eq(moves & ~read.last & ~fetched.last & ~present.last)
                with m.If(moves & present.last):
                    m.d.sync += released.eq(1)
                    m.next = "VERDICT"
        return released

    def _scan_address(self, m, port, issue, skip):
        """The words of one slot after the other for the scan; returns whether the next word is its last."""
        p = self.params
        depth = p.input_slots * p.row_words
        address, left = Signal(range(max(2, depth))), Signal(range(max(2, p.row_words)), init=p.row_words - 1)
        m.d.comb += [port.addr.eq(address), port.en.eq(issue)]
        with m.If(skip):
            m.d.sync += address.eq(Mux(address == depth - p.row_words, 0, address + p.row_words))
        with m.Elif(issue):
            m.d.sync += address.eq(Mux(address == depth - 1, 0, address + 1))
            m.d.sync += left.eq(Mux(left == 0, p.row_words - 1, left - 1))
        return left == 0

    def _rows_of_shared_port(self, m, port):
        """As `_rows`, of compact hardware: one word at a time, looked at where it was read."""
        p = self.params
        lanes = p.dac_load_lanes
        depth = p.input_slots * p.row_words
        place = Signal(range(max(2, depth)))  # of the next word to read
        word = Signal(range(p.row_words + 1))  # its number in the sample
        fresh = self._fresh["scans"]
        base = Signal(range(max(2, p.row_words * lanes)))  # row of the present word's first lane
        sent = Signal(lanes)
        pending = Signal(lanes)
        lane_bit = Signal(lanes)
        final = Signal()  # the present word is the sample's last
        issue = Signal()
        released, skipped = Signal(), Signal()  # a sample's slot is free; its words were not read
        m.d.comb += [
            port.addr.eq(place),
            port.en.eq(issue),
            pending.eq(Mux(fresh, 0, Cat(port.data[lane].any() for lane in range(lanes)) & ~sent)),
            lane_bit.eq(pending & (~pending + 1)),
        ]
        for lane in range(lanes):
            with m.If(lane_bit[lane]):
                m.d.comb += [
                    self.rows.payload.row.eq(base + lane),
                    self.rows.payload.code.eq(port.data[lane]),
                    self.rows.payload.last.eq(base + lane == p.rows - 1),
                ]
        with m.If(issue):
            m.d.sync += place.eq(Mux(place == depth - 1, 0, place + 1))
        with m.Elif(skipped):
            m.d.sync += place.eq(Mux(place == depth - p.row_words, 0, place + p.row_words))
        with m.If(released):
            m.d.sync += word.eq(0)

        with m.FSM():
            with m.State("VERDICT"):
                m.d.comb += self.verdict.ready.eq(1)
                with m.If(self.verdict.valid & self.verdict.payload.update):
                    m.d.comb += issue.eq(1)
                    m.d.sync += base.eq(0)
                    m.next = "SCAN"
                with m.Elif(self.verdict.valid):
                    m.d.comb += [released.eq(1), skipped.eq(1)]
            with m.State("SCAN"):
                m.d.comb += self.rows.valid.eq(pending != 0)
                with m.If(self.rows.ready):
                    m.d.sync += sent.eq(sent | lane_bit)
                with m.If(~fresh & ((pending == 0) | (self.rows.ready & (pending == lane_bit)))):
                    with m.If(final):
                        m.d.comb += released.eq(1)
                        m.next = "VERDICT"
                    with m.Else():
                        m.d.comb += issue.eq(1)
                        m.d.sync += base.eq(base + lanes)
        with m.If(issue):  # after the FSM: a new word clears `sent` of the old one's last lane
            m.d.sync += [sent.eq(0), final.eq(word == p.row_words - 1), word.eq(word + 1)]
        return released
