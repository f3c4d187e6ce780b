"""Analysis → what a person reads."""
