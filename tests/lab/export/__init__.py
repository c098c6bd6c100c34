"""Tests of the export, in the environment of training."""
