"""Claude Code, run once per attempt: `claude -p` with its stream of JSON lines."""
