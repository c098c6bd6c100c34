"""A simulated house to command, without Home Assistant."""

from home_llm.demo.house import Device, House
from home_llm.demo.turn import Turn, take_turn

__all__ = ["Device", "House", "Turn", "take_turn"]
