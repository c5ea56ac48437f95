"""Agent programs that run once per attempt, each in a sandbox whose only way out is the gateway."""
