"""Non-idealities that only the golden model has: their keys in the table [nonideal] of a device or run file.

The behavioural macro of the RTL knows none of them, so a job that has one is refused there (`refuse_effects`).
Formulas and sources are in docs/nonidealities.md, the arithmetic in model/device/effects/.
"""

from dataclasses import dataclass, field, fields

from spec.errors import InputError

WIRE_SOLVERS = ("ladder", "exact")
HIT_SHIFT, CHANCE_BITS = 4, 20
"""A half-selected cell is hit by 2**-HIT_SHIFT of its step, with a chance of so many fraction bits."""
LARGEST_DISTURB = 1 / (1 << HIT_SHIFT)
"""A hit every time."""


def ranged(default, low: float, high: float, doc: str):
    """A number of a table, with the range that it is checked against."""
    return field(default=default, metadata={"low": low, "high": high, "doc": doc})


@dataclass(frozen=True)
class ModelEffects:
    """The keys, all of them off by default."""

    label_sigma: float = ranged(
        0.0, 0.0, 5.0, "spread of the nonlinearity label over cells, in its own units"
    )
    dac_inl: float = ranged(0.0, 0.0, 16.0, "largest integral nonlinearity of a row's DAC, in LSB")
    adc_inl: float = ranged(0.0, 0.0, 16.0, "largest integral nonlinearity of a converter, in LSB")
    wire_ohm: float = ranged(0.0, 0.0, 1e6, "resistance of a wire between neighbouring cells; 0: no IR drop")
    wire_solver: str = field(
        default="ladder", metadata={"doc": "ladder (fast) or exact: how the IR drop is computed"}
    )
    wire_refresh: float = ranged(1000.0, 1.0, 1e9, "samples of a run after which it is computed anew")
    drift_nu: float = ranged(0.0, 0.0, 1.0, "mean exponent of the power-law drift")
    drift_sigma: float = ranged(0.0, 0.0, 2.0, "spread of the exponent over cells, relative")
    drift_t0_s: float = ranged(20.0, 1e-9, 1e9, "time after writing from which the drift counts")
    retention_s: float = ranged(0.0, 0.0, 1e15, "median time constant of the decay towards rest; 0: none")
    retention_sigma: float = ranged(0.0, 0.0, 3.0, "log-normal spread of the time constant over cells")
    retention_rest: float = ranged(0.0, 0.0, 1.0, "relative state towards which cells decay")
    age_s: float = ranged(0.0, 0.0, 1e12, "time between the transfer and the first read after it")
    shelf_s: float = ranged(0.0, 0.0, 1e12, "time between the online epoch and the first read after it")
    endurance: float = ranged(
        0.0, 0.0, 1e12, "pulses after which the median cell no longer moves; 0: no wear"
    )
    endurance_sigma: float = ranged(0.0, 0.0, 3.0, "log-normal spread of the endurance over cells")
    endurance_loss: float = ranged(0.5, 0.0, 0.9, "share of step and range that a cell has lost by then")
    disturb: float = ranged(0.0, 0.0, LARGEST_DISTURB, "mean move of a half-selected cell, in its own steps")
    write_sigma: float = ranged(0.0, 0.0, 2.0, "log-normal spread of the step from strobe to strobe")

    @property
    def model_only(self) -> tuple[str, ...]:
        """Keys of the effects that are on."""
        ages = self.age_s > 0 or self.shelf_s > 0
        acts = {"drift_nu": ages, "retention_s": ages}
        switches = (
            "label_sigma", "dac_inl", "adc_inl", "wire_ohm", "drift_nu", "retention_s", "endurance", "disturb",
            "write_sigma",
        )  # fmt: skip
        return tuple(name for name in switches if getattr(self, name) > 0 and acts.get(name, True))


@dataclass(frozen=True)
class DeviceEffects:
    """What an image carries of the effects that are on, beside the tables that every macro knows."""

    settings: ModelEffects
    siemens_per_code: float
    """Conductance of one state code."""
    up_bank: tuple[tuple[int, ...], ...] = ()
    """Step tables of the labels that cells may have, as `up_table` of the image; none without a spread."""
    down_bank: tuple[tuple[int, ...], ...] = ()


def effects_of(table: ModelEffects) -> ModelEffects:
    """The effects among the keys of a larger table."""
    return ModelEffects(**{f.name: getattr(table, f.name) for f in fields(ModelEffects)})


def refuse_model_only(names: tuple[str, ...], what: str) -> None:
    """Raise `InputError` if there are effects of these keys; `what` is what does not have them."""
    if names:
        text = (
            f"{', '.join(names)}: only the golden model has {'these' if len(names) > 1 else 'this'}, {what} does not; "
            "take 0, or `crosstrain train --no-rtl`"
        )
        raise InputError(text, key="nonideal")
