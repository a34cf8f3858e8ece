"""What people own: consent, commands, carrying away, erasing."""
