"""The detectors' figures at any threshold, two compared, calibration, training.

view       the page's parts
threshold  `show`: the slider and what follows it
figures    `roc`, `det`, `histogram`, `reliability`
words      `point_rows`, `pair_rows`, `bin_rows`
"""
