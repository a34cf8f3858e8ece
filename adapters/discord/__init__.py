"""Nightloom on Discord."""
