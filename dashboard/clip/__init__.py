"""One clip, wherever it is shown.

view      `show`: player, verdicts and facts of the selected clip
evidence  `artefacts`, `fusion`: what lies behind its verdicts
figures   its pictures
filter    `ClipFilter`: which clips a table shows
"""
