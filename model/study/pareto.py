"""What an accuracy costs: the cheapest of the settings that were tried of each method which reach it."""

from collections.abc import Mapping, Sequence

EQUAL = 0.001
"""Share of the samples by which accuracies may differ that are called equal."""


def level(accuracies: Sequence[float]) -> float:
    """The accuracy that counts as that of a method, from those of its settings: its best, less `EQUAL`."""
    return max(accuracies) - EQUAL


def cheapest(
    accuracies: Sequence[float], costs: Mapping[str, Sequence[float | None]], least: float
) -> dict[str, float | None] | None:
    """Each cost at its lowest among the settings with an accuracy of `least` or more; None if there are none.

    accuracies: of each setting; costs: by kind, of each setting, None where it is not known.  Settings may differ
    from one kind of cost to the next.
    """
    reach = [k for k, accuracy in enumerate(accuracies) if accuracy >= least]
    if not reach:
        return None
    found: dict[str, float | None] = {}
    for kind, values in costs.items():
        known = [value for k in reach if (value := values[k]) is not None]
        found[kind] = min(known) if known else None
    return found
