"""The product's memory: one database (SQLite or PostgreSQL), its migrations, and a folder of large texts."""
