"""Rows in every table."""

import datetime
import os
import uuid

from models import METADATA
from sqlalchemy import create_engine, func, select

USERS = [uuid.UUID(int=number) for number in range(1, 101)]
DAY = datetime.date(2020, 1, 1)
VALUES = {
    "user_id": lambda n: USERS[n], "cv_id": lambda n: n + 1, "position": lambda n: n, "entry": lambda _: 1,
    "profile": lambda n: {"number": n}, "input": lambda n: {"number": n}, "started_on": lambda _: DAY, "issued_on": lambda _: DAY,
    "level": lambda _: "native", "url": lambda n: f"https://example.org/{n}", "email": lambda n: f"User{n}@example.org",
    "amount": lambda n: n + 1, "balance": lambda n: n + 1, "payment_id": lambda n: f"payment {n}",
}

with create_engine(os.environ["DATABASE_URL"]).begin() as connection:
    for table in METADATA[os.environ["SERVICE"]].sorted_tables:
        given = [column for column in table.columns if not column.nullable or column.name in VALUES]
        # Of a profile, the id is a user's; every other id is the database's to choose.
        given = [column for column in given if column.server_default is None and column.identity is None and column.name != "id"]
        rows = [{c.name: VALUES.get(c.name, lambda n, c=c: f"{c.name} {n} äöü '$$")(n) for c in given} for n in range(100)]
        if table.name == "user_profiles":
            rows = [row | {"id": user} for row, user in zip(rows, USERS)]
        connection.execute(table.insert(), rows)
    for table in METADATA[os.environ["SERVICE"]].sorted_tables:
        assert connection.scalar(select(func.count()).select_from(table)) == 100, table.name
