"""What the chat platforms share: splitting long texts, pacing, catching up, showing two answers."""
