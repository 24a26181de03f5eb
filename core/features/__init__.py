"""Samples in, what the models read out; pure functions.

mel_scale      `band_centres`, `band_of`: mel bands and frequencies; light, pages use it
fine_axes      `line_frequencies`: where each number of the fine spectrum lies; light, pages use it
filterbanks    `log_mel`, `ast_filterbank`: equal to librosa's and to AST's own
fine_spectrum  `fine_spectrum`: spectral lines and grain
front_end      `pictures`: all of these for one clip, after the decoding chain that the run asks for
inverse        `mel_to_audio`: a log-mel made audible again
"""
