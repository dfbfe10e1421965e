"""The one exception that is a user's to mend: it is shown as a single line, without a traceback."""


class InputError(ValueError):
    """A file, an option or a folder is not what it has to be.

    The message says what was found, what is allowed, and what to do. Scripts print it alone and
    exit with status 2; every other exception is a defect of ours and keeps its traceback.
    """


class Interrupted(BaseException):  # whatever catches Exception has to let it through
    """A run was asked to stop, and did so in good order; the message says how to go on."""

    def __init__(self, message: str, *, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code
