"""The steps that bring a database to `central.schema`; run by `central.migrate`."""
