"""The search for the best reply."""
