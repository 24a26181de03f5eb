"""Labels, probabilities and songs in; figures and their intervals out. Arrays only: no files, no runs.

A figure more is a line in the registry, where a threshold decides it, or in ranking, where none does. It is then
measured with its interval and written to results.json, and one of the registry printed and shown. Pages compute with
the first three while a slider moves; these need numpy alone.

intervals         `song_draws`, `wilson`, `enough_songs`, `with_interval`: how sure we are, and how that is printed
claims            `claims`, `corrected`: which differences may be called higher or lower
registry          `Metric`, METRICS: the figures that a threshold decides
operating_points  `operating_point`, `curves`: all that holds at one threshold or at every one
ranking           `RankingMetric`, RANKING: AUC, equal error rate and what is caught at few false alarms
scores            `score`, `song_bootstrap`, `paired_difference`: a model's figures, and two models compared
thresholds        `choose_threshold`, `raised`: where to say AI
songs             `song_score`, `song_scores`, `voting`: how clips become a song's score
calibration       `fit_temperature`, `reliability`, `uncertain_band`: whether a probability means what it says
"""
