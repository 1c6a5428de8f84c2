"""The append-only log: who did what to what, chained by hash, the head sealed with a key outside the database."""
