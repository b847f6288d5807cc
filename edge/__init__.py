"""The device at the door."""
