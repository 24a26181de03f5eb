"""What the pages share: reading a run, figures, sentences, components. Pages in pages/ are layout only."""
