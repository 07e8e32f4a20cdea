"""Erase and strobe: which cells, one after the other, go through the pulse arithmetic."""

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hw.bits import lowest, number
from hw.macro.device_tables import BY_NAME, ImageBus
from hw.macro.event_keys import Keys
from hw.macro.pipeline import Pipeline
from hw.macro.state_memory import StateRead, StateWrite, devices, state_word_bits
from hw.macro.timing import CELL_STAGES, LANE_STAGES, STATE_STAGES
from hw.macro.write_lane import WriteLane
from hw.numerics import times
from spec.params import HwParams

DRAIN_CYCLES = CELL_STAGES + LANE_STAGES - 1
"""After the cycle in which no cell is left."""
GROUP = 16


def first(bits: Value) -> Value:
    """Only the lowest set bit of many: in each group of bits, and of the groups."""
    groups = [bits[k : k + GROUP] for k in range(0, len(bits), GROUP)]
    chosen = lowest(Cat(group.any() for group in groups))
    return Cat(Mux(chosen[k], lowest(group), 0) for k, group in enumerate(groups))


class WriteUnit(wiring.Component):
    """One erase of all cells, or one pulse on the devices `up` (G+) and `down` (G-) of `row`.

    Phases: WORD (picks the next word of `macro_lanes` columns with a selected device), READ, WAIT, LOAD, CELL (one device
    per cycle), DRAIN, STORE.  `done` is 1 in the last cycle.  `erase`, `row`, `up`, `down`, `depress`, keys and
    constants hold from `start` until then.
    """

    def __init__(self, params: HwParams):
        self.params = p = params
        super().__init__(
            {
                "start": In(1),
                "done": Out(1),
                "erase": In(1),
                "row": In(p.row_bits),
                "up": In(p.columns),
                "down": In(p.columns),
                "depress": In(1),
                "keys": In(Keys()),
                "image": In(ImageBus()),
                "state": Out(StateRead(p)),
                "write": Out(StateWrite(p)),
            }
            | {name: In(BY_NAME[name].bits) for name in WriteLane.CONSTANTS}
        )

    def elaborate(self, platform):
        p = self.params
        m = Module()
        row, base = (
            Signal(p.row_bits),
            Signal.like(self.state.address),
        )  # base: address of the row's first word
        words, word = Signal(p.macro_words), Signal(range(max(2, p.macro_words)))
        cells, states = Signal(2 * p.macro_lanes), Signal(state_word_bits(p))
        selected = self._selected(m)
        with_cells = Cat(selected[k].any() for k in range(p.macro_words))
        m.d.comb += [
            self.state.address.eq(base + word),
            self.write.address.eq(base + word),
            self.write.data.eq(states),
        ]
        count = Signal(range(DRAIN_CYCLES))
        running, entering = Signal(), Signal()
        with m.If(self.start | self.done):
            m.d.sync += running.eq(self.start)
        lane = self._lane(m, running, entering, row, word, cells, states)
        with m.FSM() as fsm:
            m.d.comb += entering.eq(fsm.ongoing("CELL") & (cells != 0))
            with m.State("IDLE"):
                m.d.sync += [
                    row.eq(Mux(self.erase, 0, self.row)),
                    base.eq(Mux(self.erase, 0, times(self.row, p.macro_words))),
                    words.eq(with_cells),
                ]
                with m.If(self.start):
                    m.next = "WORD"
            with m.State("WORD"):
                m.d.sync += [words.eq(words ^ lowest(words)), word.eq(number(lowest(words)))]
                with m.If(words != 0):
                    m.next = "READ"
                with m.Elif(self.erase & (row != p.rows - 1)):
                    m.d.sync += [row.eq(row + 1), base.eq(base + p.macro_words), words.eq(with_cells)]
                with m.Else():
                    m.d.comb += self.done.eq(1)
                    m.next = "IDLE"
            with m.State("READ"):
                m.d.comb += self.state.enable.eq(1)
                m.d.sync += count.eq(0)
                m.next = "WAIT"
            with m.State("WAIT"):
                m.d.sync += count.eq(count + 1)
                with m.If(count == STATE_STAGES - 2):
                    m.next = "LOAD"
            with m.State("LOAD"):
                m.d.sync += [states.eq(self.state.data), cells.eq(selected[word])]
                m.next = "CELL"
            with m.State("CELL"):
                m.d.sync += [cells.eq(cells ^ first(cells)), count.eq(0)]
                with m.If(cells == 0):
                    m.next = "DRAIN"
            with m.State("DRAIN"):
                m.d.sync += count.eq(count + 1)
                with m.If(count == DRAIN_CYCLES - 1):
                    m.next = "STORE"
            with m.State("STORE"):
                m.d.comb += self.write.enable.eq(1)
                m.next = "WORD"
        with m.If(lane.store), m.Switch(lane.value_device):
            for device, state in enumerate(devices(p, states)):
                with m.Case(device):
                    m.d.sync += state.eq(lane.value)
        return m

    def _selected(self, m):
        """The devices to handle, word by word; the last word may have places without a column."""
        p = self.params
        layout = data.ArrayLayout(2 * p.macro_lanes, p.macro_words)
        selected = Signal(layout)
        pulsed = Cat(Cat(up, down) for up, down in zip(self.up, self.down, strict=True))
        everything = Const((1 << 2 * p.columns) - 1)
        m.d.comb += selected.as_value().eq(Mux(self.erase, everything, pulsed))
        return selected

    def _lane(self, m, running, valid, row, word, cells, states):
        """The pulse arithmetic, given the lowest of `cells`: alone, then as a number, then with its state."""
        p = self.params
        pipe = Pipeline(m, running)
        device = pipe.apply(number, pipe.stage(first(cells)).reg()).reg()
        state = pipe.apply(lambda device: Array(devices(p, states))[device], device).reg()
        column = pipe.apply(lambda device: times(word, p.macro_lanes) + (device >> 1), device)
        if state.depth != CELL_STAGES:
            raise ValueError(f"CELL_STAGES is {CELL_STAGES}, the pipeline has {state.depth} stages")
        m.submodules.lane = lane = WriteLane(p)
        connect(m, flipped(self.image), lane.image)
        connect(m, flipped(self.keys), lane.keys)
        m.d.comb += [
            lane.erase.eq(self.erase),
            lane.depress.eq(self.depress),
            lane.enable.eq(running),
            lane.valid.eq(pipe.valid(valid).at(CELL_STAGES)),
            lane.row.eq(row),
            lane.column.eq(column.at(CELL_STAGES)),
            lane.device.eq(device.at(CELL_STAGES)),
            lane.g.eq(state.value),
        ]
        m.d.comb += [getattr(lane, name).eq(getattr(self, name)) for name in WriteLane.CONSTANTS]
        return lane
