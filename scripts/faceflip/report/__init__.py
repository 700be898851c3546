"""The page that shows a run: its tables, its figures, a gallery of adversarial images, and what it took."""
