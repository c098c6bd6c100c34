"""JSON schemas of answers, for the OpenAPI document."""
