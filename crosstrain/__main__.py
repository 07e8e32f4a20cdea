"""`python -m crosstrain`: the program, from wherever the package is."""

from crosstrain.cli import main

main()
