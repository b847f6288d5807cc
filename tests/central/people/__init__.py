"""Tests of central.people."""
