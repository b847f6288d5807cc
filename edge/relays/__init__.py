"""Outputs and inputs of lanes: relays, lamps, passage sensors."""
