"""`probe replay`: stored history through a changed configuration."""
