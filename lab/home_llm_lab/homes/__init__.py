"""Random houses that could be somebody's, the same for the same seed."""

from .making import hide, make_house, restate
from .vocabulary import VocabularyError

__all__ = ["VocabularyError", "hide", "make_house", "restate"]
