"""Judgement as pure values and functions: results in, verdicts out. No I/O, no clock, no logging."""
