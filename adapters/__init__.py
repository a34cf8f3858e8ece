"""The outside world: chat platforms and the command line."""
