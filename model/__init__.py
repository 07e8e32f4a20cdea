"""The golden model: what the RTL must do to the bit, and the physics that it is judged on.

`controller/` holds the integer functions that `hw/` mirrors, `device/` the crossbar (the only package that
sees conductances), `training/` the method, `study/` many methods on many arrays.
"""
