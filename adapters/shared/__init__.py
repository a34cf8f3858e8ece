"""What the chat platforms share: splitting and pacing, catching up, comparisons, findings of `check`."""
