"""Home LLM: a language model server for Home Assistant, built on llama.cpp."""

__version__ = "0.1.0"
