"""Agreement, significance, correlation: plain arrays in, frozen results out."""
