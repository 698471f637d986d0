"""What every check type stands on: the result, the network, the one place where an exception becomes a failure."""
