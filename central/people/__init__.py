"""Persons with their facets, flags, groups and credentials."""
