"""What an org file says, as values."""
