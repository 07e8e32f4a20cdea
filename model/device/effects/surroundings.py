"""What happens to an array between its pulses and its reads: time passes, and the wires' share is computed."""

import numpy as np

from model.device.cell import MacroState, update_difference
from model.device.effects.age import Wait, pass_time, passing
from model.device.effects.wires import attenuations
from model.jit import kernel
from spec.effects import DeviceEffects


@kernel
def _update_all(state):
    rows, columns = state.diff.shape
    for row in range(rows):
        for column in range(columns):
            update_difference(state, row, column)


class Surroundings:
    """Those of one array of macros with effects.  `states`: of its macros."""

    def __init__(self, states: list[MacroState], effects: DeviceEffects):
        self.states, self.effects = states, effects
        self._wait = Wait.NOTHING
        self._seen: list[np.ndarray | None] = [None] * len(states)

    def write(self, wait: Wait) -> None:
        """The array was written, and then waits; applied at the next read."""
        self._wait = wait

    def settle(self) -> None:
        """Before a read: let the time pass that the array has waited, then refresh the wires' share."""
        passed = passing(self.effects.settings, self._wait)
        self._wait = Wait.NOTHING
        if passed:
            for state in self.states:
                pass_time(state, passed)
        self.refresh()

    @property
    def refresh_samples(self) -> int:
        """Samples of a run after which `refresh` is due; 0: never."""
        s = self.effects.settings
        return round(s.wire_refresh) if s.wire_ohm > 0 else 0

    def refresh(self) -> None:
        """What columns see of the cells through the wires, anew where a state has changed."""
        s = self.effects.settings
        if s.wire_ohm == 0:
            return
        for k, state in enumerate(self.states):
            last = self._seen[k]
            if last is None or not np.array_equal(last, state.g):
                of_wires = s.wire_solver, s.wire_ohm, self.effects.siemens_per_code
                state.effects.attenuation[:] = attenuations(state.g, *of_wires)  # type: ignore[union-attr]
                _update_all(state)
                self._seen[k] = state.g.copy()
