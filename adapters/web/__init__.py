"""Nightloom in the browser: the page, and the HTTP interface under it."""
