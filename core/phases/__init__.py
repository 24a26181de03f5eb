"""The steps of a run, in order. Each file has `run(run, config, fingerprint) -> Made` and is a command, too.

`python -m core.phases.NAME` is the pipeline with this phase alone.
`core.pipeline.PHASES` lists them; prepare, whose input are the clips themselves, is given their listing as well.

phase        `Made`: what a phase says it made
prepare      clips in, log-mels and the split out
autoencoder  latents and reconstruction errors
transformer  embeddings
baselines    CNN, the two embedding classifiers, the fine spectrum
hybrid       the fusions
audit        shortcuts, robustness, held-out sources, seeds
retraining   the same trainings again on part of the clips, for the audit
evaluate     results, tables, figures
explain      what the dashboard shows of each clip
"""
