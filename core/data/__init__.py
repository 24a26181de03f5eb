"""Folders or a table in; clips with song, source and split out.

search    `search`: the sound files of a folder, and a `Rest` with the reason for each that is not taken
places    `folders`, `manifest`: where the clips are; a `Place`, its `Listing`
names     `tell`: which song and source each belongs to, told by names
splits    `split_songs`: which song goes to training, validation, test; `check_enough_songs` before any is read
datasets  `SpectrogramDataset` and its siblings: clips as PyTorch's loaders take them
"""
