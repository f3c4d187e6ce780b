"""Image tools that several stages share."""
