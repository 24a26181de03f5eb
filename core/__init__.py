"""Everything that computes; knows nothing of screens and command lines.

Two folders of clips in, a run under artifacts/ out; or one file and a run in, a verdict out. From the ground up, each
imports only from those above it:

errors      `DetectorError` and its kinds: path, problem, remedy
progress    the bars
machine     the processors and the memory a process has
palette     the colours of the two classes, and the scales between them
config      every setting of a run, one default each (the bounds of uploads are in audio.upload)
storage     atomic writes, arrays without pickle, hashes, locks
device      CPU, CUDA, MPS
artifacts   a run's files, by name; the names of splits, labels, detectors
metrics     labels and probabilities in, figures with intervals out
demo        a seed in, made-up clips out
audio       a file in, samples out; and what may be done to samples
features    samples in, what models read out
data        folders or a table in, split clips out; the datasets of the loaders
models      the networks
training    a model and its clips in, checkpoints out
verdict     a file and a run in, a verdict out
evaluation  a run in, results.json out
figures     results in, printed figures out
phases      the steps of a run, one file each
estimate    how long a run will take here, and in how much memory
pipeline    which phases must run, and in what order
"""
