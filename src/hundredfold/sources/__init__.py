"""What is read of the outside world: git today."""
