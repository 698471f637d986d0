"""From a check's transition to whoever must act: incidents, who hears of them, when, and why. Pure."""
