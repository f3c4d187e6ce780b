"""The published comparisons: two analyses of the same exams side by side."""
