"""Reads what people write in their own language. Knows no manner by name, no file and no reply."""
