"""The tables, as SQLAlchemy Core, one module a topic; `migrations` bring a database to this shape."""
