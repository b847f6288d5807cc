"""Tests of central.sites."""
