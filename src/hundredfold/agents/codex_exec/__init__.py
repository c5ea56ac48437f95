"""Codex by `codex exec --json`, run once per attempt: for hosts where its app-server is not wanted."""
