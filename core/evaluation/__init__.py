"""A run's predictions in; results.json out.

evidence     `Evidence`: what every question is asked of; `evaluate_model`, `song_intervals`, `compare`
detectors    `detector_results`, `comparisons`: one detector at a time, and each two; `comparison_table`
data         `data_results`, `source_results`: what the models were trained and tested on
autoencoder  `reconstruction_results`, `variant_results`
attention    `attention_results`: fusion weights, and what removing a branch does
audit        `robustness_results`, `shortcut_results`, `seed_results`
unheard      `leave_out_results`: sources that were held out in turn
song_rules   `verdict_results`: from clips to a call for a song
summary      `summary`: what may be said and what may not, as sentences
shortcuts    `measure`, `audit`: what is not music in a file, and how far one gets with it
projection   `tsne`, `subsample`
"""
