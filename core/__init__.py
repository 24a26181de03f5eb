"""The detector itself: audio in, trained models and measured results out. Knows nothing of screens or command lines."""
