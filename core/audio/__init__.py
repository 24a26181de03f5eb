"""A file in, samples out: mono, at one rate, within bounds. And what may be done to samples.

containers    `FORMATS`: what is read, and all that is particular to it; `look`: what a file is by its bytes
formats       where the sound lies in a file of each format, and how long it is
source        `open_audio`: the one gate, and decoding in blocks
clips         `read_clip`: five seconds for training and serving; `read_native`: as stored; `read_recording`: both
song          `Song`: any length, in windows, in memory that does not grow
upload        `decoded`: a foreign file, decoded in a bounded child process
encoding      `mp3`, `ogg`: samples as compressed bytes
transforms    `mp3`, `pitch`, `noise` ...: one change each, at a strength
augmentation  `augment_waveform`: random chains of changes, for training on degraded copies
"""
