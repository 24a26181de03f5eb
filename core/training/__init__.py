"""A model and its clips in; weights, history and checkpoints out.

loop          `train_baseline`: the one loop, with early stopping, going on where it was killed
batches       `MicroBatch`, `predict`: a step and a prediction in the memory there is
checkpoints   `save`, `load`: config and weights in one file, without pickle
spec_augment  `augment_filterbank`: masks and shifts while training
"""
