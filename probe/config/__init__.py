"""From a YAML file to a Config, or to every problem in it at once."""

from probe.config.load import load
from probe.config.problems import ConfigError, Problem
from probe.config.schema import json_schema

__all__ = ["ConfigError", "Problem", "json_schema", "load"]
