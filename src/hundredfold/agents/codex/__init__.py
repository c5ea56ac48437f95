"""The Codex agent: turns in the threads of `codex app-server` processes that outlive this one."""
