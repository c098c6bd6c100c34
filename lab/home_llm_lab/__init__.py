"""The model lab: houses, commands, training, export and evaluation of the Home models."""
