"""How reading from a provider fails: in a way that time may mend, or for good.

An outage must not look like a catalogue with fewer scenes, so only what would fail tomorrow too, a file that
is gone or whose content is broken, may be left out of a product. All else is tried again, then ends the job.
"""

GONE = (404, 410)  # the HTTP statuses of what is not there and will not come


class PassingError(Exception):
    """No connection, no answer, a busy or failing server, a refused signature, an answer cut short.

    ``wait_s``: seconds that the server asks to be left alone; 0 where it does not say.
    """

    def __init__(self, cause: str, wait_s: float = 0.0) -> None:
        super().__init__(cause)
        self.wait_s = wait_s


class UnreadableError(Exception):
    """A source could not be read; ``lasting`` where the source itself is known to be at fault."""

    def __init__(self, cause: str, lasting: bool = False) -> None:
        super().__init__(cause)
        self.lasting = lasting


class OutageError(Exception):
    """What passes did not pass in time; ``seconds`` is how long nothing came."""

    def __init__(self, cause: str, seconds: float) -> None:
        super().__init__(cause)
        self.seconds = seconds

    @property
    def lasted(self) -> str:
        """For how long, in words."""
        return f"{self.seconds / 60:.0f} minutes" if self.seconds >= 120 else f"{self.seconds:.0f} s"
