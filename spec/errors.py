"""The error that every bad input ends in: one line that says what and where."""


class InputError(ValueError):
    """A user's input is wrong.  The message is one line: source, key, what is allowed."""

    def __init__(self, message: str, *, source: str = "", key: str = ""):
        where = ": ".join(part for part in (source, key) if part)
        super().__init__(f"{where}: {message}" if where else message)
