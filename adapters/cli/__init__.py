"""The `nightloom` command."""
