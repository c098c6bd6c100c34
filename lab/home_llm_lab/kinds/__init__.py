"""Kinds of commands: each makes examples for a house, with what should come of them."""
