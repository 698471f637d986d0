"""The hot part: when a check runs, what becomes of its result, and who waits for whom (nobody)."""
