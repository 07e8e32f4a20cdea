"""How a sample's codes go to the row port."""

import numpy as np


def dac_load(codes: np.ndarray, lanes: int) -> list[tuple[int, np.ndarray]]:
    """(word, codes int32[lanes]) of one sample in order; rows beyond the last are 0.  codes: int32[rows]."""
    words = np.resize(np.pad(codes, (0, -len(codes) % lanes)), (-(-len(codes) // lanes), lanes))
    return list(enumerate(words))
