"""The kinds of work. A job is one module (or folder) with its schemas and prompts beside it."""
