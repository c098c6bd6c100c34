"""A house in a real Home Assistant, with devices that only remember what they are told."""
