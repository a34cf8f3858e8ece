"""Which models there are, how they are opened, and how they are spoken to."""
