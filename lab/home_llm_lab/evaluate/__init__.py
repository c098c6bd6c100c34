"""How good a model is in houses that it has never seen, through the server that is shipped."""
