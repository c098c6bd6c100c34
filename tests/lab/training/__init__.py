"""Tests of training, in its own environment."""
