"""The bit-exact controller: one integer function per RTL block, same name as its file in `hw`.

Nothing here imports `model.device`: the controller never sees a conductance, only column sums.
"""
