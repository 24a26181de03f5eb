"""Labels, probabilities and songs in; figures and their intervals out. Arrays only: no files, no runs.

operating_points  `operating_point`, `curves`: all that holds at one threshold or at every one; numpy alone, since pages
                  compute with it while a slider moves
scores            `score`, `song_bootstrap`, `paired_difference`: a model's figures, and two models compared
thresholds        `choose_threshold`, `operating`: where to say AI; EER, TPR at a false-positive rate
calibration       `fit_temperature`, `reliability`, `uncertain_band`: whether a probability means what it says
"""
