"""The HTTP dialects: each file translates one into the chat room's vocabulary and back."""

from home_llm.api.app import create_app

__all__ = ["create_app"]
