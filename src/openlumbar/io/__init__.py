"""The only home of file formats, and of LPS↔RAS."""
