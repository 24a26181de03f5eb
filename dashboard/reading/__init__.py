"""A run's files in, typed values out; no other room opens a file of a run.

runs            `runs`, `phases`: which runs there are, and how far they are
results         `results_json`, `Results`: results.json, read once, and its main part typed
detectors       every detector's figures in full, and its training's history
robustness      `Robustness`: shortcuts, changed sound, held-out sources, seeds
attention       `Attention`: fusion weights and what removing a branch does
attention_maps  `Maps`: where the transformer looked
clips           `read_clip_table`: one row per clip, with every detector's probability
embeddings      `EmbeddingMap`, `nearest`: the map, and neighbours in the original space
sound           `original`, `reconstruction`: what can be heard of a clip
annotations     tags and notes in SQLite
kept            `kept`: what was read stays read until its files change
"""
