"""Edges: their names, their secrets, how they are, and what the broker lets them do."""
