"""The order of the upper layer's weights on the register bus."""


def weight_load(weights: list[int], classes: int) -> list[tuple[int, int, int]]:
    """(unit, class, value) of each weight in the order in which it is written: class by class, unit by unit."""
    return [(k // classes, k % classes, value) for k, value in enumerate(weights)]
