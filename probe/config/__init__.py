"""From a YAML file to a Config, or to every problem in it at once."""
