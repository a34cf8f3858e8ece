"""What each call of the HTTP interface does."""
