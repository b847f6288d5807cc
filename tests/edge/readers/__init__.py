"""Tests of the adapters of the same name."""
