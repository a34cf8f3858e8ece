"""What the bot does, on no chat platform in particular."""
