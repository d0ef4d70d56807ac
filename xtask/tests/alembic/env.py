"""Alembic's environment: SERVICE names the metadata, DATABASE_URL the database."""

import os

from alembic import context
from models import METADATA
from sqlalchemy import create_engine

with create_engine(os.environ["DATABASE_URL"]).connect() as connection:
    context.configure(connection=connection, target_metadata=METADATA[os.environ["SERVICE"]])
    with context.begin_transaction():
        context.run_migrations()
