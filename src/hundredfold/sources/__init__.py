"""What is read of the outside world: git, and below it GitHub, benchmark results, reports of test runs."""
