"""What a parameter of the hardware can name, and how large a macro and a grid can be."""

MEMORY_RULES = ("accumulate", "counter")
"""Update rules that gather a weight's pulse in the update memory."""
CHANCE_RULES = ("manhattan", "stochastic")
"""Update rules without memory: a pulse comes at once, where a row and a column fire."""
RULES = MEMORY_RULES + CHANCE_RULES
"""Update rules in the order of their code in the register `RULE`."""

ENCODINGS = ("amplitude", "pulse_width", "bit_serial")
"""Input encodings in the order of their code in the register `ENCODING`: a row's voltage, its time, one bit per read."""

MOST_SIDE = 1024
"""Rows, and columns, of one macro at most."""
MOST_TILES = 4
"""Macros along the rows, and along the columns, of one layer."""
UPPER_LAYERS = ("digital", "analog")
"""What the upper layer is: multipliers and a weight memory, or a second array."""
ADC_KINDS = ("sar", "ramp")
"""Kinds of column converters: successive approximation, or one ramp for all channels (single slope)."""
