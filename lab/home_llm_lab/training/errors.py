"""What training can tell its user."""


class TrainingError(Exception):
    """Training cannot start or go on; the text says why and what to do."""
