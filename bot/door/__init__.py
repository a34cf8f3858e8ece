"""Where every event comes in, and from where every answer goes out."""
