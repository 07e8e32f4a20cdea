"""The controller in Amaranth: one file per block, mirrored by `model/controller`.  Start at `hw/controller.py`."""
