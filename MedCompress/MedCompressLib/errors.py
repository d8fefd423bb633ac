"""The one exception that speaks to users."""


class MedCompressError(Exception):
    """A failure the user can act on: the message names the cause and the remedy in one line."""


class Cancelled(Exception):
    """The user asked for the work to stop; nothing was written."""
