"""The dataset: examples that were executed in a real Home Assistant, split, written and described."""
