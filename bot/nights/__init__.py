"""The nights: what was taught by day becomes a LoRA that proves itself."""
