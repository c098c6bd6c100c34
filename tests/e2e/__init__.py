"""The whole way: real server, real model, real Home Assistant."""
