"""A file's bytes in, where its sound lies out: a room for each format. Nothing is decoded here.

opened  `Opened`, `Layout`: what comes in and what goes out
view    `View`: what a decoder is shown, where that is not the file as it is
wav     chunks
flac    the last frame, where the header does not say how long it is
aiff    chunks
ogg     pages, and streams one after the other
opus    `opus_head`: how a stream of Opus in an Ogg counts
mpeg    frames, which alone tell how long an MP3 is
"""
