"""The web server around the org, and what the emulator tells of itself."""
