"""Trains LoRAs, in a process of its own."""
