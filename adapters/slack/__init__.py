"""Nightloom on Slack."""
