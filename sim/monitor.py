"""Collects the taps of a controller into the stages of spec/stages.py, sample by sample."""

from typing import Any

import numpy as np

from hw.taps import tap_layouts
from model.record import Strobes
from sim.items import column_order
from sim.payloads import unpack
from spec.params import HwParams
from spec.stages import stage_names


class TapMonitor:
    """Reads `taps` once per clock cycle (`step`), in the middle of it, and builds traces like the golden model's."""

    def __init__(self, dut: Any, params: HwParams):
        self.params = params
        self.valid = dut.taps__valid
        self._names = stage_names(params)
        self._payloads = [getattr(dut, f"taps__{name}") for name in self._names]
        self._layouts = [tap_layouts(params)[name] for name in self._names]
        self._collect = [getattr(self, f"_{name}") for name in self._names]
        self.restart()

    def restart(self) -> None:
        """Forget what was collected."""
        self.unknown: set[str] = set()
        """Taps that showed X or Z."""
        self.trace: dict[str, list[np.ndarray]] = {name: [] for name in self._names}
        self._words: dict[str, list[int]] = {name: [] for name in self._names}

    def step(self) -> bool:
        """Collect what is transferred in this cycle; whether anything is."""
        valid = self._known(self.valid, self._names[0])
        seen = bool(valid)
        stage = 0
        while valid:
            if valid & 1:
                payload = self._known(self._payloads[stage], self._names[stage])
                self._collect[stage](unpack(self._layouts[stage], payload))
            valid >>= 1
            stage += 1
        return seen

    def _known(self, handle: Any, name: str) -> int:
        """The value of a tap; an X or Z in it is noted, and reads as 0."""
        try:
            return int(handle.value)
        except ValueError:
            self.unknown.add(name)
            return int("".join(bit if bit in "01" else "0" for bit in str(handle.value)), 2)

    def strobes(self, upper: bool = False) -> Strobes:
        """The strobes seen so far, in order, on the array that samples drive or on that of the upper layer."""
        columns = self.params.classes if upper else self.params.columns
        seen = self.trace["upper_strobe" if upper else "strobe"]
        if not seen:
            return Strobes.empty(columns)
        rows = np.array(seen)
        up, down = rows[:, 1 : 1 + columns], rows[:, 1 + columns : 1 + 2 * columns]
        return Strobes(rows[:, 0], up.astype(np.uint8), down.astype(np.uint8), rows[:, -1].astype(np.uint8))

    def _gather(self, stage: str, values: list[int], last: bool, length: int) -> None:
        """Words of one sample until its last; padding beyond `length` is dropped."""
        words = self._words[stage]
        words += values
        if last:
            self.trace[stage].append(np.array(words[:length], np.int32))
            self._words[stage] = []

    def _gather_columns(self, stage: str, group: dict, grid_rows: int = 1) -> None:
        """Groups of one read until the last, in the order of the columns; all of them if there are too few or too many."""
        words = self._words[stage]
        words += group["codes"]
        if group["last"]:
            p, codes = self.params, np.array(words, np.int32)
            whole = len(codes) == p.adc_groups * grid_rows * p.group_channels
            self.trace[stage].append(codes[column_order(p, grid_rows)] if whole else codes)
            self._words[stage] = []

    def _codes(self, word: dict) -> None:
        p = self.params
        complete = len(self._words["codes"]) + p.dac_load_lanes == p.row_words * p.dac_load_lanes
        self._gather("codes", word["codes"], complete, p.rows)

    def _conversion(self, group: dict) -> None:
        self._gather_columns("conversion", group, self.params.grid_rows)

    def _adc(self, group: dict) -> None:
        self._gather_columns("adc", group)

    def _column(self, group: dict) -> None:
        self._gather_columns("column", group)

    def _hidden(self, group: dict) -> None:
        self._gather_columns("hidden", group)

    def _logits(self, payload: dict) -> None:
        self.trace["logits"].append(np.array(payload["logits"], np.int32))

    def _verdict(self, payload: dict) -> None:
        values = [payload[name] for name in ("update", "target", "rival", "prediction")]
        self.trace["verdict"].append(np.array(values, np.int32))

    def _delta(self, word: dict) -> None:
        self._gather("delta", word["deltas"], word["last"], self.params.columns)

    def _entry(self, entry: dict) -> None:
        if not entry["end"]:
            self.trace["entry"].append(np.array(_row(entry, self.params.columns), np.int32))

    def _strobe(self, operation: dict) -> None:
        row = _row(operation, self.params.columns)
        self.trace["strobe"].append(np.array([*row, operation["depress"]], np.int32))

    def _upper_entry(self, entry: dict) -> None:
        if not entry["end"]:
            self.trace["upper_entry"].append(np.array(_row(entry, self.params.classes), np.int32))

    def _upper_strobe(self, operation: dict) -> None:
        row = _row(operation, self.params.classes)
        self.trace["upper_strobe"].append(np.array([*row, operation["depress"]], np.int32))


def _row(payload: dict, columns: int) -> list[int]:
    """A row with pulses as a flat vector: row, up..., down..."""
    ups, downs = (([payload[mask] >> c & 1 for c in range(columns)]) for mask in ("up", "down"))
    return [payload["row"], *ups, *downs]
