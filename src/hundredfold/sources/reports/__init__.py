"""What test runs leave behind: their logs and their reports."""
