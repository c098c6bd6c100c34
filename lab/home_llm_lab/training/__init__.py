"""Training: a base model learns the conversations of the lab."""
