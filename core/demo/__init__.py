"""A seed in, a folder of made-up clips out, the same bytes every time.

clips     `make`: the whole data set, its "human" and its "AI" clips
songs     `perform`: a synthesised performance
decoders  `melvocoder`, `upsampler`: what makes another song "AI": a decoder's trace and nothing else
"""
