"""Text in, text out: search, judging, training. Knows no chat and no database."""
