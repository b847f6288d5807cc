"""Subscriptions, their dates and freezes."""
