"""What is kept: every result, the state of every check, every transition, and who was told of it."""
