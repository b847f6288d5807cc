"""What alembic runs: the steps, on the connection that `central.migrate` hands over."""

from alembic import context

from central.schema import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA)
with context.begin_transaction():
    context.run_migrations()
