"""Who is on call, and who is told next: people, rotations, schedules, overrides, escalations. Pure."""
