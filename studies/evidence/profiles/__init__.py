"""What a package is for: contents in the reader's order, where the reader files them, and what people still write."""
