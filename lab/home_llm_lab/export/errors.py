"""What can be wrong with what is to be exported."""


class ExportError(ValueError):
    """Something cannot be exported; the text says why, and what to do about it."""
