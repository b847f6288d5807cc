"""Tests of central.fleet."""
