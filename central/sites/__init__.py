"""Sites, their lanes and readers, schedules and entry rights."""
