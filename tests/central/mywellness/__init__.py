"""Tests of the way to Mywellness."""
