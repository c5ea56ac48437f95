"""Where agents work: a bounded pool of git worktrees, the sandbox around commands, and the disk budget."""
