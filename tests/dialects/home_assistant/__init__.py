"""Home Assistant's own integrations as clients of the server."""
