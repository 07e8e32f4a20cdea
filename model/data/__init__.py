"""Data sets as bytes: loaded from packages, checked by digest, split into train, validation and test.

The validation samples are taken from what is not test data; thresholds are chosen on them and on nothing else.
"""

from model.data.dataset import Dataset, Split
from model.data.sources import CACHE, SOURCES, load_data

__all__ = ["CACHE", "SOURCES", "Dataset", "Split", "load_data"]
