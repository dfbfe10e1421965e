"""The exceptions that are no defects: each is shown as a single line, without a traceback."""


class InputError(ValueError):
    """A file, an option or a folder is not what it has to be.

    The message says what was found, what is allowed, and what to do. Scripts print it alone and
    exit with status 2; every other exception is a defect of ours and keeps its traceback.
    """


class Pruned(Exception):
    """A search gave a run up, because it does worse than others did at the same step."""


class Stop(BaseException):  # whatever catches Exception has to let it through
    """The process ends with this message and exit code, in good order."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message, exit_code)  # both, so that it can be pickled
        self.exit_code = exit_code

    def __str__(self) -> str:
        return str(self.args[0])


class Interrupted(Stop):
    """A run was asked to stop, and did so in good order; the message says how to go on."""


class SweepUnfinished(Stop):
    """A sweep is over, but not all of its jobs are done; the message says which and why."""
