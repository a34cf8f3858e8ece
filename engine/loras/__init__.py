"""LoRAs on disk."""
