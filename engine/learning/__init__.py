"""What a night learns from, and whether it goes live."""
