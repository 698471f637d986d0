"""Where verdicts go: metrics, and the people on call."""
