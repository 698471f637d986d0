"""The program's commands, and what they draw on a terminal."""
