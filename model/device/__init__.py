"""The device: float physics (`laws`), its compilation to integers (`compile`), the golden macro (`macro`).

Only this package may look at conductances; the controller, golden or RTL, never imports it.
"""
